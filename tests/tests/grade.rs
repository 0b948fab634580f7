//! `cargo run -p tests --bin grade`: what it prints, and how it ends.

use std::process::{Command, Output};

fn grade(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grade"));
    command.args(arguments).env_remove("TAPIP_SEED");
    command.output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn who_keeps_every_must_passes() {
    let output = grade(&["arp", "--implementation", "cache"]);
    let table = text(&output.stdout);
    assert!(output.status.success(), "{table}");
    assert!(table.lines().last().is_some_and(|line| line.starts_with("cache ")), "{table}");
}

#[test]
fn who_does_not_fails_and_is_told_why_in_lines() {
    let output = grade(&["arp", "--implementation", "static", "--strict"]);
    let (table, noise) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{table}");
    let failures = table.lines().filter(|line| line.starts_with("FAIL MUST")).count();
    assert!(failures > 0, "{table}");
    assert_eq!(noise, "", "the panics of failed cases are not printed");
}

#[test]
fn what_is_left_out_for_a_reason_fails_nobody() {
    let output = grade(&["arp", "--implementation", "static"]);
    let table = text(&output.stdout);
    assert!(output.status.success(), "{table}");
    let lacks = table.lines().filter(|line| line.starts_with("LACK MUST")).count();
    assert!(lacks > 0 && table.contains("): neighbours are set by hand"), "{table}");
    assert!(!table.contains("FAIL"), "{table}");
}

#[test]
fn each_implementation_has_a_line() {
    for (layer, names) in [
        ("arp", ["cache", "static"]),
        ("ip", ["router", "simple"]),
        ("icmp", ["full", "echo"]),
        ("udp", ["full", "simple"]),
        ("tcp", ["rfc9293", "small"]),
        ("socket", ["rfc9293", "small"]),
    ] {
        let output = grade(&[layer]);
        let table = text(&output.stdout);
        assert!(output.status.success(), "each of the tree's own passes: {layer}\n{table}");
        let first: Vec<_> =
            table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(first, names, "{table}");
    }
}

#[test]
fn what_there_is_not_is_said() {
    let output = grade(&["tcp", "--implementation", "mine"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("there is: rfc9293, small"), "{message}");
}
