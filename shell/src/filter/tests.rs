use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Filter {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn what_is_written_is_printed_in_full() {
    for (text, printed) in [
        ("", ""),
        ("  tcp  ", "tcp"),
        ("10.0.0.1", "host 10.0.0.1"),
        ("src 10.0.0.1", "src host 10.0.0.1"),
        ("src host 10.0.0.1", "src host 10.0.0.1"),
        ("arp dst net 10.1", "arp dst net 10.1.0.0/16"),
        ("net 10.0.0.0/8", "net 10.0.0.0/8"),
        ("port 80 or 443", "port 80 or port 443"),
        ("tcp dst portrange 30-20", "tcp dst portrange 20-30"),
        ("ip proto 2", "ip proto 2"),
        ("ether src host 2:0:0:0:0:1 && !arp", "ether src host 02:00:00:00:00:01 and not arp"),
        ("ether 02:00:00:00:00:01", "ether host 02:00:00:00:00:01"),
        ("(tcp)or((udp))", "tcp or udp"),
        ("not (tcp or udp) and less 60", "not (tcp or udp) and less 60"),
        ("tcp and (syn or fin or rst)", "tcp and (syn or fin or rst)"),
    ] {
        let text = text.replace("2:0:0:0:0:1", "02:00:00:00:00:01");
        assert_eq!(parse(&text).to_string(), printed, "{text}");
        assert_eq!(parse(printed), parse(&text), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, complaint) in [
        ("prot 7", "column 1: `prot`: not a word of filters; host, net, port,"),
        ("host", "column 5: at the end: not an IPv4 address, as 10.0.0.2"),
        ("tcp and", "column 8: at the end: something is missing"),
        ("tcp udp", "column 5: `udp`: `and`, `or` or the end is expected"),
        ("tcp or (udp and ip", "column 19: at the end: the ( of column 8 is not closed"),
        ("tcp)", "column 4: `)`: `and`, `or` or the end is expected"),
        ("port 99999", "column 6: `99999`: not a port from 0 to 65535"),
        ("portrange 7", "column 11: `7`: not a range of ports, as 20-30"),
        ("net 10.1.2.3/16", "column 5: `10.1.2.3/16`: not a network, as"),
        ("tcp host 10.0.0.1", "column 5: `host`: that protocol has none"),
        ("ip src port 7", "column 8: `port`: that protocol has none"),
        ("udp src 7", "column 9: `7`: host, net, port or portrange is expected"),
        ("less x", "column 6: `x`: a number is expected"),
        ("ip proto 256", "column 10: `256`: not a protocol from 0 to 255"),
        ("ether", "column 6: at the end: `ether` of what?"),
        ("ether host 10.0.0.1", "column 12: `10.0.0.1`: "),
        ("port 80 or tcp or 10.0.0.1", "column 19: `10.0.0.1`: not a word"),
        ("ä and", "column 1: `ä`: not a word"),
        ("tcp and ä", "column 9: `ä`: not a word"),
    ] {
        let error = text.parse::<Filter>().expect_err(text).to_string();
        assert!(error.starts_with(complaint), "{text}: {error}");
    }
    let deep = "(".repeat(65);
    let error = deep.parse::<Filter>().unwrap_err();
    assert_eq!((error.column, error.why.as_str()), (65, "more than 64 levels"));
    // As many as one likes beside each other.
    let long = vec!["syn"; 100_000].join(" or ");
    assert_eq!(parse(&long).to_string(), long);
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Src), Just(Side::Dst), Just(Side::Either)]
}

fn primitive() -> impl Strategy<Value = Primitive> {
    let kind = proptest::sample::select(Kind::ALL);
    let net = proptest::option::of(proptest::sample::select(NetKind::ALL));
    let port = proptest::option::of(proptest::sample::select(PortKind::ALL));
    prop_oneof![
        kind.prop_map(Primitive::Kind),
        any::<u8>().prop_map(Primitive::Proto),
        (net, side(), any::<u32>(), 0..=32u8).prop_map(|(of, side, addr, prefix)| {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Primitive::Net { of, side, addr: (addr & mask).into(), prefix }
        }),
        (port, side(), any::<u16>(), any::<u16>()).prop_map(|(of, side, a, b)| {
            Primitive::Port { of, side, first: a.min(b), last: a.max(b) }
        }),
        (side(), any::<[u8; 6]>()).prop_map(|(side, mac)| Primitive::Ether(side, MacAddr(mac))),
        proptest::sample::select(Flag::ALL).prop_map(Primitive::Flag),
        any::<u32>().prop_map(Primitive::Less),
        any::<u32>().prop_map(Primitive::Greater),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    primitive().prop_map(Expr::Is).prop_recursive(4, 24, 4, |inner| {
        let joint = prop_oneof![Just(Joint::And), Just(Joint::Or)];
        let rest = proptest::collection::vec((joint, inner.clone()), 1..4);
        prop_oneof![
            inner.clone().prop_map(|expr| Expr::Not(Box::new(expr))),
            (inner, rest).prop_map(|(first, rest)| Expr::Chain { first: Box::new(first), rest }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(expr in expr()) {
        let filter = Filter(Some(expr));
        prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
    }

    #[test]
    fn any_bytes_are_judged_and_a_negation_says_the_opposite(
        expr in expr(),
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        ethertype in proptest::sample::select(&[0x0800u16, 0x0806, 0x86dd, 0x1234][..]),
    ) {
        let mut frame = bytes;
        if frame.len() >= 14 {
            frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        }
        let not = Filter(Some(Expr::Not(Box::new(expr.clone()))));
        let filter = Filter(Some(expr));
        for medium in [netdev::Medium::Ethernet, netdev::Medium::Ip] {
            prop_assert_ne!(filter.matches(medium, &frame), not.matches(medium, &frame));
        }
    }
}
