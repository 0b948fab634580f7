//! The shell's `nc` and `tcpdump` against the kernel's programs.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::{Instance, payload, scratch};

/// Text of many lines, more than the buffers on the way take.
fn lines(seed: u64, len: usize) -> String {
    payload(seed, len)
        .chunks(30)
        .map(|c| c.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n")
        .collect()
}

#[test]
fn nc_asks_the_kernels_nc_and_both_halves_end() {
    let test = "nc_asks_the_kernels_nc_and_both_halves_end";
    let Some(mut stack) = Instance::start_with(test, &["nc"], &[]) else { return };
    let dir = scratch(test);
    let (ours, theirs) = (lines(1, 200_000), lines(2, 150_000));
    std::fs::write(dir.join("theirs"), &theirs).unwrap();
    let mut server = stack
        .host_command("nc", &["-N", "-l", "10.0.0.2", "5001"])
        .stdin(std::fs::File::open(dir.join("theirs")).unwrap())
        // Not a pipe: that would be full before anybody reads it, and the window closed.
        .stdout(std::fs::File::create(dir.join("got")).unwrap())
        .spawn()
        .unwrap();
    let listens =
        "for i in $(seq 500); do ss -Hltn | grep -q :5001 && exit 0; sleep 0.02; done; exit 1";
    assert!(stack.host("sh", &["-c", listens]).success);
    // What follows the command's own line is its input.
    stack.send("nc -N 10.0.0.2 5001");
    stack.send(ours.trim_end());
    let last = theirs.lines().last().unwrap();
    let heard = stack.wait_for(last);
    assert!(heard.trim_start() == theirs.trim_end(), "{} bytes", heard.len());
    assert_eq!(stack.finish(), 0);
    assert!(server.wait().unwrap().success());
    let got = std::fs::read(dir.join("got")).unwrap();
    assert!(got == ours.as_bytes(), "{} bytes", got.len());
}

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
