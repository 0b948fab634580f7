//! `ping` between two stacks.

mod support;

use std::time::{Duration, Instant};

use shell::ExitStatus;
use support::pair;

#[test]
fn replies_have_times_and_the_end_has_statistics() {
    let (mut a, _b) = pair();
    let text = a.ok("ping -c 3 -i 0.01 10.0.0.2");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "PING 10.0.0.2 56(84) bytes of data");
    for (line, seq) in lines[1..4].iter().zip(1..) {
        let start = format!("64 bytes from 10.0.0.2: icmp_seq={seq} ttl=64 time=");
        assert!(line.starts_with(&start) && line.ends_with(" ms"), "{text}");
    }
    assert_eq!(lines[4], "--- 10.0.0.2 ping statistics ---");
    let counts = "3 packets transmitted, 3 received, 0% packet loss, time ";
    assert!(lines[5].starts_with(counts), "{text}");
    assert!(lines[6].starts_with("rtt min/avg/max/mdev = "), "{text}");
}

#[test]
fn large_requests_are_fragmented_and_come_back_whole() {
    let (mut a, _b) = pair();
    let text = a.ok("ping -s 6000 -c 2 -i 0.01 10.0.0.2; ping -c 1 -s 65507 10.0.0.2");
    assert!(text.contains("6008 bytes from 10.0.0.2: icmp_seq=2"), "{text}");
    assert!(text.contains("65515 bytes from 10.0.0.2: icmp_seq=1"), "{text}");
    assert!(!text.contains("DIFFERENT"), "{text}");
}

#[test]
fn one_can_ping_oneself() {
    let (mut a, _b) = pair();
    let text = a.ok("ping -c 1 -s 65000 10.0.0.1; ping -c 1 127.0.0.1; ping -c 1 127.1.2.3");
    assert!(text.contains("65008 bytes from 10.0.0.1: icmp_seq=1 ttl=64"), "{text}");
    assert!(text.contains("64 bytes from 127.0.0.1:"), "{text}");
    assert!(text.contains("64 bytes from 127.1.2.3:"), "{text}");
}

#[test]
fn the_first_ping_is_not_lost_and_the_neighbour_is_known_afterwards() {
    let (mut a, _b) = pair();
    a.ok("ping -c 1 -W 2 10.0.0.2");
    let text = a.ok("arpcache");
    assert!(text.contains("00:34:45:67:89:02 10.0.0.2"), "{text}");
}

#[test]
fn a_neighbour_that_is_not_there_is_named_unreachable() {
    let (mut a, _b) = pair();
    let start = Instant::now();
    let (status, text) = a.run("ping -c 2 -i 0.1 -W 30 10.0.0.9");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.contains("From 10.0.0.1 icmp_seq=1 Destination Host Unreachable"), "{text}");
    assert!(text.contains("icmp_seq=2 Destination Host Unreachable"), "{text}");
    assert!(text.contains("2 packets transmitted, 0 received, +2 errors, 100% packet loss"));
    assert!(start.elapsed() < Duration::from_secs(20), "ends with the error, not with -W");
}

#[test]
fn where_no_route_leads_it_says_so_at_once() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("ping 192.0.2.1");
    assert_eq!(status, ExitStatus::USAGE);
    assert!(text.contains("network unreachable"), "{text}");
}

#[test]
fn a_broadcast_address_is_pinged_only_on_purpose() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("ping -c 1 10.0.0.255");
    assert_eq!(status, ExitStatus::USAGE);
    assert_eq!(text, "ping: 10.0.0.255: -b lets a broadcast address be pinged\n");
    let (_, text) = a.run("ping -b -c 1 -W 0.01 10.0.0.255");
    assert!(text.contains("1 packets transmitted") && !text.contains("errors"), "{text}");
}

#[test]
fn after_some_replies_the_missing_ones_are_not_waited_for_long() {
    let dice = netdev::FaultConfig {
        loss: netdev::Probability::new(0.5).into(),
        ..netdev::FaultConfig::default()
    };
    let (mut a, _b) = support::pair_over(|device| {
        // Seed 3 loses some of ten and not all.
        Box::new(netdev::FaultInjector::new(device, dice, netdev::FaultConfig::default(), 3))
    });
    let start = Instant::now();
    let (status, text) = a.run("ping -c 10 -i 0.01 10.0.0.2");
    assert!(status.is_success() && !text.contains(" 0% packet loss"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn silence_ends_with_the_timeout_and_status_1() {
    let (mut a, b) = pair();
    a.ok("ping -c 1 10.0.0.2");
    b.net.shutdown(Duration::ZERO);
    let (status, text) = a.run("ping -c 1 -W 0.05 10.0.0.2");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.contains("1 packets transmitted, 0 received, 100% packet loss"), "{text}");
}

#[test]
fn an_interrupt_ends_ping_with_its_statistics() {
    let (mut a, _b) = pair();
    let raiser = a.interrupt_after(Duration::from_millis(100));
    let start = Instant::now();
    let text = a.ok("ping -i 60 10.0.0.2; route");
    raiser.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(text.contains("\n\n--- 10.0.0.2 ping statistics ---\n1 packets"), "{text}");
    assert!(!text.contains("Destination     Gateway"), "^C ends the line as well: {text}");
    // The shell itself goes on.
    a.shell.interrupt().lower();
    assert!(a.ok("route").contains("Destination     Gateway"));
}

#[test]
fn options_out_of_range_are_refused_with_the_range() {
    let (mut a, _b) = pair();
    for (line, hint) in [
        ("ping -s 65508 10.0.0.2", "65507"),
        ("ping -t 0 10.0.0.2", "1..=255"),
        ("ping -c 0 10.0.0.2", "1.."),
        ("ping -i nan 10.0.0.2", "number of seconds"),
        ("ping -W -1 10.0.0.2", "-1"),
        ("ping 10.0.0.256", "not an IPv4 address"),
        ("ping example..org", "nor a name"),
        ("ping", "<HOST>"),
    ] {
        let (status, text) = a.run(line);
        assert_eq!(status, ExitStatus::USAGE, "{line}");
        assert!(text.contains(hint), "{line}: {text}");
    }
}

#[test]
fn a_name_needs_a_server_to_ask() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("ping example.org");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.contains("example.org") && text.contains("--dns ADDR"), "{text}");
}
