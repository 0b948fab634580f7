//! The plans, on what `ip -j` printed on a machine, so that no kernel is needed.

use super::journal::Journal;
use super::plan;
use super::state::State;

const LINKS: &str = r#"[
{"ifindex":3,"ifname":"eth0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1400,
 "link_type":"ether","address":"02:00:00:00:aa:01"}]"#;

const ADDRESSES: &str = r#"[{},{"ifindex":3,"ifname":"eth0","addr_info":[
{"family":"inet","local":"169.254.3.3","prefixlen":16,"scope":"link","noprefixroute":true,
 "label":"eth0","valid_life_time":4294967295,"preferred_life_time":4294967295},
{"family":"inet","local":"10.9.0.2","prefixlen":24,"broadcast":"10.9.0.255","scope":"global",
 "label":"eth0","valid_life_time":4294967295,"preferred_life_time":4294967295},
{"family":"inet","local":"10.9.1.2","prefixlen":24,"metric":300,"broadcast":"10.9.1.255",
 "scope":"global","dynamic":true,"label":"eth0","valid_life_time":3600,"preferred_life_time":1800},
{"family":"inet","local":"10.50.0.1","address":"10.50.0.2","prefixlen":32,"scope":"global",
 "label":"eth0","valid_life_time":4294967295,"preferred_life_time":4294967295},
{"family":"inet","local":"10.9.0.3","prefixlen":24,"scope":"global","secondary":true,
 "label":"eth0:1","valid_life_time":4294967295,"preferred_life_time":4294967295},
{"family":"inet6","local":"2001:db8::9","address":"2001:db8::10","prefixlen":128,
 "scope":"global","nodad":true,"noprefixroute":true,"valid_life_time":4294967295,
 "preferred_life_time":4294967295},
{"family":"inet6","local":"2001:db8:1::2","prefixlen":64,"scope":"global","dynamic":true,
 "mngtmpaddr":true,"valid_life_time":3600,"preferred_life_time":1800},
{"family":"inet6","local":"2001:db8::2","prefixlen":64,"scope":"global","nodad":true,
 "valid_life_time":4294967295,"preferred_life_time":4294967295},
{"family":"inet6","local":"fe80::ff:fe00:aa01","prefixlen":64,"scope":"link",
 "valid_life_time":4294967295,"preferred_life_time":4294967295}]}]"#;

const ROUTES4: &str = r#"[
{"type":"unicast","dst":"192.168.5.0/24","gateway":"10.9.0.1","dev":"eth0","table":"77",
 "protocol":"boot","scope":"global","flags":[],"metrics":[{"mtu":1300,"initcwnd":10}]},
{"type":"unicast","dst":"default","gateway":"10.9.0.1","dev":"eth0","table":"main",
 "protocol":"dhcp","scope":"global","prefsrc":"10.9.0.3","metric":100,"flags":[]},
{"type":"unicast","dst":"default","gateway":"10.9.7.1","dev":"eth0","table":"main",
 "protocol":"boot","scope":"global","metric":200,"flags":["onlink"]},
{"type":"unicast","dst":"10.9.0.0/24","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"link","prefsrc":"10.9.0.2","flags":[]},
{"type":"unicast","dst":"10.9.1.0/24","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"link","prefsrc":"10.9.1.2","metric":300,"flags":[]},
{"type":"unicast","dst":"10.50.0.2","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"link","prefsrc":"10.50.0.1","flags":[]},
{"type":"unicast","dst":"169.254.0.0/16","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"link","prefsrc":"169.254.3.3","metric":100,"flags":[]},
{"type":"blackhole","dst":"10.200.0.0/16","table":"main","protocol":"boot","scope":"global",
 "flags":[]},
{"type":"unicast","dst":"172.16.0.0/12","table":"main","protocol":"boot","scope":"global",
 "flags":[],"nexthops":[{"gateway":"10.9.0.1","dev":"eth0","weight":2,"flags":[]},
 {"gateway":"10.66.0.4","dev":"eth1","weight":1,"flags":["onlink","linkdown"]}]},
{"type":"unicast","dst":"172.99.0.0/16","via":{"family":"inet6","host":"2001:db8::1"},"dev":"eth0",
 "table":"main","protocol":"boot","scope":"global","flags":[]},
{"type":"unicast","dst":"192.168.6.0/24","tos":"0x10","dev":"eth0","table":"main",
 "protocol":"static","scope":"link","flags":[],"metrics":[{"congestion":"reno","rto_min":100}]},
{"type":"local","dst":"10.9.0.2","dev":"eth0","table":"local","protocol":"kernel","scope":"host",
 "prefsrc":"10.9.0.2","flags":[]}]"#;

const ROUTES6: &str = r#"[
{"type":"unicast","dst":"2001:db8::10","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"global","metric":256,"flags":[],"pref":"medium"},
{"type":"unicast","dst":"2001:db8::/64","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"global","metric":256,"flags":[],"pref":"medium"},
{"type":"unicast","dst":"2001:db8:1::/64","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"global","metric":256,"flags":[],"expires":3597,"pref":"medium"},
{"type":"unicast","dst":"2001:db8:6::/48","from":"2001:db8::/32","gateway":"2001:db8::5",
 "dev":"eth0","table":"main","protocol":"boot","scope":"global","metric":1024,"flags":[],
 "pref":"medium"},
{"type":"unreachable","dst":"2001:db8:ff::/48","dev":"lo","table":"main","protocol":"boot",
 "scope":"global","metric":1024,"flags":[],"error":-113,"pref":"medium"},
{"type":"unicast","dst":"fe80::/64","dev":"eth0","table":"main","protocol":"kernel",
 "scope":"global","metric":256,"flags":[],"pref":"medium"},
{"type":"unicast","dst":"default","gateway":"fe80::1","dev":"eth0","table":"main","protocol":"ra",
 "scope":"global","metric":50,"flags":[],"expires":999,"pref":"high"},
{"type":"multicast","dst":"ff00::/8","dev":"eth0","table":"local","protocol":"kernel",
 "scope":"global","metric":256,"flags":[],"pref":"medium"}]"#;

fn before() -> State {
    State::parse(LINKS, ADDRESSES, ROUTES4, ROUTES6).unwrap()
}

fn journal() -> Journal {
    let state = before();
    Journal {
        boot: "b".into(),
        when: 0,
        namespace: 1,
        nic: "eth0".into(),
        ifindex: 3,
        mac: "02:00:00:00:aa:01".into(),
        mtu: 1400,
        bridge: "br0".into(),
        tap: "tap0".into(),
        user: "1000".into(),
        mark: "tapip-7".into(),
        addresses: state.addresses_of("eth0"),
        routes: state.routes_of("eth0").unwrap(),
    }
}

/// What the kernel has after a whole `up`: the same text with the other name, and two interfaces
/// more.
fn after() -> State {
    let moved = |text: &str| text.replace("\"eth0\"", "\"br0\"").replace("eth0:1", "br0:1");
    let links = r#"[
{"ifindex":3,"ifname":"eth0","flags":["UP"],"mtu":1400,"link_type":"ether",
 "address":"02:00:00:00:aa:01","master":"br0"},
{"ifindex":8,"ifname":"br0","flags":["UP"],"mtu":1400,"link_type":"ether",
 "address":"02:00:00:00:aa:01","ifalias":"tapip-7","linkinfo":{"info_kind":"bridge"}},
{"ifindex":9,"ifname":"tap0","flags":["UP"],"mtu":1400,"link_type":"ether","master":"br0",
 "ifalias":"tapip-7","linkinfo":{"info_kind":"tun","info_data":{"type":"tap","persist":true}}}]"#;
    State::parse(links, &moved(ADDRESSES), &moved(ROUTES4), &moved(ROUTES6)).unwrap()
}

fn position(commands: &[String], command: &str) -> usize {
    let found = commands.iter().position(|other| other == command);
    found.unwrap_or_else(|| panic!("`{command}` is not among {commands:#?}"))
}

#[test]
fn every_kind_of_route_goes_to_the_bridge_as_it_is() {
    let commands = plan::up(&journal());
    for route in [
        "unicast 192.168.5.0/24 table 77 protocol boot scope global via 10.9.0.1 dev br0 initcwnd \
         10 mtu 1300",
        "unicast 0.0.0.0/0 table main protocol dhcp scope global metric 100 src 10.9.0.3 via \
         10.9.0.1 dev br0",
        "unicast 0.0.0.0/0 table main protocol boot scope global metric 200 via 10.9.7.1 dev br0 \
         onlink",
        "unicast 172.16.0.0/12 table main protocol boot scope global nexthop via 10.9.0.1 dev br0 \
         weight 2 nexthop via 10.66.0.4 dev eth1 onlink weight 1",
        "unicast 172.99.0.0/16 table main protocol boot scope global via inet6 2001:db8::1 dev br0",
        "unicast 192.168.6.0/24 tos 0x10 table main protocol static scope link dev br0 congctl \
         reno rto_min 100ms",
        "unicast 2001:db8:6::/48 from 2001:db8::/32 table main protocol boot metric 1024 via \
         2001:db8::5 dev br0 pref medium",
        "unicast ::/0 table main protocol ra metric 50 via fe80::1 dev br0 pref high expires 999",
        // NetworkManager's: of the kernel's protocol, but no address makes it.
        "unicast 169.254.0.0/16 table main protocol kernel scope link metric 100 src 169.254.3.3 \
         dev br0",
    ] {
        position(&commands, &format!("route append {route}"));
    }
    let appended = commands.iter().filter(|c| c.starts_with("route append")).count();
    assert_eq!(appended, 9, "the kernel makes the others by itself: {commands:#?}");
}

#[test]
fn each_address_goes_with_its_lifetimes_scope_and_label() {
    let commands = plan::up(&journal());
    for address in [
        "169.254.3.3/16 dev br0 scope link label br0 noprefixroute",
        "10.9.0.2/24 dev br0 broadcast 10.9.0.255 scope global label br0",
        "10.9.1.2/24 dev br0 broadcast 10.9.1.255 scope global label br0 metric 300 valid_lft 3600 \
         preferred_lft 1800",
        "10.50.0.1 peer 10.50.0.2/32 dev br0 scope global label br0",
        "10.9.0.3/24 dev br0 scope global label br0:1",
        "2001:db8::2/64 dev br0 nodad",
        "2001:db8:1::2/64 dev br0 mngtmpaddr valid_lft 3600 preferred_lft 1800 nodad",
        "fe80::ff:fe00:aa01/64 dev br0 nodad",
    ] {
        position(&commands, &format!("address add {address}"));
    }
    // Those that were without detection of duplicates stay so, the others do not.
    position(
        &commands,
        "address change 2001:db8:1::2/64 dev br0 mngtmpaddr valid_lft 3600 preferred_lft 1800",
    );
    assert!(!commands.contains(&"address change 2001:db8::2/64 dev br0".to_string()));
    // The link-local one is copied, not moved.
    assert!(!commands.contains(&"address del fe80::ff:fe00:aa01/64 dev eth0".to_string()));
}

#[test]
fn nothing_goes_from_the_nic_before_the_bridge_has_it() {
    let commands = plan::up(&journal());
    let port = position(&commands, "link set eth0 master br0");
    let last_added = commands.iter().rposition(|c| c.starts_with("route append")).unwrap();
    let first_gone = commands.iter().position(|c| c.contains(" del ")).unwrap();
    assert!(port < last_added && last_added < first_gone, "{commands:#?}");
    for made in [
        "link add br0 address 02:00:00:00:aa:01 type bridge stp_state 0 forward_delay 0",
        "link set br0 mtu 1400",
        "tuntap add dev tap0 mode tap vnet_hdr user 1000",
        "link set tap0 master br0",
        "link set br0 up",
    ] {
        assert!(position(&commands, made) < port, "{made}");
    }
    // The kernel would keep it on the NIC, before the bridge's, until it expires.
    let stale = "route del unicast 2001:db8:1::/64 table main protocol kernel metric 256 dev eth0";
    assert!(
        position(&commands, stale) < position(&commands, "address del 2001:db8:1::2/64 dev eth0")
    );
}

#[test]
fn a_route_that_could_not_be_put_back_is_refused_by_name() {
    for (extra, why) in [
        (r#""encap":"ip","id":5"#, "encap"),
        (r#""nhid":5"#, "nexthop object"),
        (r#""metrics":[{"rtt":100}]"#, "`rtt`"),
        (r#""novel":1"#, "novel"),
    ] {
        let routes = format!(
            r#"[{{"type":"unicast","dst":"10.78.0.0/16","dev":"eth0","table":"9",{extra}}}]"#
        );
        let state = State::parse(LINKS, "", &routes, "").unwrap();
        let error = format!("{:#}", state.routes_of("eth0").unwrap_err());
        assert!(error.contains("10.78.0.0/16 in table 9") && error.contains(why), "{error}");
        // On the way back it is only left alone.
        assert!(state.known_routes_of("eth0").is_empty());
    }
}

#[test]
fn the_way_back_from_a_whole_bridge() {
    let journal = journal();
    assert_eq!(plan::faults(&journal, &after()), Vec::<String>::new());
    let commands = plan::down(&journal, &after(), 0);
    let appended = commands.iter().filter(|c| c.starts_with("route append")).count();
    assert_eq!(appended, 9, "{commands:#?}");
    let added = position(&commands, "address add 10.9.0.3/24 dev eth0 scope global label eth0:1");
    let several = "route del unicast 172.16.0.0/12 table main protocol boot scope global nexthop \
                   via 10.9.0.1 dev br0 weight 2 nexthop via 10.66.0.4 dev eth1 onlink weight 1";
    assert!(added < position(&commands, several));
    let end = ["link set eth0 nomaster", "link del br0", "link del tap0"];
    assert_eq!(commands[commands.len() - 3..], end);
}

#[test]
fn the_way_back_from_where_nothing_was_done_is_empty() {
    assert_eq!(plan::down(&journal(), &before(), 0), Vec::<String>::new());
    assert_eq!(plan::missing(&journal(), &before(), "eth0"), Vec::<String>::new());
}

#[test]
fn lifetimes_go_on_while_the_bridge_is_up() {
    let journal = journal();
    // Nothing on the bridge: what is known is the journal's.
    let links = LINKS.replace("\"mtu\":1400", "\"mtu\":1400,\"master\":\"br0\"");
    let bare = State::parse(&links, "", "", "").unwrap();
    let aged = plan::down(&journal, &bare, 1000);
    let v4 = "address add 10.9.1.2/24 dev eth0 broadcast 10.9.1.255 scope global label eth0 metric \
              300 valid_lft 2600 preferred_lft 800";
    position(&aged, v4);
    assert!(!aged.iter().any(|c| c.contains("::/0")), "its 999 seconds are over: {aged:#?}");
    let ended = plan::down(&journal, &bare, 3600);
    assert!(!ended.iter().any(|c| c.contains("10.9.1.2/24")), "{ended:#?}");
    // A renewed lease: the bridge's.
    let renewed = plan::down(&journal, &after(), 3000);
    position(&renewed, &v4.replace("2600", "3600").replace("lft 800", "lft 1800"));
}

#[test]
fn only_what_was_made_is_deleted() {
    let mut state = after();
    for link in &mut state.links {
        if link.ifname != "eth0" {
            link.ifalias = Some("mine".into());
        }
    }
    let commands = plan::down(&journal(), &state, 0);
    assert!(!commands.iter().any(|c| c.starts_with("link ")), "{commands:#?}");
    let faults = plan::faults(&journal(), &state);
    assert_eq!(
        faults,
        ["br0 is not the bridge that was made", "tap0 is not the TAP that was made"]
    );
}

#[test]
fn what_is_broken_is_named() {
    let journal = journal();
    let faults = plan::faults(&journal, &before());
    for words in [
        "the bridge br0 is gone",
        "the TAP tap0 is gone",
        "eth0 is not a port of br0",
        "br0 has not the address 10.9.0.2",
        "br0 has not the route to 172.16.0.0/12 (table main)",
        "the address 10.9.0.2 is still on eth0",
        "the route to 10.9.0.0/24 is still by way of eth0",
    ] {
        assert!(faults.iter().any(|fault| fault == words), "{words}: {faults:#?}");
    }
    let mut other = after();
    other.links[0].ifindex = 30;
    assert_eq!(plan::faults(&journal, &other), Vec::<String>::new(), "plugged in again");
    other.links[0].address = "02:00:00:00:bb:02".into();
    assert_eq!(plan::faults(&journal, &other)[0], "eth0 is gone, or is another interface now");
    let commands = plan::down(&journal, &other, 0);
    assert_eq!(commands.iter().filter(|c| c.starts_with("address")).count(), 0, "{commands:#?}");
    assert_eq!(commands[commands.len() - 2..], ["link del br0", "link del tap0"]);
}

#[test]
fn names_that_are_said_must_be_free_and_those_chosen_are() {
    use super::free_name;
    assert_eq!(free_name(&after(), "bridge", None, "br").unwrap(), "br1");
    assert_eq!(free_name(&before(), "bridge", Some("lan"), "br").unwrap(), "lan");
    for bad in ["br0", "", "-x", "a b", "sixteen-bytes-xx"] {
        let error = free_name(&after(), "bridge", Some(bad), "br").unwrap_err().to_string();
        assert!(error.starts_with("--bridge"), "{error}");
    }
    assert!(super::owner(Some("a;b")).is_err());
    assert_eq!(super::owner(Some("alice")).unwrap(), "alice");
}
