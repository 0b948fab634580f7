//! `nat`, with a host inside, the router, and a host outside.

mod support;

use std::io::Write;
use std::net::Shutdown;

use shell::ExitStatus;
use support::{behind, pair};

#[test]
fn hosts_inside_reach_those_outside_and_are_not_seen() {
    let (mut router, mut outside) = pair();
    let mut inside = behind(&router);
    outside.ok("serve echo 7");
    assert_eq!(router.ok("nat"), "off; `nat on --out IF` begins it\n");
    router.ok("nat on --out veth0 --in 10.0.1.0/24");
    assert_eq!(
        router.ok("nat"),
        "behind hidden behind veth0, ports 16384-32767, address-dependent filtering\n\
         0 sessions of 8192, 2048 for one host\n"
    );

    let text = inside.ok("ping -c 2 -i 0.01 10.0.0.2");
    assert!(text.contains("2 received"), "{text}");
    inside.stdin.write_all(b"through the translation\n").unwrap();
    let text = inside.ok("nc -u -w 0.5 -p 4000 10.0.0.2 7");
    assert_eq!(text, "through the translation\n");
    inside.stdin.write_all(&b"x".repeat(100_000)).unwrap();
    inside.stdin.shutdown(Shutdown::Write).unwrap();
    let text = inside.ok("nc -N 10.0.0.2 7");
    assert_eq!(text.len(), 100_000);

    // The peer has seen the router's address alone.
    let text = outside.ok("arp");
    assert!(text.contains("10.0.0.1 ") && !text.contains("10.0.1.2"), "{text}");
    let text = router.ok("nat");
    let rows: Vec<Vec<&str>> =
        text.lines().skip(3).map(|line| line.split_whitespace().collect()).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(kinds, ["icmp", "tcp", "udp"], "{text}");
    for row in &rows {
        assert!(row[1].starts_with("10.0.1.2:") && row[2].starts_with("10.0.0.1:"), "{text}");
        assert!(row[3].starts_with("10.0.0.2"), "{text}");
    }
    assert_eq!((rows[2][1], rows[2][3]), ("10.0.1.2:4000", "10.0.0.2:7"));
    assert_eq!(rows[1][4], "transitory", "closed by both: {text}");

    router.ok("nat off");
    assert_eq!(router.run("nat off"), (ExitStatus::FAILURE, "nat: it is off\n".into()));
    assert_eq!(inside.run("ping -c 1 -W 0.1 10.0.0.2").0, ExitStatus::FAILURE);
}

#[test]
fn a_forwarded_port_is_the_servers() {
    let (mut router, mut outside) = pair();
    let mut inside = behind(&router);
    let to = "nat forward add tcp 8080 10.0.1.2:7";
    let (status, text) = router.run(to);
    assert_eq!(status, ExitStatus::FAILURE, "{text}");
    assert!(text.contains("cannot forward a port without a translation"), "{text}");
    router.ok("nat on --out veth0");
    router.ok(to);
    router.ok("nat forward add udp 53 10.0.1.2:7");
    inside.ok("serve echo 7");
    outside.stdin.write_all(b"over TCP\n").unwrap();
    outside.stdin.shutdown(Shutdown::Write).unwrap();
    assert_eq!(outside.ok("nc -N 10.0.0.1 8080"), "over TCP\n");
    let text = router.ok("nat");
    assert!(text.contains("\ntcp port 8080 forwarded to 10.0.1.2:7\nudp port 53 "), "{text}");
    let row = text.lines().find(|line| line.contains("transitory")).unwrap();
    assert!(row.contains(" 10.0.1.2:7 ") && row.contains(" 10.0.0.1:8080 "), "{text}");

    router.ok("nat forward del tcp 8080");
    let text = router.ok("nat");
    assert!(!text.contains("8080"), "{text}");
    assert!(outside.run("nc -z -v -w 5 10.0.0.1 8080").1.contains("connection refused"));
    for (line, complaint) in [
        ("nat forward del tcp 8080", "cannot end a forward that it does not have"),
        ("nat forward add tcp 1 10.0.0.2:1", "10.0.0.2 cannot be a host inside"),
        ("nat forward add udp 1 10.0.1.2:7", "cannot forward two ports to one endpoint"),
    ] {
        let (status, text) = router.run(line);
        assert_eq!(status, ExitStatus::FAILURE, "{line}");
        assert!(text.contains(complaint), "{line}: {text}");
    }
    assert_eq!(router.run("nat forward add icmp 1 10.0.1.2:7").0, ExitStatus::USAGE);
    assert_eq!(router.run("nat forward").0, ExitStatus::USAGE);
}

#[test]
fn errors_come_back_to_whom_they_are_about() {
    let (mut router, _outside) = pair();
    let mut inside = behind(&router);
    router.ok("nat on --out veth0");
    // The port is closed, and the way has a hop.
    inside.stdin.write_all(b"anybody?\n").unwrap();
    assert_eq!(
        inside.run("nc -u 10.0.0.2 9"),
        (ExitStatus::FAILURE, "nc: connection refused\n".into())
    );
    let text = inside.ok("traceroute -q 1 10.0.0.2");
    assert!(text.contains("\n 1  10.0.1.1  ") && text.contains("\n 2  10.0.0.2  "), "{text}");
    let text = inside.ok("traceroute -I -q 1 10.0.0.2");
    assert!(text.contains("\n 2  10.0.0.2  "), "{text}");
}

#[test]
fn the_table_is_bounded_and_an_unasked_connection_meets_silence() {
    let (mut router, mut outside) = pair();
    let mut inside = behind(&router);
    router.ok("nat on --out veth0 --sessions 5 --sessions-per-host 3 --icmp 1 --ports 20000-20009");
    for port in 1..=10 {
        inside.run(&format!("nc -z -w 0.05 10.0.0.2 {port}"));
    }
    let text = router.ok("nat");
    assert!(text.contains("3 sessions of 5, 3 for one host"), "{text}");
    assert!(router.ok("netstat -s").contains("address translation table full"));
    router.ok("nat off; nat on --out veth0 --ports 30000-30009");
    // A port of the translation is silent, another refuses; and one of a socket answers.
    assert_eq!(
        outside.run("nc -z -v -w 0.2 10.0.0.1 30009").1,
        "nc: cannot connect to 10.0.0.1:30009: timed out\n"
    );
    let text = outside.run("nc -z -v -w 5 10.0.0.1 80").1;
    assert!(text.contains("connection refused"), "{text}");
    router.ok("serve echo 30009");
    outside.ok("nc -z -w 5 10.0.0.1 30009");
}

#[test]
fn what_is_wrong_is_said() {
    let (mut router, _outside) = pair();
    for (line, complaint) in [
        ("nat on --out eth7", "nat: no interface `eth7`; there are lo, veth0\n"),
        ("nat on --out veth0", "nat: there is no other interface to be inside\n"),
        (
            "nat on --out veth0 --in 10.9.0.0/24",
            "nat: no interface is on the network 10.9.0.0/24\n",
        ),
        ("nat on --out veth0 --in veth0", "nat: this internet layer cannot translate between"),
        ("nat on --out veth0 --in lo", "nat: this internet layer cannot translate what stays"),
    ] {
        let (status, text) = router.run(line);
        assert_eq!(status, ExitStatus::FAILURE, "{line}: {text}");
        assert!(text.starts_with(complaint), "{line}: {text}");
    }
    assert_eq!(router.run("nat on").0, ExitStatus::USAGE);
    assert_eq!(router.run("nat on --out veth0 --ports 9-1").0, ExitStatus::USAGE);
}
