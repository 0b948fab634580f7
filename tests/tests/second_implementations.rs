//! Each layer's second implementation in the whole stack, against the kernel: whatever its
//! feature set has. And all five at once.

use std::fmt::Write as _;

use tests::{Instance, payload, scratch};

/// Bytes each way of a TCP echo and of a file.
const SIZE: usize = 1_000_000;

/// What a set of implementations leaves out.
#[derive(Clone, Copy, Default)]
struct Lacks {
    /// Asking for, and answering about, neighbours that nobody set by hand.
    neighbours: bool,
    /// Datagrams beyond the MTU.
    fragments: bool,
    /// ICMP errors to others.
    errors: bool,
}

#[test]
fn arp_static() {
    full_run("arp-static", &["--arp", "static"], Lacks { neighbours: true, ..Lacks::default() });
}

#[test]
fn ip_simple() {
    full_run("ip-simple", &["--ip", "simple"], Lacks { fragments: true, ..Lacks::default() });
}

#[test]
fn icmp_echo() {
    full_run("icmp-echo", &["--icmp", "echo"], Lacks { errors: true, ..Lacks::default() });
}

#[test]
fn udp_simple() {
    full_run("udp-simple", &["--udp", "simple"], Lacks::default());
}

#[test]
fn tcp_small() {
    full_run("tcp-small", &["--tcp", "small"], Lacks::default());
}

#[test]
fn all_five_at_once() {
    let args = ["--arp=static", "--ip=simple", "--icmp=echo", "--udp=simple", "--tcp=small"];
    full_run("all-five", &args, Lacks { neighbours: true, fragments: true, errors: true });
}

/// The first implementations pass it too: so it is about the right things.
#[test]
fn none() {
    full_run("none", &[], Lacks::default());
}

fn full_run(test: &str, args: &[&str], lacks: Lacks) {
    let tools = ["cmp", "curl", "nc", "ping", "ss", "timeout"];
    let Some(mut stack) = Instance::start_with(test, &tools, args) else { return };
    pings(&mut stack, lacks);
    datagrams(&mut stack, lacks);
    streams(test, &mut stack);
    if !lacks.neighbours {
        assert!(stack.run("arpcache").contains("10.0.0.2"), "the neighbour was not learnt");
    }
    a_stream_out(test, stack);
}

fn pings(stack: &mut Instance, lacks: Lacks) {
    let longest = if lacks.fragments { 1472 } else { 6000 };
    for size in [56, longest] {
        let ping = stack.run(&format!("ping -c 2 -i 0.1 -s {size} 10.0.0.2"));
        assert!(ping.contains("2 packets transmitted, 2 received, 0% packet loss"), "{ping}");
        let size = size.to_string();
        let ping =
            stack.host("ping", &["-c", "2", "-i", "0.2", "-W", "10", "-s", &size, "10.0.0.1"]);
        assert!(ping.success && ping.stdout.contains(" 0% packet loss"), "{ping:?}");
    }
    let own = stack.run("ping -c 1 127.0.0.1; ping -c 1 10.0.0.1");
    assert_eq!(own.matches("1 packets transmitted, 1 received").count(), 2, "{own}");
}

fn datagrams(stack: &mut Instance, lacks: Lacks) {
    stack.run("serve echo 7");
    // nc ends when nothing came for a second, or with the reply.
    let echo = |text: &str| format!("echo '{text}' | nc -u -w 5 -W 1 10.0.0.1 7");
    for n in 0..3 {
        let text = format!("datagram {n}");
        let nc = stack.host("sh", &["-c", &echo(&text)]);
        assert_eq!(nc.stdout, format!("{text}\n"), "{nc:?}");
    }
    // A closed port: the kernel's nc is told, unless nobody is there to tell it.
    let nc = stack.host("sh", &["-c", "echo x | nc -u -v -w 1 10.0.0.1 9"]);
    let told = stack.host("sh", &["-c", "grep ^Icmp: /proc/net/snmp"]);
    let count = unreachables(&told.stdout);
    assert_eq!(count > 0, !lacks.errors, "{count} port unreachables: {nc:?} {told:?}");
}

/// How many destination unreachables the kernel's end received.
fn unreachables(snmp: &str) -> u64 {
    let mut lines = snmp.lines().map(|line| line.split_whitespace());
    let (mut names, mut values) = (lines.next().unwrap(), lines.next().unwrap());
    let at = names.position(|name| name == "InDestUnreachs").expect("the counter");
    values.nth(at).and_then(|value| value.parse().ok()).expect("a number")
}

fn streams(test: &str, stack: &mut Instance) {
    let dir = scratch(test);
    let bytes = payload(3, SIZE);
    std::fs::write(dir.join("data"), &bytes).unwrap();
    stack.run(&format!("serve http 80 {}", dir.display()));
    let mut script = String::new();
    let at = dir.display();
    writeln!(script, "set -e; cd {at}").unwrap();
    // The kernel connects, and both directions carry everything at once.
    writeln!(script, "timeout 60 nc -N 10.0.0.1 7 < data > echoed; cmp data echoed").unwrap();
    writeln!(script, "curl -sS --fail --max-time 60 -o fetched http://10.0.0.1/data").unwrap();
    writeln!(script, "cmp data fetched").unwrap();
    let host = stack.host("sh", &["-c", &script]);
    assert!(host.success, "{host:?}");

    // Refused, where nobody listens.
    let nc = stack.host("nc", &["-v", "-w", "5", "10.0.0.1", "9999"]);
    assert!(!nc.success && nc.stderr.contains("refused"), "{nc:?}");
}

/// The stack connects, and sends 1 MB of what follows on the shell's input.
fn a_stream_out(test: &str, mut stack: Instance) {
    let dir = scratch(&format!("{test}-out"));
    let received = dir.join("received");
    let listen = format!("timeout 100 nc -l 10.0.0.2 5001 > {}", received.display());
    let mut listen = stack.host_command("sh", &["-c", &listen]).spawn().unwrap();
    let ready =
        "for i in $(seq 600); do ss -tln | grep -q ':5001 ' && exit 0; sleep 0.05; done; exit 1";
    assert!(stack.host("sh", &["-c", ready]).success, "nc does not listen");
    let mut text = String::new();
    for n in 0..SIZE / 10 {
        writeln!(text, "{n:09}").unwrap();
    }
    stack.send("snc -c 10.0.0.2:5001");
    stack.send(text.trim_end());
    assert_eq!(stack.finish(), 0);
    assert!(listen.wait().unwrap().success());
    assert!(std::fs::read_to_string(&received).unwrap() == text, "nc received something else");
}
