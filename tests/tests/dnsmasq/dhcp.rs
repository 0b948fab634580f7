//! Leases.

use std::fs;

use tests::{Instance, scratch};

use crate::server::{self, Server};

/// A lease of two minutes, dnsmasq's shortest, that is renewed after three seconds.
const SOON: [&str; 2] = ["--dhcp-option-force=58,3", "--dhcp-option-force=59,6"];
const BY_DHCP: [&str; 4] = ["--link", "tap:tap0", "--addr", "dhcp"];

#[test]
fn a_lease_is_obtained_used_renewed_and_given_back() {
    if !netdev::in_namespace_with_tap!() || !server::is_there("dhcp") {
        return;
    }
    let dir = scratch("dhcp");
    let range = ["--dhcp-range=10.0.0.50,10.0.0.59,255.255.255.0,2m", "--dhcp-authoritative"];
    let options =
        ["--domain=lan", "--dhcp-option=option:mtu,1400", "--dhcp-option=option:router,10.0.0.2"];
    let mut server = Server::start(&dir, &[&range[..], &options, &SOON].concat());
    server::add_tap(&["10.0.0.2/24"]);
    let Some(mut stack) = Instance::start("dhcp", &BY_DHCP) else { return };
    let said = stack.log();
    let line = said.lines().find(|line| line.contains("by DHCP")).expect("a line about the lease");
    assert!(line.contains("/24 by DHCP from 10.0.0.2, for 120s, gateway 10.0.0.2"), "{line}");
    assert!(line.contains("DNS 10.0.0.2, domain lan, MTU 1400"), "{line}");

    let granted = server.wait_for("DHCPACK(tap0)");
    let addr = granted.split(' ').find(|word| word.starts_with("10.0.0.")).unwrap().to_string();
    assert!(line.starts_with(&format!("tapip: {addr}/24 ")), "{line}");
    let leases = || fs::read_to_string(dir.join("leases")).unwrap();
    assert!(leases().contains(&format!("00:34:45:67:89:ab {addr}")), "{}", leases());

    let shown = stack.run("ifconfig; route; stat -a");
    assert!(shown.contains(&format!("IPaddr {addr}  mask 255.255.255.0")), "{shown}");
    assert!(shown.contains("mtu 1400") && shown.contains("DHCP "), "{shown}");
    assert!(shown.contains("0.0.0.0         10.0.0.2"), "{shown}");
    let pinged = stack.run("ping -c 1 10.0.0.2");
    assert!(pinged.contains("1 packets transmitted, 1 received"), "{pinged}");

    // RFC 2131 §4.4.5: the server hears of it again, and the address stays.
    for _ in 0..2 {
        server.wait_for("DHCPREQUEST(tap0)");
        server.wait_for("DHCPACK(tap0)");
    }
    let shown = stack.run("ifconfig");
    assert!(shown.contains(&format!("IPaddr {addr} ")), "{shown}");
    assert_eq!(server.count("DHCPDISCOVER(tap0)"), 1, "renewed, not begun anew");
    assert_eq!(server.count("DHCPDECLINE"), 0);

    assert_eq!(stack.finish(), 0);
    let released = server.wait_for("DHCPRELEASE(tap0)");
    assert!(released.contains(&addr), "{released}");
    assert_eq!(leases(), "");
}

/// RFC 2131 §3.2 and §4.4.5: the server that is there now says no, and gives another.
#[test]
fn on_another_network_the_old_address_is_refused() {
    if !netdev::in_namespace_with_tap!() || !server::is_there("another network") {
        return;
    }
    let dir = scratch("dhcp-nak");
    let range = |range| [range, "--dhcp-authoritative", "--dhcp-no-override"];
    let here = range("--dhcp-range=10.0.0.50,10.0.0.59,255.255.255.0,2m");
    let server = Server::start(&dir, &[&here[..], &SOON].concat());
    server::add_tap(&["10.0.0.2/24"]);
    let Some(mut stack) = Instance::start("another network", &BY_DHCP) else { return };
    assert!(stack.run("ifconfig").contains("IPaddr 10.0.0.5"));
    drop(server);

    stack.run("!ip addr add 10.9.0.1/24 dev tap0");
    stack.run("!ip addr del 10.0.0.2/24 dev tap0");
    fs::remove_file(dir.join("leases")).unwrap();
    let there = range("--dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0,2m");
    let mut server = Server::start(&dir, &there);
    server.wait_for("DHCPNAK(tap0)");
    server.wait_for("DHCPDISCOVER(tap0)");
    server.wait_for("DHCPACK(tap0) 10.9.0.");
    // The probes of RFC 5227 take a few seconds more.
    let mut shown = String::new();
    for _ in 0..100 {
        shown = stack.run("ifconfig; route; !sleep 0.1");
        if shown.contains("IPaddr 10.9.0.") {
            break;
        }
        assert!(!shown.contains("IPaddr 10.0.0.5"), "{shown}");
    }
    assert!(shown.contains("IPaddr 10.9.0."), "{shown}");
    assert!(shown.contains("0.0.0.0         10.9.0.1"), "{shown}");
    assert_eq!(stack.finish(), 0);
    server.wait_for("DHCPRELEASE(tap0) 10.9.0.");
}

/// RFC 5227 §2.1.1, RFC 2131 §4.4.1: the kernel has the address that the server gives.
#[test]
fn an_address_in_use_is_declined_and_another_taken() {
    if !netdev::in_namespace_with_tap!() || !server::is_there("decline") {
        return;
    }
    let dir = scratch("dhcp-decline");
    // Two addresses; the one that comes first is in use.
    let args = [
        "--dhcp-range=10.0.0.50,10.0.0.51,255.255.255.0,2m",
        "--dhcp-authoritative",
        "--dhcp-sequential-ip",
    ];
    let mut server = Server::start(&dir, &args);
    server::add_tap(&["10.0.0.2/24", "10.0.0.50/24"]);
    let Some(mut stack) = Instance::start("decline", &BY_DHCP) else { return };
    assert!(server.wait_for("DHCPDECLINE(tap0)").contains("10.0.0.50"));
    let shown = stack.run("ifconfig; stat");
    assert!(shown.contains("IPaddr 10.0.0.51 "), "{shown}");
    assert!(shown.contains("1  addresses declined"), "{shown}");
    assert_eq!(stack.finish(), 0);
}

/// RFC 5227 §2.4 (b), RFC 2131 §3.1, 5: the kernel takes the address while the stack uses it.
#[test]
fn an_address_that_is_taken_from_a_bound_client_is_declined_and_another_taken() {
    if !netdev::in_namespace_with_tap!() || !server::is_there("taken") {
        return;
    }
    let dir = scratch("dhcp-taken");
    let range = ["--dhcp-range=10.0.0.50,10.0.0.59,255.255.255.0,2m", "--dhcp-authoritative"];
    let mut server = Server::start(&dir, &range);
    server::add_tap(&["10.0.0.2/24"]);
    let Some(mut stack) = Instance::start_with("taken", &["arping"], &BY_DHCP) else { return };
    let granted = server.wait_for("DHCPACK(tap0)");
    let addr = granted.split(' ').find(|word| word.starts_with("10.0.0.")).unwrap().to_string();
    stack.run(&format!("!ip addr add {addr}/24 dev tap0"));
    stack.run(&format!("!arping -q -U -c 3 -I tap0 {addr}"));
    assert!(server.wait_for("DHCPDECLINE(tap0)").contains(&addr));
    let shown = stack.run("ifconfig; stat");
    assert!(!shown.contains(&format!("IPaddr {addr} ")), "{shown}");
    assert!(shown.contains("1  addresses declined"), "{shown}");
    assert!(stack.log().contains("it is given up"), "{}", stack.log());
    // Ten seconds later, and the probes.
    let granted = server.wait_for("DHCPACK(tap0)");
    let other = granted.split(' ').find(|word| word.starts_with("10.0.0.")).unwrap().to_string();
    assert_ne!(other, addr);
    let mut shown = String::new();
    for _ in 0..120 {
        shown = stack.run("ifconfig; !sleep 0.1");
        if shown.contains(&format!("IPaddr {other} ")) {
            break;
        }
    }
    assert!(shown.contains(&format!("IPaddr {other} ")), "{shown}");
    assert_eq!(stack.finish(), 0);
}

#[test]
fn without_a_server_a_script_is_told_so() {
    let output = std::process::Command::new(tests::binary())
        .current_dir(std::env::temp_dir())
        .args(["--link", "sim", "--addr", "dhcp", "-c", "ifconfig"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no DHCP server gave an address in 45 s"), "{said}");
}
