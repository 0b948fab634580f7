//! The ancestor's manual test list, each item run by a machine: the kernel at one end of a TAP
//! (or, for an ordinary user where the TAP is not his, of a veth), the stack at the other.
//!
//! Item 6, the reassembly timeout, takes thirty seconds and stands on virtual time in
//! `stack_on_virtual_time.rs`.

use tests::{Instance, payload, scratch};

#[test]
fn item_1_arping_from_the_host_is_answered() {
    let Some(stack) = Instance::start_with("item_1", &["arping"], &[]) else { return };
    let arping = stack.host("arping", &["-c", "2", "-w", "10", "-I", "tap0", "10.0.0.1"]);
    assert!(arping.success, "{arping:?}");
    assert!(arping.stdout.to_lowercase().contains("00:34:45:67:89:ab"), "{arping:?}");
}

#[test]
fn item_2_a_big_ping_from_the_shell_is_fragmented_and_its_reply_reassembled() {
    let Some(mut stack) = Instance::start("item_2", &[]) else { return };
    let ping = stack.run("ping -s 6000 -c 2 10.0.0.2");
    assert!(ping.contains("6008 bytes from 10.0.0.2: icmp_seq="), "{ping}");
    assert!(ping.contains("2 packets transmitted, 2 received, 0% packet loss"), "{ping}");
    assert!(ping.contains("rtt min/avg/max/mdev = "), "{ping}");
}

#[test]
fn item_3_a_big_ping_from_the_host_is_answered() {
    let Some(stack) = Instance::start_with("item_3", &["ping"], &[]) else { return };
    for size in ["0", "1", "1472", "1473", "6000", "65507"] {
        let ping =
            stack.host("ping", &["-c", "2", "-i", "0.2", "-W", "10", "-s", size, "10.0.0.1"]);
        assert!(ping.success && ping.stdout.contains(" 0% packet loss"), "size {size}: {ping:?}");
    }
}

#[test]
fn item_4_packets_for_another_network_are_forwarded() {
    let tools = ["ip", "nft", "ping"];
    let Some(stack) = Instance::start_with("item_4", &tools, &[]) else { return };
    // The stack's own route for it is the default one, back to the kernel, which counts what
    // comes with one hop less than it went.
    let script = "ip route add 10.0.1.0/24 via 10.0.0.1
        nft add table ip seen
        nft add chain ip seen in '{ type filter hook prerouting priority 0; }'
        nft add rule ip seen in icmp type echo-request ip daddr 10.0.1.5 ip ttl 8 counter
        ping -c 3 -i 0.2 -W 1 -t 9 10.0.1.5
        nft list table ip seen";
    let host = stack.host("sh", &["-c", script]);
    assert!(host.stdout.contains("counter packets 3 "), "{host:?}");
}

#[test]
fn item_5_a_better_way_is_told_by_redirect_and_a_spent_ttl_by_time_exceeded() {
    let Some(stack) = Instance::start_with("item_5", &["ip", "ping"], &[]) else { return };
    assert!(stack.host("ip", &["route", "add", "10.0.0.3/32", "via", "10.0.0.1"]).success);
    let ping = stack.host("ping", &["-c", "1", "-t", "1", "-W", "10", "10.0.0.3"]);
    assert!(ping.stdout.contains("From 10.0.0.1 icmp_seq=1 Time to live exceeded"), "{ping:?}");
    let ping = stack.host("ping", &["-c", "2", "-W", "2", "10.0.0.3"]);
    assert!(ping.stdout.contains("From 10.0.0.1"), "{ping:?}");
    assert!(ping.stdout.contains("Redirect Host(New nexthop: 10.0.0.3)"), "{ping:?}");
}

#[test]
fn item_7_the_stack_reaches_itself() {
    let Some(mut stack) = Instance::start("item_7", &[]) else { return };
    for line in [
        "ping -c 2 -i 0.1 -s 65000 10.0.0.1",
        "ping -c 2 -i 0.1 127.0.0.1",
        "ping -c 2 -i 0.1 127.1.2.3",
    ] {
        let ping = stack.run(line);
        assert!(
            ping.contains("2 packets transmitted, 2 received, 0% packet loss"),
            "{line}: {ping}"
        );
    }
}

#[test]
fn item_8_udp_goes_out_to_a_kernel_listener() {
    let Some(mut stack) = Instance::start_with("item_8", &["nc", "ss", "timeout"], &[]) else {
        return;
    };
    let dir = scratch("item-8");
    let (sent, received) = (dir.join("sent"), dir.join("received"));
    std::fs::write(&sent, "over UDP\n").unwrap();
    let mut listen = stack.host_command(
        "sh",
        &["-c", &format!("timeout 20 nc -u -l -W 1 10.0.0.2 5000 > {}", received.display())],
    );
    let mut listen = listen.spawn().unwrap();
    // Whether nc listens by now can be seen in the kernel's table only.
    let ready =
        "for i in $(seq 200); do ss -uln | grep -q ':5000 ' && exit 0; sleep 0.05; done; exit 1";
    assert!(stack.host("sh", &["-c", ready]).success, "nc does not listen");
    // What follows the command's line on the shell's input is the command's input, to its end.
    stack.send("snc -u -c 10.0.0.2:5000");
    stack.send("over UDP");
    assert_eq!(stack.finish(), 0);
    listen.wait().unwrap();
    assert_eq!(std::fs::read_to_string(&received).unwrap(), "over UDP\n");
}

#[test]
fn item_9_udp_comes_in_from_the_kernel() {
    let Some(mut stack) = Instance::start_with("item_9", &["nc"], &[]) else { return };
    stack.run("serve echo 7");
    let echo = "echo 'hello over UDP' | nc -u -w 2 -W 1 10.0.0.1 7";
    let nc = stack.host("sh", &["-c", echo]);
    assert_eq!(nc.stdout, "hello over UDP\n", "{nc:?}");
    let ss = stack.run("ss -u -a");
    assert!(ss.contains(":7"), "{ss}");
}

#[test]
fn item_10_tcp_comes_in_from_the_kernels_nc() {
    let Some(mut stack) = Instance::start_with("item_10", &["nc"], &[]) else { return };
    let dir = scratch("item-10");
    let file = dir.join("data");
    std::fs::write(&file, payload(10, 300_000)).unwrap();
    stack.run("serve echo 7");
    let back = dir.join("back");
    let echo = format!("nc -N 10.0.0.1 7 < {} > {}", file.display(), back.display());
    let nc = stack.host("sh", &["-c", &echo]);
    assert!(nc.success, "{nc:?}");
    assert!(std::fs::read(&back).unwrap() == payload(10, 300_000), "the echo differs");
}

#[test]
fn a_closed_port_is_refused_and_a_missing_host_unreachable() {
    let Some(mut stack) = Instance::start_with("closed_port", &["nc"], &[]) else { return };
    let nc = stack.host("nc", &["-v", "-w", "5", "10.0.0.1", "9999"]);
    assert!(!nc.success && nc.stderr.contains("refused"), "{nc:?}");
    let out = stack.run("ping -c 1 -W 10 10.0.0.77");
    assert!(out.contains("Destination Host Unreachable"), "{out}");
    assert!(out.contains("1 packets transmitted, 0 received"), "{out}");
}
