//! What a case of the conformance kit prints where it fails: all that a student needs.
//!
//! The report goes to the standard error of the test, so this program runs itself, with a TCP that
//! takes segments of 600 bytes for what fits every path.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use tcp::{Config, Tcp};

/// Set in the run that is to fail.
const BROKEN: &str = "TAPIP_TEST_BROKEN";
const CASE: &str = "syn_options::without_an_mss_option_segments_have_536_bytes";

mod syn_options {
    use tcp::conformance::{Again, check, syn_options::CASES};

    /// The case under its own name, so that the report's command finds it.
    #[test]
    fn without_an_mss_option_segments_have_536_bytes() {
        let name = "without_an_mss_option_segments_have_536_bytes";
        let target = env!("CARGO_CRATE_NAME");
        let again = Again::new(env!("CARGO_PKG_NAME"), target, module_path!());
        check(CASES, name, |seed| Box::new(super::subject(seed)), &[], &again);
    }
}

fn subject(seed: u64) -> Tcp {
    let mut config = Config::default();
    if std::env::var_os(BROKEN).is_some() {
        config.default_mss = 600;
    }
    Tcp::new(config, seed)
}

/// Runs one test of this program with a broken TCP; its capture goes to a folder of its own.
fn run(folder: &str, arguments: &[&str]) -> Output {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(arguments).env(BROKEN, "1").env("TAPIP_SEED", "42").env("RUST_BACKTRACE", "0");
    command.env("TMPDIR", folder);
    command.output().expect("this program runs")
}

fn report() -> &'static str {
    static REPORT: LazyLock<String> = LazyLock::new(|| {
        let output = run("report", &["--exact", CASE, "--nocapture"]);
        assert!(!output.status.success(), "the case passes with a broken TCP");
        String::from_utf8(output.stderr).expect("text")
    });
    &REPORT
}

/// What stands behind a word at the beginning of a line of the report.
fn line<'a>(report: &'a str, word: &str) -> &'a str {
    let mut lines = report.lines().map(str::trim);
    let found = lines.find_map(|line| line.strip_prefix(word));
    found.unwrap_or_else(|| panic!("no line begins with {word:?}:\n{report}")).trim()
}

#[test]
fn names_the_case_its_level_its_section_and_the_sentence() {
    let report = report();
    let head = line(report, CASE);
    assert_eq!(head, "is not kept: MUST, 2 points, RFC 9293 §3.7.1 (MUST-15)");
    assert!(report.contains("TCP implementations MUST assume a default send MSS of 536"));
}

#[test]
fn tells_every_step_and_the_one_that_failed() {
    let report = report();
    let steps = [
        "listen on 80",
        "> S   0:1(0) win 65535",
        "SYN-RECEIVED",
        "< SA  0:1(0) ack 1",
        "> A   1:1(0) ack 1",
        "ESTABLISHED",
        "accept",
        "send 4000 bytes",
        "< A   1:601(600) ack 1",
        "x     0.000000  expected  the first segment's bytes: 536",
        "seen      600",
    ];
    let mut rest = report;
    for step in steps {
        let Some((_, after)) = rest.split_once(step) else {
            panic!("{step:?} is missing, or not in its place:\n{report}");
        };
        rest = after;
    }
    for value in ["una", "nxt", "rcv", "snd_wnd", "rcv_wnd", "cwnd"] {
        assert!(report.contains(&format!(" {value} ")), "the steps have no {value}:\n{report}");
    }
    assert_eq!(line(report, "failed:"), "expected the first segment's bytes: 536, seen 600");
}

#[test]
fn names_the_seed_and_a_command_that_runs_the_case_alone() {
    let report = report();
    assert_eq!(line(report, "seed:"), "42");
    let again = line(report, "again:");
    let (cargo, arguments) = again.split_once(" -- ").expect("arguments for the test");
    assert_eq!(cargo, "TAPIP_SEED=42 cargo test -p tcp --test report");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = run("again", &arguments);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stdout.contains("running 1 test"), "{stdout}");
    assert!(stdout.contains(&format!("test {CASE} ... FAILED")), "{stdout}");
}

#[test]
fn writes_a_capture_that_can_be_read() {
    let file = PathBuf::from(line(report(), "packets:"));
    let bytes = std::fs::read(&file).expect("the capture");
    let packets = packets(&bytes);
    let flags: Vec<u8> = packets.iter().map(|packet| packet[20 + 13] & !8).collect();
    // SYN, SYN-ACK, ACK, and the first segment of data.
    assert_eq!(flags, [0x02, 0x12, 0x10, 0x10]);
    assert_eq!(packets[3].len(), 20 + 20 + 600);
    assert!(packets.iter().all(|packet| packet[0] == 0x45), "datagrams without options");
}

/// The packets of a pcapng file: sections, interfaces and enhanced packet blocks.
fn packets(bytes: &[u8]) -> Vec<&[u8]> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((word(0), word(8)), (0x0a0d_0d0a, 0x1a2b_3c4d), "a section, little-endian");
    let (mut at, mut packets) = (0, Vec::new());
    while at < bytes.len() {
        let (kind, len) = (word(at), word(at + 4) as usize);
        assert!(len >= 12 && len.is_multiple_of(4), "a block of {len} bytes");
        assert_eq!(word(at + len - 4) as usize, len, "the length at the end of a block");
        if kind == 6 {
            let captured = word(at + 20) as usize;
            assert_eq!(word(at + 24) as usize, captured, "whole packets");
            packets.push(&bytes[at + 28..][..captured]);
        }
        at += len;
    }
    packets
}
