//! `ifconfig` with arguments: what it changes, and what it refuses.

mod support;

use support::{Host, eventually, pair};

/// The addresses of an interface, as they are shown.
fn addrs(host: &mut Host, name: &str) -> Vec<String> {
    let text = host.ok(&format!("ifconfig {name}"));
    let words = text.split("IPaddr ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    words.map(str::to_string).collect()
}

#[test]
fn addresses_are_added_taken_away_and_replaced() {
    let (mut a, mut b) = pair();
    a.ok("ifconfig veth0 add 10.1.0.1/24 --probe never");
    // By its number as well.
    b.ok("ifconfig 1 add 10.1.0.2/24 --probe never");
    assert_eq!(addrs(&mut a, "veth0"), ["10.0.0.1", "10.1.0.1"]);
    a.ok("ping -c 1 10.1.0.2");
    a.ok("ifconfig veth0 del 10.1.0.1/24");
    let (status, text) = a.run("ifconfig veth0 del 10.1.0.1/24");
    assert!(!status.is_success() && text.contains("no address 10.1.0.1/24"), "{text}");
    let (status, _) = a.run("ping -c 1 -W 1 10.1.0.2");
    assert!(!status.is_success(), "the network went with the address");

    a.ok("ifconfig veth0 10.1.0.3/24 --probe never");
    assert_eq!(addrs(&mut a, "veth0"), ["10.1.0.3"]);
    a.ok("ping -c 1 10.1.0.2");
    assert!(a.ok("route").contains("10.1.0.0"));
    // Once more is nothing new.
    a.ok("ifconfig veth0 10.1.0.3/24 --probe never");
    assert_eq!(addrs(&mut a, "veth0"), ["10.1.0.3"]);
}

#[test]
fn an_address_that_another_host_has_is_given_up_and_shown_so() {
    let (mut a, mut b) = pair();
    b.ok("ifconfig veth0 add 10.0.0.9/24 --probe never");
    let shown = |host: &mut Host| host.ok("ifconfig veth0");
    a.ok("ifconfig veth0 add 10.0.0.9/24");
    let at_once = shown(&mut a);
    assert!(at_once.contains("IPaddr 10.0.0.9") || at_once.contains("has it"), "{at_once}");
    eventually("the conflict", || {
        shown(&mut a).contains("10.0.0.9/24 is not used: 00:34:45:67:89:02 has it")
    });
    assert_eq!(addrs(&mut a, "veth0"), ["10.0.0.1"]);
    a.ok("ping -c 1 10.0.0.9");
    // And with the patience that RFC 5227 asks for.
    a.ok("ifconfig veth0 add 10.0.0.10/24 --probe first");
    assert!(shown(&mut a).contains("probing for 10.0.0.10/24"));
    assert_eq!(addrs(&mut a, "veth0"), ["10.0.0.1"]);
    eventually("the address", || addrs(&mut a, "veth0") == ["10.0.0.1", "10.0.0.10"]);
}

#[test]
fn an_interface_goes_down_and_up_and_has_another_mtu() {
    let (mut a, _b) = pair();
    a.ok("ping -c 1 10.0.0.2");
    a.ok("ifconfig veth0 down");
    assert!(a.ok("ifconfig veth0").contains("DOWN"));
    let (status, text) = a.run("ping -c 1 -W 1 10.0.0.2");
    assert!(!status.is_success(), "{text}");
    a.ok("ifconfig veth0 up");
    assert!(!a.ok("ifconfig veth0").contains("DOWN"));
    a.ok("ping -c 1 10.0.0.2");

    a.ok("ifconfig veth0 mtu 900");
    assert!(a.ok("ifconfig veth0").contains("mtu 900"));
    a.ok("ping -c 1 -s 2000 10.0.0.2");
    let (status, text) = a.run("ifconfig veth0 mtu 40");
    assert!(!status.is_success() && text.contains("40"), "{text}");
    assert!(a.ok("ifconfig veth0").contains("mtu 900"));
}

#[test]
fn a_dhcp_client_starts_and_an_address_ends_it() {
    let (mut a, _b) = pair();
    a.ok("ifconfig veth0 dhcp");
    assert_eq!(addrs(&mut a, "veth0"), Vec::<String>::new());
    assert!(a.ok("ifconfig veth0").contains("DHCP selecting"));
    a.ok("ifconfig veth0 10.0.0.1/24 --probe never");
    assert!(!a.ok("ifconfig veth0").contains("DHCP"));
    a.ok("ping -c 1 10.0.0.2");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (mut a, _b) = pair();
    let before = addrs(&mut a, "veth0");
    for (line, words) in [
        ("ifconfig eth9", "no interface `eth9`; there is lo, veth0"),
        ("ifconfig eth9 up", "no interface `eth9`"),
        ("ifconfig veth0 sideways", "sideways"),
        ("ifconfig veth0 add 10.0.0.255/24", "10.0.0.255"),
        ("ifconfig veth0 add 10.0.0.7", "10.0.0.7"),
        ("ifconfig lo add 10.0.0.1/24", "an address of veth0 already"),
        ("ifconfig lo dhcp", "no Ethernet address"),
        ("ifconfig veth0 add 10.0.0.7/24 --probe later", "meanwhile"),
    ] {
        let (status, text) = a.run(line);
        assert!(!status.is_success() && text.contains(words), "{line}: {text}");
    }
    assert_eq!(addrs(&mut a, "veth0"), before);
}
