//! The tables that a person may change: routes, neighbours, the address translation.

mod support;

use shell::ExitStatus;
use support::pair;

#[test]
fn routes_are_added_shown_by_metric_and_deleted() {
    let (mut a, mut b) = pair();
    b.ok("route add 10.9.0.0/16 via 10.0.0.1");
    a.ok("route add 10.9.0.0/16 via 10.0.0.2 metric 20");
    a.ok("route add 10.9.0.0/16 via 10.0.0.3 dev veth0 metric 10");
    a.ok("route add default via 10.0.0.2; route add 10.9.9.9 dev veth0");
    let rows = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.contains("127.0.0.0"));
        lines.skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(
        rows(&a.ok("route")),
        [
            "10.0.0.1 0.0.0.0 255.255.255.255 0 lo",
            "10.9.9.9 0.0.0.0 255.255.255.255 0 veth0",
            "10.0.0.0 0.0.0.0 255.255.255.0 0 veth0",
            "10.9.0.0 10.0.0.3 255.255.0.0 10 veth0",
            "10.9.0.0 10.0.0.2 255.255.0.0 20 veth0",
            "0.0.0.0 10.0.0.2 0.0.0.0 0 veth0",
        ]
    );
    // Of two with one destination, the one that is meant goes.
    a.ok("route del 10.9.0.0/16 metric 20");
    assert!(!a.ok("route").contains(" 20 "));
    a.ok("route del 10.9.0.0/16; route del default via 10.0.0.2; route del 10.9.9.9 dev veth0");
    assert_eq!(rows(&a.ok("route")).len(), 2);
}

#[test]
fn a_route_is_used_at_once() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("ping -c 1 10.9.0.1");
    assert_eq!(status, ExitStatus::USAGE, "{text}");
    a.ok("route add 10.9.0.0/16 via 10.0.0.2");
    // It forwards nothing, so nobody answers; but there is a way now.
    let (status, text) = a.run("ping -c 1 -W 0.01 10.9.0.1");
    assert_eq!(status, ExitStatus::FAILURE, "{text}");
    assert!(text.contains("1 packets transmitted"), "{text}");
}

#[test]
fn what_is_wrong_with_a_route_is_said() {
    let (mut a, _b) = pair();
    a.ok("route add 10.9.0.0/16 via 10.0.0.2");
    for (line, complaint) in [
        ("route add 10.9.0.0/16 via 10.0.0.3", "is there already"),
        ("route add 10.8.0.0/16", "by which way?"),
        ("route add 10.8.0.0/16 via 192.0.2.1", "via 192.0.2.1: on no network of this host"),
        ("route add 10.8.0.0/16 via 10.0.0.1", "10.0.0.1 cannot be a gateway"),
        ("route add 10.8.0.0/16 dev eth7", "no interface `eth7`; there are lo, veth0"),
        ("route del 10.8.0.0/16", "10.8.0.0/16: no such route"),
        ("route del 10.9.0.0/16 via 10.0.0.3", "10.9.0.0/16: no such route"),
        ("route del 10.0.0.0/24", "10.0.0.0/24: it goes with an interface's address"),
    ] {
        let (status, text) = a.run(line);
        assert_eq!(status, ExitStatus::FAILURE, "{line}: {text}");
        assert!(text.starts_with("route: ") && text.contains(complaint), "{line}: {text}");
    }
    assert_eq!(a.run("route add").0, ExitStatus::USAGE);
    assert_eq!(a.run("route change").0, ExitStatus::USAGE);
}

#[test]
fn a_neighbour_is_named_for_good_and_forgotten() {
    let (mut a, _b) = pair();
    a.ok("arp -s 10.0.0.9 02:00:00:00:00:09");
    let text = a.ok("arp");
    assert!(text.contains("10.0.0.9  ether   02:00:00:00:00:09  CM     veth0"), "{text}");
    assert!(a.ok("arpcache").contains("Static   -           02:00:00:00:00:09 10.0.0.9"));
    a.ok("ping -c 1 10.0.0.2");
    let text = a.ok("arp -i veth0 10.0.0.2");
    assert!(text.lines().count() == 2 && text.contains("  C      veth0  Reachable"), "{text}");
    a.ok("arp -d 10.0.0.9");
    assert!(!a.ok("arp").contains("10.0.0.9"));
    for (line, complaint) in [
        ("arp -d 10.0.0.9", "arp: no entry for 10.0.0.9"),
        ("arp 10.0.0.9", "arp: 10.0.0.9: no entry"),
        ("arp -s 192.0.2.1 02:00:00:00:00:09", "arp: 192.0.2.1 is on no network of this host"),
        ("arp -s 10.0.0.9 ff:ff:ff:ff:ff:ff", "arp: "),
        ("arp -s 10.0.0.9 02:00", "arp: -s 10.0.0.9 02:00: "),
        ("arp -s 10.0.0.9 02:00:00:00:00:09 -i lo", "arp: interface #0 has no address resolution"),
    ] {
        let (status, text) = a.run(line);
        assert_eq!(status, ExitStatus::FAILURE, "{line}: {text}");
        assert!(text.starts_with(complaint), "{line}: {text}");
    }
    assert_eq!(a.run("arp -s 10.0.0.9").0, ExitStatus::USAGE);
}
