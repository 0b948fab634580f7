//! `arping` and `traceroute` on a link.

mod support;

use std::time::{Duration, Instant};

use shell::ExitStatus;
use support::pair;

#[test]
fn a_neighbour_answers_by_arp() {
    let (mut a, _b) = pair();
    let text = a.ok("arping -c 3 -i 0.01 -w 1 10.0.0.2");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "ARPING 10.0.0.2 from 10.0.0.1 veth0");
    let reply = "Unicast reply from 10.0.0.2 [00:34:45:67:89:02]  ";
    for line in &lines[1..lines.len() - 2] {
        assert!(line.starts_with(reply) && line.ends_with("ms"), "{text}");
    }
    // Once it has answered, it alone is asked.
    assert!(text.contains("Sent 3 probes (1 broadcast(s))\nReceived 3 response(s)\n"), "{text}");
    let text = a.ok("arping -b -c 2 -i 0.01 -I veth0 10.0.0.2");
    assert!(text.contains("Sent 2 probes (2 broadcast(s))\n"), "{text}");
    let text = a.ok("arping -f 10.0.0.2");
    assert!(text.contains("Sent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n"), "{text}");
}

#[test]
fn nobody_there_is_a_failure() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("arping -c 2 -i 0.01 10.0.0.77");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.ends_with("Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n"), "{text}");
}

#[test]
fn an_address_is_free_or_taken() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("arping -D -c 1 -w 0.05 10.0.0.77");
    assert_eq!(status, ExitStatus::SUCCESS, "{text}");
    assert!(text.starts_with("ARPING 10.0.0.77 from 0.0.0.0 veth0\n"), "{text}");
    let (status, text) = a.run("arping -D 10.0.0.2");
    assert_eq!(status, ExitStatus::FAILURE, "{text}");
    assert!(text.contains("Received 1 response(s)"), "{text}");
}

#[test]
fn what_cannot_be_asked_is_said() {
    let (mut a, _b) = pair();
    for (line, complaint) in [
        ("arping 192.0.2.1", "arping: 192.0.2.1 is on no network of this host; say which"),
        ("arping -I lo 127.0.0.2", "arping: lo: there are no link addresses\n"),
        ("arping -I eth7 10.0.0.2", "arping: no interface `eth7`; there are lo, veth0\n"),
        ("traceroute -f 5 -m 3 10.0.0.2", "traceroute: the first hop (-f) is beyond"),
        ("traceroute 192.0.2.1", "traceroute: 192.0.2.1: "),
    ] {
        let (status, text) = a.run(line);
        assert_eq!(status, ExitStatus::FAILURE, "{line}: {text}");
        assert!(text.contains(complaint), "{line}: {text}");
    }
    assert_eq!(a.run("arping").0, ExitStatus::USAGE);
    assert_eq!(a.run("traceroute -q 0 10.0.0.2").0, ExitStatus::USAGE);
}

#[test]
fn a_way_of_one_hop() {
    let (mut a, mut b) = pair();
    for line in ["traceroute 10.0.0.2", "traceroute -I -q 2 10.0.0.2 100"] {
        let text = a.ok(line);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("traceroute to 10.0.0.2 (10.0.0.2), 30 hops max, "), "{text}");
        assert!(lines.len() == 2 && lines[1].starts_with(" 1  10.0.0.2  "), "{text}");
        assert!(!text.contains('*') && !text.contains('!'), "{text}");
    }
    // Somebody listens at that port.
    b.ok("serve echo 33434");
    let text = a.ok("traceroute -q 1 10.0.0.2");
    assert!(text.contains(" 1  10.0.0.2  "), "{text}");
}

#[test]
fn an_interrupt_ends_both() {
    let (mut a, _b) = pair();
    for line in ["arping 10.0.0.77", "traceroute -w 60 10.0.0.77"] {
        let raiser = a.interrupt_after(Duration::from_millis(50));
        let start = Instant::now();
        let (status, text) = a.run(line);
        assert!(!status.is_success(), "{line}: {text}");
        assert!(start.elapsed() < Duration::from_secs(4), "{line}");
        raiser.join().unwrap();
        a.shell.interrupt().lower();
    }
}
