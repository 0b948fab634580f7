use etherparse::{PacketBuilder, TcpOptionElement};
use proptest::prelude::*;

use super::*;

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn ip() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ipv4(A, B, 64)
}

fn built<F: FnOnce(&mut Vec<u8>)>(build: F) -> Vec<u8> {
    let mut bytes = Vec::new();
    build(&mut bytes);
    bytes
}

fn udp_datagram(len: usize) -> Vec<u8> {
    built(|bytes| ip().udp(5, 6).write(bytes, &vec![0; len]).unwrap())
}

fn arp_frame(op: u8, spa: [u8; 4], tha: [u8; 6], tpa: [u8; 4]) -> Vec<u8> {
    let mut frame = [[0xff; 6], [2, 0, 0, 0, 0, 1]].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, op]);
    frame.extend([2, 0, 0, 0, 0, 1]);
    frame.extend(spa);
    frame.extend(tha);
    frame.extend(tpa);
    frame
}

/// An ICMP error of A about what B sent.
fn icmp_error(kind: u8, code: u8, rest: [u8; 4], quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(quoted);
    let header =
        etherparse::Ipv4Header::new(message.len() as u16, 64, IpNumber::ICMP, A, B).unwrap();
    built(|bytes| {
        header.write(bytes).unwrap();
        bytes.extend(&message);
    })
}

#[test]
fn arp_in_all_its_uses() {
    let cases = [
        (1, A, [0; 6], B, "ARP, request who-has 10.0.0.2 tell 10.0.0.1"),
        (1, A, [4; 6], B, "ARP, request who-has 10.0.0.2 (04:04:04:04:04:04) tell 10.0.0.1"),
        (1, [0; 4], [0; 6], B, "ARP, probe who-has 10.0.0.2, from 02:00:00:00:00:01"),
        (1, A, [0; 6], A, "ARP, announcement 10.0.0.1 is-at 02:00:00:00:00:01"),
        (2, A, [4; 6], B, "ARP, reply 10.0.0.1 is-at 02:00:00:00:00:01"),
        (9, A, [4; 6], B, "ARP, operation 9, 10.0.0.1 (02:00:00:00:00:01) to 10.0.0.2"),
    ];
    for (op, spa, tha, tpa, text) in cases {
        assert_eq!(describe(Medium::Ethernet, &arp_frame(op, spa, tha, tpa)), text);
    }
    let cut = &arp_frame(1, A, [0; 6], B)[..30];
    assert_eq!(describe(Medium::Ethernet, cut), "ARP, cut short: 16 bytes");
}

#[test]
fn udp_and_fragments() {
    let whole = udp_datagram(32);
    assert_eq!(describe(Medium::Ip, &whole), "IP 10.0.0.1.5 > 10.0.0.2.6: UDP, length 32");
    let mut fragment = whole.clone();
    fragment[4..6].copy_from_slice(&[0, 9]);
    fragment[6] = 0x20;
    fix(&mut fragment);
    assert_eq!(
        describe(Medium::Ip, &fragment),
        "IP 10.0.0.1.5 > 10.0.0.2.6: UDP, length 32, first fragment of id 9, more follow"
    );
    fragment[6..8].copy_from_slice(&[0x00, 0xb9]);
    fix(&mut fragment);
    assert_eq!(
        describe(Medium::Ip, &fragment),
        "IP 10.0.0.1 > 10.0.0.2: UDP, fragment at 1480 of id 9, length 40"
    );
    fragment[9] = 89;
    assert_eq!(
        describe(Medium::Ip, &fragment[..50]),
        "IP 10.0.0.1 > 10.0.0.2: protocol 89, fragment at 1480 of id 9, length 40, \
         bad header checksum, 10 bytes missing"
    );
}

fn fix(datagram: &mut [u8]) {
    datagram[10..12].fill(0);
    let check = Sum::default().bytes(&datagram[..20]).finish();
    datagram[10..12].copy_from_slice(&check.to_be_bytes());
}

#[test]
fn tcp_with_flags_numbers_and_options() {
    let syn = built(|bytes| {
        let options = [
            TcpOptionElement::MaximumSegmentSize(1460),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
            TcpOptionElement::Timestamp(7, 0),
            TcpOptionElement::Noop,
            TcpOptionElement::WindowScale(7),
        ];
        ip().tcp(1024, 80, 100, 4096).syn().options(&options).unwrap().write(bytes, &[]).unwrap();
    });
    assert_eq!(
        describe(Medium::Ip, &syn),
        "IP 10.0.0.1.1024 > 10.0.0.2.80: TCP [S], seq 100, win 4096, \
         options [mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7], length 0"
    );
    let data = built(|bytes| {
        let step = ip().tcp(1024, 80, u32::MAX, 4096).ack(5).psh().fin();
        step.write(bytes, b"hello").unwrap();
    });
    assert_eq!(
        describe(Medium::Ip, &data),
        "IP 10.0.0.1.1024 > 10.0.0.2.80: TCP [FP.], seq 4294967295:4, ack 5, win 4096, length 5"
    );
    let sack = built(|bytes| {
        // An unknown option hides nothing, and a broken one ends the list.
        let raw = [253, 4, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9, 2, 9];
        let step = ip().tcp(1024, 80, 1, 4096).ack(5).options_raw(&raw).unwrap();
        step.write(bytes, b"").unwrap();
    });
    assert_eq!(
        describe(Medium::Ip, &sack),
        "IP 10.0.0.1.1024 > 10.0.0.2.80: TCP [.], ack 5, win 4096, \
         options [unknown-253,sack 1:9,malformed 2], length 0"
    );
}

#[test]
fn icmp_errors_show_what_they_are_about() {
    let about = "about 10.0.0.1.5 > 10.0.0.2.6: UDP, length 32";
    let quoted = &udp_datagram(32)[..28];
    for (kind, code, rest, text) in [
        (3, 3, [0; 4], "port unreachable"),
        (3, 4, [0, 0, 5, 0xdc], "fragmentation needed, MTU 1500"),
        (5, 1, [10, 0, 0, 3], "redirect of host to 10.0.0.3"),
        (11, 0, [0; 4], "time exceeded in transit"),
        (12, 0, [20, 0, 0, 0], "parameter problem at byte 20"),
    ] {
        assert_eq!(
            describe(Medium::Ip, &icmp_error(kind, code, rest, quoted)),
            format!("IP 10.0.0.1 > 10.0.0.2: ICMP {text}, {about}, length 36")
        );
    }
    let tcp = built(|bytes| ip().tcp(1024, 80, 100, 4096).write(bytes, &[0; 50]).unwrap());
    let text = describe(Medium::Ip, &icmp_error(3, 1, [0; 4], &tcp[..28]));
    assert!(text.contains("about 10.0.0.1.1024 > 10.0.0.2.80: TCP, seq 100, cut short"), "{text}");
    let mut nested = icmp_error(3, 1, [0; 4], &tcp);
    for _ in 0..100 {
        nested = icmp_error(3, 1, [0; 4], &nested);
    }
    let text = describe(Medium::Ip, &nested);
    assert!(text.contains("about 10.0.0.1 > 10.0.0.2: ICMP type 3, length"), "{text}");
    let text = describe(Medium::Ip, &icmp_error(11, 1, [0; 4], b"?"));
    assert!(text.contains("reassembly time exceeded, about no datagram"), "{text}");
}

#[test]
fn what_is_neither_arp_nor_ip_is_named() {
    let frame = |ethertype: u16| {
        let mut frame = [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]].concat();
        frame.extend(ethertype.to_be_bytes());
        frame.extend([0; 46]);
        describe(Medium::Ethernet, &frame)
    };
    let addresses = "02:00:00:00:00:01 > 02:00:00:00:00:02";
    assert_eq!(frame(0x8035), format!("{addresses}: RARP, length 46"));
    assert_eq!(frame(0x88cc), format!("{addresses}: type 0x88cc, length 46"));
    assert_eq!(frame(46), format!("{addresses}: 802.3, length 46"));
    assert_eq!(describe(Medium::Ethernet, &[1; 9]), "Ethernet, cut short: 9 bytes");
    assert_eq!(describe(Medium::Ip, &[0x60; 40]), "IPv6, length 40");
    assert_eq!(describe(Medium::Ip, &[0x41; 40]), "IP, malformed header, length 40");
}

proptest! {
    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        protocol in prop::sample::select(vec![1u8, 6, 17]),
        kind in prop::sample::select(vec![0u8, 3, 5, 8, 11, 12]),
        arp: bool, whole: bool,
    ) {
        let line = describe(Medium::Ip, &bytes);
        prop_assert!(!line.contains('\n'));
        let mut bytes = bytes;
        // Plausible beginnings lead deeper.
        if bytes.len() > 24 {
            bytes[0] = 0x45;
            bytes[9] = protocol;
            if whole { bytes[6..8].fill(0) }
            bytes[20] = if protocol == 1 { kind } else { bytes[20] };
        }
        if bytes.len() > 52 {
            bytes[28] = 0x45;
            if protocol == 6 { bytes[32] |= 0xa0 }
        }
        describe(Medium::Ip, &bytes);
        let ethertype = if arp { [8, 6] } else { [8, 0] };
        let frame = [&[2; 12][..], &ethertype, &bytes].concat();
        prop_assert!(!describe(Medium::Ethernet, &frame).is_empty());
        describe(Medium::Ethernet, &bytes);
    }
}
