//! Segments that should not be: RFC 9293 §3.1, §3.9.2.3, RFC 1122 §4.2.3.10.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Datagram, Header, IfIndex, Protocol};
use netdev::checksum::Sum;
use netdev::{Cast, Packet, cases};

use super::{Make, SECOND};
use crate::State;
use crate::testing::{PEER, Script, Seg, seg};

cases! { ($) malformed_cases: Make, Script;
    Must 2 "RFC 9293 §3.1 (MUST-3)" a_wrong_checksum_drops_the_segment
        "The TCP checksum is never optional. The sender MUST generate it and the receiver MUST \
         check it.";
    Must 2 "RFC 9293 §3.1 (MUST-3)" the_checksum_covers_the_addresses
        "The checksum also covers a pseudo-header … conceptually prefixed to the TCP header.";
    Must 2 "RFC 9293 §3.1" a_data_offset_under_five_drops_the_segment
        "Data Offset: The number of 32-bit words in the TCP header. This indicates where the data \
         begins.";
    Must 2 "RFC 9293 §3.1" a_data_offset_beyond_the_segment_drops_it
        "Data Offset: The number of 32-bit words in the TCP header. This indicates where the data \
         begins.";
    Must 2 "RFC 9293 §3.1" a_segment_shorter_than_a_header_is_dropped
        "Data Offset: The number of 32-bit words in the TCP header …: five at least.";
    Must 3 "RFC 9293 §3.1 (MUST-7)" an_illegal_option_length_does_no_harm
        "TCP implementations MUST be prepared to handle an illegal option length (e.g., zero).";
    Must 2 "RFC 9293 §3.1 (MUST-7)" an_illegal_option_length_on_a_syn_does_no_harm
        "TCP implementations MUST be prepared to handle an illegal option length (e.g., zero).";
    Must 2 "RFC 9293 §3.1 (MUST-5, MUST-6)" an_unknown_option_is_passed_over_on_any_segment
        "A TCP implementation MUST be able to receive a TCP Option in any segment [and] ignore \
         without error any TCP Option it does not implement.";
    Must 1 "RFC 9293 §3.1" reserved_bits_are_ignored
        "Reserved for future use. Must be zero in generated segments and must be ignored in \
         received segments if the corresponding future features are not implemented.";
    Must 2 "RFC 9293 §3.10.7.4" all_flags_at_once_are_a_reset_first
        "Second, check the RST bit … Fourth, check the SYN bit … Fifth, check the ACK field.";
    Must 2 "RFC 9293 §3.10.7.2" a_syn_with_rst_opens_nothing
        "First, check for a RST: … An incoming RST should be ignored. Return.";
    Must 3 "RFC 9293 §3.9.2.3 (MUST-57)" a_syn_to_a_group_is_dropped_silently
        "A TCP implementation MUST silently discard an incoming SYN segment that is addressed to \
         a broadcast or multicast address.";
    Must 2 "RFC 9293 §3.9.2.3 (MUST-63)" a_syn_from_a_group_is_dropped_silently
        "An incoming SYN with an invalid source address MUST be ignored either by TCP or by the \
         IP layer.";
    Ours 2 "RFC 6335 §6" port_zero_is_nobodys
        "Port 0 is reserved: what comes from it could not be answered.";
    Ours 3 "RFC 9293 §3.5" a_syn_that_claims_to_come_from_its_own_target_starts_no_storm
        "A forged SYN from the listener's own address and port (\"land\") costs a few segments \
         and leaves the listener as it was.";
    Must 3 "RFC 9293 §3.1" any_bytes_at_all_are_survived
        "No segment, however malformed, may end the program, or a connection that it is not for.";
}

/// The connection is as good as it was.
fn expect_untouched(script: &mut Script) {
    script.expect_nothing();
    script.expect_state(State::Established);
    script.inject(seg("PA").seq(1).ack(1).data(b"whole"));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"whole");
}

/// A segment of the peer's as it stands on the wire.
fn wire(script: &Script, segment: Seg) -> Vec<u8> {
    let seq = script.peer_isn.wrapping_add(segment.seq.unwrap_or(0));
    let ack = script.isn().wrapping_add(segment.ack.unwrap_or(0));
    segment.from(script.peer).to(script.local()).seq(seq).ack(ack).emit()
}

fn sum_up(script: &Script, bytes: &mut [u8]) {
    bytes[16..18].fill(0);
    let pseudo = Sum::pseudo_header(PEER, script.host.addr(), 6, bytes.len());
    let sum = pseudo.bytes(bytes).finish();
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
}

fn a_wrong_checksum_drops_the_segment(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"broken").bad_checksum());
    script.inject(seg("R").seq(1).bad_checksum());
    expect_untouched(script);
}

fn the_checksum_covers_the_addresses(script: &mut Script) {
    script.accept_one(80);
    let data = seg("PA").seq(1).ack(1).data(b"broken");
    let mut bytes = wire(script, data);
    // Right without the pseudo header.
    bytes[16..18].fill(0);
    let sum = Sum::default().bytes(&bytes).finish();
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    script.inject_bytes(&bytes);
    expect_untouched(script);
}

fn a_data_offset_under_five_drops_the_segment(script: &mut Script) {
    script.accept_one(80);
    for words in 0..5 {
        script.inject(seg("PA").seq(1).ack(1).len(40).data_offset(words));
    }
    expect_untouched(script);
}

fn a_data_offset_beyond_the_segment_drops_it(script: &mut Script) {
    script.accept_one(80);
    for words in 6..16 {
        script.inject(seg("PA").seq(1).ack(1).data(b"x").data_offset(words));
    }
    expect_untouched(script);
}

fn a_segment_shorter_than_a_header_is_dropped(script: &mut Script) {
    script.accept_one(80);
    let whole = wire(script, seg("R").seq(1));
    for len in 0..20 {
        let mut bytes = whole[..len].to_vec();
        if len >= 18 {
            sum_up(script, &mut bytes);
        }
        script.inject_bytes(&bytes);
    }
    expect_untouched(script);
}

/// Options whose length is zero, or one, or beyond the header.
const ILLEGAL: [&[u8]; 5] =
    [&[2, 0, 1, 1], &[253, 1, 0, 0], &[1, 1, 1, 2], &[253, 9, 0, 0], &[2, 4, 5, 180, 8, 255, 0, 0]];

fn an_illegal_option_length_does_no_harm(script: &mut Script) {
    for options in ILLEGAL {
        script.peer.set_port(script.peer.port() + 1);
        script.port += 1;
        let port = script.port;
        script.accept_one(port);
        script.inject(seg("A").seq(1).ack(1).options(options));
        // A reset is what the RFC suggests; to drop the segment is as well.
        script.drain();
        let state = script.info().map(|info| info.state);
        let kept = matches!(state, Some(State::Established | State::Closed) | None);
        script.expect_that(&format!("{state:?} after {options:?}"), kept);
    }
}

fn an_illegal_option_length_on_a_syn_does_no_harm(script: &mut Script) {
    script.listen(8);
    for options in ILLEGAL {
        script.inject(seg("S").seq(0).options(options));
        script.drain();
        script.inject(seg("R").seq(1));
        script.expect_connections(&[]);
    }
    script.handshake();
}

fn an_unknown_option_is_passed_over_on_any_segment(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("PA").seq(1).ack(1).data(b"x").options(&[253, 6, 0xab, 0xcd, 1, 2]));
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"x");
    script.inject(seg("FA").seq(2).ack(1).options(&[254, 4, 0xab, 0xcd]));
    script.expect_state(State::CloseWait);
}

fn reserved_bits_are_ignored(script: &mut Script) {
    script.accept_one(80);
    let data = seg("PA").seq(1).ack(1).data(b"hello");
    let mut bytes = wire(script, data);
    bytes[12] |= 0x0e;
    sum_up(script, &mut bytes);
    script.inject_bytes(&bytes);
    let received = script.receive();
    script.expect_eq("the bytes", &received[..], b"hello");
}

fn all_flags_at_once_are_a_reset_first(script: &mut Script) {
    script.accept_one(80);
    // In the window, and not its next number: the challenge of a reset, and no more.
    script.inject(seg("FSRPAU").seq(100).ack(1).urgent(1).data(b"x"));
    script.expect(seg("A").seq(1).ack(1));
    expect_untouched(script);
    script.inject(seg("FSRPAU").seq(6).ack(1).urgent(1).data(b"x"));
    script.expect_state(State::Closed);
}

fn a_syn_with_rst_opens_nothing(script: &mut Script) {
    script.listen(8);
    script.inject(seg("SR").seq(0).mss(1460));
    script.expect_nothing();
    script.expect_connections(&[]);
    script.handshake();
}

/// A SYN under these addresses, as IP would deliver it, is not answered: neither by a listener at
/// port 80 nor by a reset from port 81.
fn expect_silence(script: &mut Script, src: IpAddr, dst: IpAddr, cast: Cast) {
    for port in [80, 81] {
        let (from, to) = (SocketAddr::new(src, 5000), SocketAddr::new(dst, port));
        let payload = Packet::from_payload(&seg("S").from(from).to(to).mss(1460).emit());
        let header = Header::new(src, dst, Protocol::TCP);
        let datagram = Datagram { header, iface: IfIndex(1), cast, header_len: 0, payload };
        let what = format!("a SYN from {from} to {to}, {cast:?}");
        script.act(&what, |host| host.call(|tcp, now, out| tcp.input(now, datagram, out)));
        script.host.poll();
        script.expect_nothing();
    }
    let sockets = script.host.tcp.sockets(script.now()).len();
    script.expect_eq("sockets: the listener", sockets, 1);
}

fn a_syn_to_a_group_is_dropped_silently(script: &mut Script) {
    script.listen(8);
    let own = script.host.addr();
    expect_silence(script, PEER, own, Cast::Broadcast);
    expect_silence(script, PEER, own, Cast::Multicast);
    expect_silence(script, PEER, Ipv4Addr::BROADCAST.into(), Cast::Broadcast);
    expect_silence(script, PEER, [224, 0, 0, 1].into(), Cast::Multicast);
    script.handshake();
}

fn a_syn_from_a_group_is_dropped_silently(script: &mut Script) {
    script.listen(8);
    let own = script.host.addr();
    for src in [Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::UNSPECIFIED] {
        expect_silence(script, src.into(), own, Cast::Unicast);
    }
    script.handshake();
}

fn port_zero_is_nobodys(script: &mut Script) {
    script.listen(8);
    script.inject(seg("S").from(SocketAddr::new(PEER, 0)).seq(0));
    script.inject(seg("S").to(SocketAddr::new(script.host.addr(), 0)).seq(0));
    script.expect_nothing();
    script.handshake();
}

fn a_syn_that_claims_to_come_from_its_own_target_starts_no_storm(script: &mut Script) {
    script.listen(8);
    let own = script.local();
    script.inject(seg("S").from(own).seq(0).mss(1460));
    let mut answers = 0;
    // What it sends to itself comes back, as by the loopback interface.
    while !script.host.out.sent.is_empty() && answers < 1000 {
        for sent in std::mem::take(&mut script.host.out.sent) {
            answers += 1;
            let header = Header::new(own.ip(), own.ip(), Protocol::TCP);
            script.host.input(header, sent.packet);
        }
        script.host.poll();
    }
    script.expect_that(&format!("{answers} segments"), answers < 20);
    script.wait(10 * SECOND);
    script.host.out.sent.clear();
    script.handshake();
}

fn any_bytes_at_all_are_survived(script: &mut Script) {
    script.accept_one(80);
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..2000 {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(60).collect();
        bytes.truncate(rng.usize(..61));
        if bytes.len() >= 20 {
            // Another port of the peer's, so that the segment is for no connection.
            bytes[..4].copy_from_slice(&[0x20, rng.u8(..), 0, 80 + rng.u8(..2)]);
            sum_up(script, &mut bytes);
        }
        script.inject_bytes(&bytes);
        script.drain();
    }
    expect_untouched(script);
}
