//! A connection that carries data.

use std::time::Duration;

use netdev::Capabilities;

use crate::pair::{Pair, Side};
use crate::{Step, counted};

/// What fits in one packet beside its headers (65,535 - 20 - 32 bytes), in whole segments of
/// 1,448 bytes.
const BULK: usize = 45 * 1448;

/// From step to step; the round trip of a TAP.
const PAUSE: Duration = Duration::from_micros(50);

/// A byte comes in and is read. Its answer, which is not counted, acknowledges it.
pub(crate) fn byte_in() -> Step {
    let mut pair = Pair::new(crate::pair::PLAIN);
    let [here, there] = pair.connection();
    byte_in_on(pair, here, there)
}

/// The same on a connection that there is.
pub(crate) fn byte_in_on(mut pair: Pair, here: ip::Handle, there: ip::Handle) -> Step {
    let mut buffer = [0; 64];
    Box::new(move || {
        pair.now += PAUSE;
        pair.send(Side::There, there, b"?");
        let received = counted(|| {
            pair.poll(Side::Here);
            pair.tell(Side::Here);
            pair.receive(Side::Here, here, &mut buffer)
        });
        assert_eq!(received, 1);
        pair.send(Side::Here, here, b"!");
        pair.poll(Side::There);
        assert_eq!(pair.receive(Side::There, there, &mut buffer), 1);
    })
}

/// A byte goes out; it acknowledges the one that came before.
pub(crate) fn byte_out() -> Step {
    let mut pair = Pair::new(crate::pair::PLAIN);
    let [here, there] = pair.connection();
    let mut buffer = [0; 64];
    Box::new(move || {
        pair.now += PAUSE;
        pair.send(Side::There, there, b"?");
        pair.poll(Side::Here);
        assert_eq!(pair.receive(Side::Here, here, &mut buffer), 1);
        counted(|| pair.send(Side::Here, here, b"!"));
        pair.poll(Side::There);
        assert_eq!(pair.receive(Side::There, there, &mut buffer), 1);
    })
}

/// Which part of a transfer is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Sending,
    Receiving,
    Acknowledgment,
}

pub(crate) fn bulk_in(capabilities: Capabilities) -> Step {
    transfer(capabilities, Part::Receiving)
}

pub(crate) fn bulk_out(capabilities: Capabilities) -> Step {
    transfer(capabilities, Part::Sending)
}

pub(crate) fn acknowledged(capabilities: Capabilities) -> Step {
    transfer(capabilities, Part::Acknowledgment)
}

/// 64 KiB cross the wire and are acknowledged, all of it within the window.
fn transfer(capabilities: Capabilities, part: Part) -> Step {
    let mut pair = Pair::new(capabilities);
    let ends = pair.connection();
    let from = if part == Part::Receiving { Side::There } else { Side::Here };
    let [sender, receiver] = [from, from.other()].map(|side| ends[side as usize]);
    let data = vec![0x5a; BULK];
    let mut buffer = vec![0; BULK];
    let count = move |wanted, act: &mut dyn FnMut()| {
        if part == wanted { counted(act) } else { act() }
    };
    Box::new(move || {
        pair.now += PAUSE;
        count(Part::Sending, &mut || pair.send(from, sender, &data));
        let mut received = 0;
        count(Part::Receiving, &mut || {
            pair.poll(from.other());
            pair.tell(from.other());
            received += pair.receive(from.other(), receiver, &mut buffer);
        });
        count(Part::Acknowledgment, &mut || {
            pair.poll(from);
            pair.tell(from);
        });
        // The window may be too small for all at first, and the rest waits for a delayed
        // acknowledgment.
        while received < BULK {
            pair.pass(Duration::from_millis(50));
            received += pair.receive(from.other(), receiver, &mut buffer);
        }
    })
}
