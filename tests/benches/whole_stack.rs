//! Steps of the scenarios whose instructions are counted, timed: both ends of the wire together.
//! `cargo bench -p tests --bench whole_stack`.

use divan::Bencher;
use scenarios::{SCENARIOS, Scenario};

fn main() {
    divan::main();
}

#[divan::bench(args = SCENARIOS.iter().map(|scenario| scenario.name))]
fn step(bencher: Bencher<'_, '_>, name: &str) {
    let Scenario { make, .. } = scenarios::find(name).expect("a scenario");
    let mut step = make();
    (0..64).for_each(|_| step());
    bencher.bench_local(step);
}
