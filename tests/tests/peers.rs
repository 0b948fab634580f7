//! The benchmark of our stack beside others does what its page in the handbook says: its shortest
//! form ends well, measures every row, and its files can be read. What it measures is nobody's
//! concern here.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use tests::bench::{Row, Stack};
use tests::{must_run, scratch};

/// The benchmark with these arguments.
fn peers(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peers"));
    command.arg("--tapip").arg(tests::binary()).args(arguments);
    command.output().expect("the benchmark runs")
}

#[test]
fn the_shortest_form_measures_every_row() {
    let dir = scratch("peers");
    let file = |name: &str| dir.join(name).to_str().unwrap().to_string();
    let (json, markdown, svg) = (file("all.json"), file("all.md"), file("all.svg"));
    let output = peers(&[
        "--stacks",
        "tapip,tapip-plain,tapip-lib,ideal,ideal-plain",
        "--rounds",
        "1",
        "--seconds",
        "0.1",
        "--json",
        &json,
        "--markdown",
        &markdown,
        "--svg",
        &svg,
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    if let Some(why) = text.strip_prefix("peers: nothing can be measured here: ") {
        // An ordinary user may well have no TAP; root is expected to.
        let denied = why.contains("/dev/net/tun cannot be opened: Permission denied");
        assert!(denied || !must_run(), "{why}");
        eprintln!("SKIPPED: the_shortest_form_measures_every_row: {why}");
        return;
    }
    let help = Command::new(tests::binary()).arg("--help").output().expect("tapip runs");
    let help = String::from_utf8_lossy(&help.stdout);
    // A tapip without one of these options is measured without it.
    let can = |stack: Stack, row| {
        let known = |option| !stack.is_tapip() || help.contains(option);
        (stack.offloads() || known("--offload")) && (row != Row::RrBusy || known("--busy-poll"))
    };
    let read = |path| std::fs::read_to_string(path).expect("it was written");
    let report: serde_json::Value = serde_json::from_str(&read(json)).expect("JSON");
    let samples = report["samples"].as_array().expect("samples");
    let (markdown, svg) = (read(markdown), read(svg));
    assert_eq!(text, markdown);
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
    for row in clap::ValueEnum::value_variants() {
        let row: &Row = row;
        let stacks =
            [Stack::Tapip, Stack::TapipPlain, Stack::TapipLib, Stack::Ideal, Stack::IdealPlain];
        let measured = stacks.iter().any(|stack| stack.has(*row) && can(*stack, *row));
        assert_eq!(text.contains(row.title()), measured, "{row:?}: {text}{errors}");
        for stack in stacks {
            let found = samples.iter().find(|s| s["row"] == row.id() && s["stack"] == stack.id());
            let value = found.map(|sample| sample["value"].as_f64());
            match stack.has(*row) && can(stack, *row) {
                true => assert!(matches!(value, Some(Some(0.0..))), "{row:?} {stack:?}: {found:?}"),
                false => assert_eq!(value, None, "{row:?} {stack:?}"),
            }
        }
    }
}

#[test]
fn a_word_that_is_no_row_runs_nothing() {
    let output = peers(&["--bench", "pings"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_row_that_does_not_exist_is_refused_with_those_that_do() {
    let output = peers(&["--rows", "upwards"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("loss-out"), "{errors}");
}
