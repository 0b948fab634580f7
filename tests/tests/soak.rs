//! `cargo run -p tests --bin soak`: a short run, and what it says of a failure.

use std::process::Command;
use std::time::Duration;

use tests::soak::{Plan, Trial, soak};

#[test]
fn a_round_of_everything_passes() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soak"));
    command.args(["--rounds", "1", "--seed", "2026"]).env_remove("TAPIP_SEED");
    let output = command.output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("round 1: seed 2026: "), "{text}");
    for what in ["connections", "networks", "cases", "scripts", "inputs"] {
        assert!(lines[0].contains(what), "{text}");
    }
    assert!(lines[1].starts_with("1 rounds in "), "{text}");
}

fn said(trials: &[Trial], plan: Plan) -> (bool, String) {
    let mut out = Vec::new();
    let good = soak(trials, &plan, &mut out).unwrap();
    (good, String::from_utf8(out).unwrap())
}

#[test]
fn the_first_failure_is_the_end_and_its_command_repeats_it() {
    let good = Trial { name: "good", run: |seed| format!("{} is even", seed & !1) };
    // Two of three rounds go well.
    let bad = Trial {
        name: "bad",
        run: |seed| if seed % 3 == 1 { panic!("{seed} is one too many") } else { "well".into() },
    };
    let plan = Plan { seed: 3, time: Duration::MAX, rounds: u64::MAX };
    let (passed, text) = said(&[good, bad], plan);
    assert!(!passed && text.starts_with("round 1: seed 3: 2 is even; well; "), "{text}");
    let [.., failure, again] = &text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(failure.contains(": bad FAILED: ") && failure.ends_with(" is one too many"), "{text}");
    let seed = again.split("--seed ").nth(1).unwrap().split(' ').next().unwrap();
    let plan = Plan { seed: seed.parse().unwrap(), rounds: 1, ..plan };
    let (passed, repeated) = said(&[bad], plan);
    assert!(!passed && repeated.lines().last() == Some(again), "{repeated}");
}

#[test]
fn it_ends_with_its_time_or_its_rounds_and_each_round_has_a_seed_of_its_own() {
    let trial = Trial { name: "seed", run: |seed| seed.to_string() };
    let plan = Plan { seed: 7, time: Duration::ZERO, rounds: 100 };
    let (passed, text) = said(&[trial], plan);
    assert!(passed && text.lines().count() == 2, "{text}");
    let plan = Plan { time: Duration::MAX, rounds: 50, ..plan };
    let (_, text) = said(&[trial], plan);
    let seed = |line: &str| {
        line.split("seed ").nth(1).map(|rest| rest.split(':').next().unwrap().to_string())
    };
    let seeds: std::collections::BTreeSet<_> = text.lines().filter_map(seed).collect();
    assert_eq!(seeds.len(), 50, "{text}");
}
