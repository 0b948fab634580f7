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
