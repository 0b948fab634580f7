//! The shell's `nc` and `tcpdump` against the kernel's programs.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::{Instance, scratch};

#[test]
fn nc_waits_for_the_kernels_nc() {
    let test = "nc_waits_for_the_kernels_nc";
    let Some(mut stack) = Instance::start_with(test, &["nc"], &[]) else { return };
    stack.send("nc -N -v -l 4000");
    stack.send("an answer");
    // Either nc ends when it has heard the other's end, whatever it would still say: the question
    // stays open until the answer is there.
    let ask = "for i in $(seq 100); do { echo 'a question'; sleep 2; } | \
               nc -N -w 20 10.0.0.1 4000 && exit 0; sleep 0.1; done; exit 1";
    let mut client = stack.host_command("sh", &["-c", ask]);
    let client = client.stdout(Stdio::piped()).spawn().unwrap();
    stack.wait_for("a question\n");
    let got = client.wait_with_output().unwrap();
    assert!(got.status.success());
    assert_eq!(String::from_utf8_lossy(&got.stdout), "an answer\n");
    assert!(stack.log().contains("Connection received on 10.0.0.2 "), "{}", stack.log());
}

#[test]
fn datagrams_go_both_ways_with_the_kernels_nc() {
    let test = "datagrams_go_both_ways_with_the_kernels_nc";
    let Some(mut stack) = Instance::start_with(test, &["nc"], &[]) else { return };
    stack.send("nc -u -w 3 -l 4000");
    stack.send("an answer");
    let ask = "for i in $(seq 20); do echo 'a question' | nc -u -w 1 10.0.0.1 4000 | grep . && exit 0; \
               sleep 0.1; done; exit 1";
    let asked = stack.host("sh", &["-c", ask]);
    assert!(asked.success, "{asked:?}");
    assert_eq!(asked.stdout, "an answer\n");
    stack.wait_for("a question\n");
    // It ends, since both are silent.
    assert_eq!(stack.finish(), 0);
}

#[test]
fn tcpdump_sees_what_the_kernels_does() {
    let test = "tcpdump_sees_what_the_kernels_does";
    let tools = ["ping", "tcpdump"];
    let Some(mut stack) = Instance::start_with(test, &tools, &[]) else { return };
    let dir = scratch(test);
    let file = dir.join("seen.pcapng");
    stack.run("serve discard 9");
    stack.run(&format!(
        "tcpdump -b -i tap0 -w {} (icmp and greater 500) or (port 9 and syn)",
        file.display()
    ));
    assert!(stack.host("ping", &["-c", "2", "-i", "0.2", "-s", "600", "10.0.0.1"]).success);
    assert!(stack.host("ping", &["-c", "1", "10.0.0.1"]).success);
    assert!(stack.host("sh", &["-c", "echo x | nc -N -w 20 10.0.0.1 9"]).success);
    stack.run("kill 2");
    let counts = "6 packets captured\n6 packets received by filter\n0 packets dropped";
    let deadline = Instant::now() + Duration::from_secs(60);
    while !stack.log().contains(counts) {
        assert!(Instant::now() < deadline, "{}", stack.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    // Not in the namespace, where tcpdump takes itself for root and fails to become somebody else.
    let read = std::process::Command::new("tcpdump").arg("-n").arg("-r").arg(&file).output();
    let read = read.unwrap();
    assert!(read.status.success(), "{read:?}");
    let lines = String::from_utf8_lossy(&read.stdout);
    let of = |word: &str| lines.lines().filter(|line| line.contains(word)).count();
    let counts =
        [of("ICMP echo request"), of("ICMP echo reply"), of("Flags [S]"), of("Flags [S.]")];
    assert_eq!(counts, [2, 2, 1, 1], "{lines}");
    assert_eq!(lines.lines().count(), 6, "{lines}");
}
