//! Two stacks in two processes, joined by a Unix socket, without any privilege.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tests::{binary, scratch};

fn tapip(dir: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(dir).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[test]
fn two_processes_ping_and_echo_over_a_unix_socket() {
    let dir = scratch("two-stacks");
    let wire = format!("unix:{}", dir.join("wire").display());
    let mut server = tapip(&dir, &["--link", &wire]).spawn().unwrap();
    let mut commands = server.stdin.take().unwrap();
    writeln!(commands, "serve echo 7\nserve discard 9").unwrap();
    while !dir.join("wire").exists() {
        assert!(server.try_wait().unwrap().is_none(), "the server ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let client = ["--addr", "10.0.0.2/24", "--gw", "10.0.0.1", "--mac", "02:00:00:00:00:02"];
    let script = ["-c", "ping -c 3 -i 0.1 10.0.0.1; ping -c 1 -s 6000 10.0.0.1"];
    let output = tapip(&dir, &[&["--link", &wire], &client[..], &script[..]].concat())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("3 packets transmitted, 3 received, 0% packet loss"), "{said}");
    assert!(said.contains("1 packets transmitted, 1 received, 0% packet loss"), "{said}");
    drop(commands);
    assert!(server.wait().unwrap().success());
    assert!(!dir.join("wire").exists(), "the socket file is removed");
}

#[test]
fn the_simulated_link_works_without_any_privilege() {
    let dir = scratch("sim");
    let script = "ping -c 2 -i 0.1 10.0.0.2; ss -t; arpcache";
    let output = tapip(&dir, &["--link", "sim", "-c", script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("2 packets transmitted, 2 received, 0% packet loss"), "{said}");
    assert!(said.contains("02:00:00:00:00:02"), "the peer is in the ARP cache: {said}");
}

#[test]
fn the_exit_status_is_the_last_commands() {
    let dir = scratch("status");
    for (script, status) in [
        ("ping -c 1 10.0.0.2", 0),
        ("ping -c 1 -W 1 10.0.0.99", 1),
        ("nonsense", 127),
        ("nonsense; ping -c 1 10.0.0.2", 0),
        ("exit 7", 7),
    ] {
        let output = tapip(&dir, &["--link", "sim", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{script}: {output:?}");
    }
}

#[test]
fn bad_words_are_named() {
    let dir = scratch("bad-words");
    std::fs::write(dir.join("bad.toml"), "mtu = 1400\nhost-adr = '10.0.0.2/24'\n").unwrap();
    for (args, expected) in [
        (&["--config", "bad.toml"][..], "line 2"),
        (&["--config", "missing.toml"], "missing.toml"),
        (&["--link", "eth0"], "tap:NAME"),
        (&["--tcp", "none"], "rfc9293"),
        (&["--loss", "many"], "--loss"),
        (&["--link", "tap:a-name-that-is-too-long-for-linux"], "tap"),
    ] {
        let output = tapip(&dir, args).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{args:?}: {said}");
    }
}
