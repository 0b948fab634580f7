//! The instructions that a stack takes for one packet are held against a snapshot,
//! `snapshots/instructions.txt`: none may take over 5 % more. Where more is meant, commit the new
//! figures with the reason; where there are over 5 % fewer, they are worth committing, so that
//! they stay:
//!
//! ```text
//! TAPIP_SNAPSHOT=update cargo test -p tests --test instructions
//! ```
//!
//! `cargo run --profile counted -p scenarios -- --top 20 tcp-1-byte-in` shows where they go.

use std::path::Path;
use std::process::{Command, Stdio};

use scenarios::SCENARIOS;
use scenarios::callgrind::{Compiler, Program, Table};

/// How far a figure may rise, in percent.
const TOLERANCE: u64 = 5;
/// The same where another compiler has made the code than the figures are of: it is no tighter
/// than compilers are alike.
const OF_ANOTHER_COMPILER: u64 = 20;

#[test]
fn no_packet_takes_more_instructions() {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        assert!(!tests::must_run(), "valgrind is not installed");
        eprintln!("SKIPPED: no_packet_takes_more_instructions: valgrind is not installed");
        return;
    }
    let program = build();
    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    let figures = program.count_all(&names).unwrap_or_else(|why| panic!("{why:#}"));
    let compiler = Compiler::here().expect("rustc");
    let rows = names.into_iter().map(str::to_string).zip(figures).collect();
    let is = Table { compiler, rows };

    let file = tests::workspace().join("tests/snapshots/instructions.txt");
    if std::env::var("TAPIP_SNAPSHOT").is_ok_and(|value| value == "update") {
        std::fs::write(&file, is.to_string()).expect("the snapshot is written");
        return;
    }
    let was = std::fs::read_to_string(&file).expect("the snapshot");
    let was = Table::read(&was).expect("a table of figures");
    hold(&was, &is);
    for name in ["poll-idle", "tcp-1-byte-in"] {
        let (few, many) = (is.figure(name), is.figure(&format!("{name}-10000")));
        let (few, many) = few.zip(many).expect("both are counted");
        // The idle connections are not looked at: a fifth more is the goal for them in time, where
        // caches count too.
        assert!(many <= few + few / 5, "{name}: {few}, and {many} beside 10,000 connections");
    }
}

/// What is counted has a profile of its own, and lies beside this test.
fn build() -> Program {
    let me = std::env::current_exe().expect("the path of this test");
    let target = me.ancestors().nth(3).expect("TARGET/PROFILE/deps/TEST");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--offline", "--profile", "counted", "--package", "scenarios"])
        .arg("--manifest-path")
        .arg(tests::workspace().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the scenarios could not be built");
    Program::at(target.join(Path::new("counted/scenario")))
}

fn hold(was: &Table, is: &Table) {
    if !was.compiler.is_for_the_same_processor(&is.compiler) {
        eprintln!(
            "NOTHING HELD: the figures are of {}, not of {}\n{is}",
            was.compiler, is.compiler
        );
        return;
    }
    let worse = worse(was, is);
    assert!(
        worse.is_empty(),
        "not what tests/snapshots/instructions.txt allows:\n{}\n\
         if that is meant, say why and update it: \
         TAPIP_SNAPSHOT=update cargo test -p tests --test instructions",
        worse.join("\n")
    );
}

/// What does not hold any more; prints how all have changed.
fn worse(was: &Table, is: &Table) -> Vec<String> {
    let mut tolerance = TOLERANCE;
    if was.compiler != is.compiler {
        tolerance = OF_ANOTHER_COMPILER;
        let (was, is) = (&was.compiler, &is.compiler);
        eprintln!("{tolerance} % allowed: the figures are of {was}, not of {is}");
    }
    let mut worse = Vec::new();
    for (name, figure) in &is.rows {
        let Some(before) = was.figure(name) else {
            worse.push(format!("{name}: {figure}, and no figure is committed"));
            continue;
        };
        let change = (*figure as f64 / before as f64 - 1.0) * 100.0;
        let line = format!("{name}: {before} -> {figure} ({change:+.1} %)");
        println!("{line}");
        if figure * 100 > before * (100 + tolerance) {
            worse.push(line);
        } else if figure * 100 < before * (100 - tolerance) {
            println!("    worth committing: TAPIP_SNAPSHOT=update");
        }
    }
    let gone = was.rows.iter().filter(|(name, _)| is.figure(name).is_none());
    worse.extend(gone.map(|(name, _)| format!("{name}: there is none any more")));
    worse
}

#[test]
fn a_rise_is_found_and_what_is_not_in_both() {
    let table = |compiler: &str, rows: &[(&str, u64)]| {
        let mut text = format!("Instructions of a step, {compiler}\n\n");
        rows.iter().for_each(|(name, figure)| text += &format!("{name} {figure}  about it\n"));
        Table::read(&text).expect("a table")
    };
    let was = table("rustc 1.0, x86_64", &[("rises", 1000), ("stays", 1000), ("falls", 1000)]);
    assert_eq!(Table::read(&was.to_string()).expect("a table"), was);
    let rows = [("rises", 1051), ("stays", 1050), ("falls", 1), ("new", 1)];
    let names = |worse: Vec<String>| -> Vec<String> {
        worse.iter().filter_map(|line| Some(line.split_once(':')?.0.to_string())).collect()
    };
    assert_eq!(names(worse(&was, &table("rustc 1.0, x86_64", &rows))), ["rises", "new"]);
    assert_eq!(names(worse(&was, &table("rustc 1.1, x86_64", &rows[1..]))), ["new", "rises"]);
    let (much, little) = ([("rises", 1201)], [("rises", 1200)]);
    let was = table("rustc 1.0, x86_64", &[("rises", 1000)]);
    assert_eq!(names(worse(&was, &table("rustc 1.1, x86_64", &much))), ["rises"]);
    assert!(worse(&was, &table("rustc 1.1, x86_64", &little)).is_empty());
    let other = table("rustc 1.0, aarch64", &much);
    assert!(!was.compiler.is_for_the_same_processor(&other.compiler));
}
