//! The part of a step whose instructions are counted.

use std::sync::atomic::{AtomicBool, Ordering};

static COUNTING: AtomicBool = AtomicBool::new(true);

/// Runs what belongs to the stack that is looked at. In the program `scenario`, under callgrind,
/// its instructions are counted.
pub fn counted<T>(act: impl FnOnce() -> T) -> T {
    if !COUNTING.load(Ordering::Relaxed) {
        return act();
    }
    let (mut act, mut result) = (Some(act), None);
    counted_region(&mut || result = act.take().map(|act| act()));
    result.expect("the region calls what it is given")
}

/// Runs something, as the steps that warm up, in which nothing counts.
pub fn without_counting<T>(act: impl FnOnce() -> T) -> T {
    COUNTING.store(false, Ordering::Relaxed);
    let result = act();
    COUNTING.store(true, Ordering::Relaxed);
    result
}

/// callgrind counts from the call of this function to its return: it knows it by its name.
#[inline(never)]
fn counted_region(act: &mut dyn FnMut()) {
    act();
    // With something to do after the call, that is no jump: the function returns.
    std::hint::black_box(&act);
}
