//! The shell's `traceroute` and `arping`, with the kernel as a router.

use crate::lan::{BEYOND, Lan};
use crate::stack::Stack;

#[test]
fn the_kernel_is_a_hop_and_says_what_it_has_against_a_destination() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let place = Lan::plain("traceroute");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    // The kernel sends each host at most six errors at once and one a second thereafter, and what
    // follows asks for more.
    std::fs::write("/proc/sys/net/ipv4/icmp_ratemask", "0").unwrap();
    let args = ["--link", "tap:t1", "--addr", "10.1.0.1/24", "--probe", "never"];
    let mut stack = Stack::start(&place, &args);
    place.there("ip route add 10.1.0.0/24 via 10.9.0.2");
    place.host("ip route add prohibit 203.0.113.0/24");
    place.host("ip route add unreachable 198.51.100.0/24");

    for option in ["", "-I"] {
        let shown = stack.run(&format!("traceroute {option} -q 2 {BEYOND}"));
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].starts_with(&format!("traceroute to {BEYOND} ({BEYOND})")), "{shown}");
        assert!(lines[1].starts_with(" 1  10.1.0.2  "), "{shown}");
        assert!(lines[2].starts_with(&format!(" 2  {BEYOND}  ")), "{shown}");
        assert!(!shown.contains('!') && !shown.contains('*'), "{shown}");
    }
    for (peer, mark) in [("203.0.113.5", "!X"), ("198.51.100.5", "!H")] {
        let shown = stack.run(&format!("traceroute -q 1 {peer}"));
        let marked = |line: &str| line.starts_with(" 1  10.1.0.2  ") && line.ends_with(mark);
        assert!(shown.lines().any(marked), "{shown}");
    }

    let shown = stack.run("arping -c 2 -i 0.1 10.1.0.2; arping -D -c 1 -w 0.5 10.1.0.77");
    assert!(shown.contains("Unicast reply from 10.1.0.2 ["), "{shown}");
    assert!(shown.contains("Received 2 response(s)"), "{shown}");
    assert!(shown.contains("Received 0 response(s)"), "{shown}");
    stack.end();
}
