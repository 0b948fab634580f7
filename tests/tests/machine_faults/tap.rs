//! The whole program on a real link, which goes down or is deleted under it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::Instance;

/// The shell's line that deletes the kernel's end of the link.
const DELETE: &str = "!ip link del tap0";

#[test]
fn the_program_outlives_its_link_and_ends_in_order() {
    let Some(mut stack) = Instance::start_with("deleted", &["ip", "nc"], &[]) else { return };
    stack.run("serve echo 7; serve http 80 .");
    assert_eq!(stack.host("sh", &["-c", "echo alive | nc -N -w 20 10.0.0.1 7"]).stdout, "alive\n");
    // A connection that is open when it happens.
    let mut nc = stack
        .host_command("nc", &["10.0.0.1", "7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !stack.run("ss -t").contains("ESTAB") {
        assert!(start.elapsed() < Duration::from_secs(60), "nc does not connect");
    }
    stack.run(DELETE);
    // What waits on the link is told so, what begins is refused, and the shell goes on.
    for command in ["ping -c 3 10.0.0.2", "snc -b 10.0.0.1:4000", "snc -c 10.0.0.2:4000"] {
        stack.run(command);
    }
    let said = stack.log();
    for line in [
        "serve echo 7: the network link is down",
        "serve http 80 .: the network link is down",
        "ping: ",
        "snc: ",
    ] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    assert_eq!(said.matches("serve echo 7: ").count(), 1, "said once: {said}");
    assert!(stack.run("ifconfig").contains("DOWN: the interface tap0 was deleted"));
    assert_eq!(stack.run("jobs").trim(), "", "the services have ended");
    nc.kill().unwrap();
    nc.wait().unwrap();
    assert_eq!(stack.finish(), 0, "the last command succeeded");
}

#[test]
fn commands_that_wait_when_the_link_is_deleted_end_with_an_error() {
    for (test, command) in [
        ("deleted-wait", "serve echo 7; wait"),
        ("deleted-snc", "snc -b 10.0.0.1:4000"),
        ("deleted-ping", "ping -i 0.1 10.0.0.2"),
    ] {
        let Some(mut stack) = Instance::start_with(test, &["ip"], &[]) else { return };
        let first = command.split(';').next().unwrap();
        stack.send(command);
        if command.starts_with("ping") {
            stack.wait_for("icmp_seq=2");
        } else if command.starts_with("serve") {
            stack.wait_for(first);
        }
        let deleted = stack.host("ip", &["link", "del", "tap0"]);
        assert!(deleted.success, "{deleted:?}");
        assert_eq!(stack.finish(), 1, "{command}");
    }
}

#[test]
fn a_link_that_goes_down_comes_back_and_nothing_is_lost() {
    let Some(mut stack) = Instance::start_with("down", &["ip", "nc"], &[]) else { return };
    stack.run("serve echo 7");
    // Down in the middle of a transfer, and up again half a second later; the addresses stay.
    let script = "(head -c 3000000 /dev/zero; \
         ip link set tap0 down; sleep 0.5; ip link set tap0 up; \
         head -c 3000000 /dev/zero) | timeout 100 nc -N 10.0.0.1 7 | wc -c";
    let nc = stack.host("sh", &["-c", script]);
    assert_eq!(nc.stdout.trim(), "6000000", "{nc:?}");
    assert!(!stack.run("ifconfig").contains("DOWN"));
    assert_eq!(stack.finish(), 0);
}
