//! Errors that this host sends about datagrams of others: RFC 792, RFC 1122 §3.2.2, RFC 1812
//! §4.3.2 and §4.3.3.

use std::net::{IpAddr, Ipv4Addr};

use ip::{Cause, Protocol};
use netdev::cases;

use super::Make;
use super::bench::{Bench, Sent, datagram, datagram_with, udp};
use ip::conformance::below::{FAR, ME, ME_TOO, PEER, PEER_TOO};

cases! { ($) error_out_cases: Make, Bench;
    Should 3 "RFC 1122 §3.2.2.1" a_closed_port_is_told
        "A host SHOULD generate Destination Unreachable messages with code: … 3 (Port \
         Unreachable), when the designated transport protocol (e.g., UDP) is unable to demultiplex \
         the datagram";
    Should 2 "RFC 1122 §3.2.2.1" an_unknown_protocol_is_told
        "A host SHOULD generate Destination Unreachable messages with code: 2 (Protocol \
         Unreachable), when the designated transport protocol is not supported";
    Must 3 "RFC 1122 §3.2.2" the_quote_is_header_and_eight_bytes_at_least_as_they_came
        "Every ICMP error message includes the Internet header and at least the first 8 data \
         octets of the datagram that triggered the error; … this header and data MUST be unchanged \
         from the received datagram.";
    Must 2 "RFC 1122 §3.2.2" options_are_quoted_with_the_header
        "Every ICMP error message includes the Internet header and at least the first 8 data \
         octets";
    Must 1 "RFC 1122 §3.2.2" a_short_datagram_is_quoted_whole
        "Every ICMP error message includes the Internet header and at least the first 8 data \
         octets";
    Should 2 "RFC 1812 §4.3.2.3" as_much_is_quoted_as_goes_into_576_bytes
        "the ICMP datagram SHOULD contain as much of the original datagram as possible without the \
         length of the ICMP datagram exceeding 576 bytes.";
    Must 2 "RFC 792" each_cause_has_its_type_and_code
        "0 = net unreachable; 1 = host unreachable; 2 = protocol unreachable; 3 = port unreachable \
         …";
    Must 2 "RFC 1191 §4" fragmentation_needed_tells_the_mtu
        "The MTU of the next hop is in the low-order 16 bits of the word that was unused.";
    Must 2 "RFC 792, Parameter Problem" a_parameter_problem_points_to_the_octet
        "The pointer identifies the octet of the original datagram's header where the error was \
         detected";
    Must 2 "RFC 792, Redirect" a_redirect_tells_the_gateway
        "Address of the gateway to which traffic for the network specified in the internet \
         destination network field of the original datagram's data should be sent.";
    Must 2 "RFC 1122 §3.2.1.3" it_comes_from_the_address_that_was_sent_to
        "Who is told by another address than the one he sent to cannot tell by whom.";
    Must 3 "RFC 1812 §4.3.2.4" else_it_comes_from_an_address_of_the_outgoing_interface
        "the IP source address in an ICMP message originated by the router MUST be one of the IP \
         addresses associated with the physical interface over which the ICMP message is \
         transmitted.";
    Must 2 "RFC 1812 §4.3.2.2" it_has_a_ttl_of_its_own
        "When originating an ICMP message, the router MUST initialize the TTL. The TTL for ICMP \
         responses must not be taken from the packet that triggered the response.";
    Should 1 "RFC 1122 §3.2.2" its_tos_bits_are_zero
        "An ICMP error message SHOULD be sent with normal (i.e., zero) TOS bits.";
    Should 1 "RFC 1812 §4.3.2.5" its_precedence_is_that_of_control
        "All other ICMP error messages … SHOULD have their precedence value set to 6 (INTERNETWORK \
         CONTROL) or 7 (NETWORK CONTROL).";
    Must 1 "RFC 6633 §3" source_quench_is_not_sent
        "Hosts and routers are no longer to send source quench.";
    Ours 1 "RFC 1122 §3.2.2" about_a_first_fragment_it_is_sent
        "Only for a non-initial fragment it is forbidden.";
    Ours 1 "RFC 1122 §3.2.2" about_a_datagram_with_df_it_is_sent
        "Whether a datagram may be fragmented says nothing about its port.";
    Ours 1 "RFC 1122 §3.2.2" about_a_query_it_is_sent
        "Of ICMP messages only the errors are not to be answered with one.";
    Ours 1 "RFC 1122 §3.2.2.5" a_header_that_makes_no_sense_is_quoted_as_it_is
        "It is just the broken datagram that a parameter problem is about.";
}

fn sent(bench: &mut Bench, cause: Cause, about: &[u8]) -> Sent {
    let result = bench.report(cause, about);
    bench.record.expect_eq("of the report", result, Ok(()));
    bench.expect_sent()
}

fn a_closed_port_is_told(bench: &mut Bench) {
    for src in [PEER, FAR] {
        let result = bench.report(Cause::PortUnreachable, &udp(src, ME, b"anybody?"));
        bench.record.expect_eq("of the report", result, Ok(()));
        let sent = bench.expect_error(3, 3, [0; 4]);
        bench.record.expect_eq("who is told", sent.header.dst, IpAddr::V4(src));
    }
}

fn an_unknown_protocol_is_told(bench: &mut Bench) {
    let about = datagram(PEER, ME, Protocol(253), b"anybody?");
    let result = bench.report(Cause::ProtocolUnreachable, &about);
    bench.record.expect_eq("of the report", result, Ok(()));
    bench.expect_error(3, 2, [0; 4]);
}

/// Byte for byte: identification, TTL and checksum too.
fn the_quote_is_header_and_eight_bytes_at_least_as_they_came(bench: &mut Bench) {
    let mut about = udp(PEER, ME, b"more than eight bytes of data");
    about[1] = 0x1c;
    let sent = sent(bench, Cause::PortUnreachable, &about);
    let quote = &sent.bytes[8..];
    bench.record.expect("28 bytes of quote at least", quote.len() >= 28);
    let seen = quote[..28].to_vec();
    bench.record.expect_eq("the quote's beginning", seen, about[..28].to_vec());
    bench.record.expect("the rest as it came", about.starts_with(quote));
}

fn options_are_quoted_with_the_header(bench: &mut Bench) {
    let options = [7, 39, 4].iter().copied().chain([0; 37]).collect::<Vec<u8>>();
    let payload = [0x30, 0x39, 0x1e, 0x61, 0, 12, 0, 0, 1, 2, 3, 4];
    let about = datagram_with((PEER, ME), Protocol::UDP, &options, &payload);
    let sent = sent(bench, Cause::PortUnreachable, &about);
    let quote = &sent.bytes[8..];
    bench.record.expect("68 bytes of quote at least", quote.len() >= 68);
    bench.record.expect_eq("the quote's beginning", quote[..68].to_vec(), about[..68].to_vec());
}

fn a_short_datagram_is_quoted_whole(bench: &mut Bench) {
    for len in [0, 1, 7] {
        let about = datagram(PEER, ME, Protocol(253), &[7; 8][..len]);
        let sent = sent(bench, Cause::ProtocolUnreachable, &about);
        bench.record.expect_eq("the quote", sent.bytes[8..].to_vec(), about);
    }
}

fn as_much_is_quoted_as_goes_into_576_bytes(bench: &mut Bench) {
    for len in [100, 519, 520, 521, 1472, 60_000] {
        let about = udp(PEER, ME, &vec![7; len]);
        let sent = sent(bench, Cause::PortUnreachable, &about);
        let most = about.len().min(576 - 20 - 8);
        bench.record.expect_eq("bytes of quote", sent.bytes.len() - 8, most);
        bench.record.expect("the quote as it came", about.starts_with(&sent.bytes[8..]));
    }
}

fn each_cause_has_its_type_and_code(bench: &mut Bench) {
    let about = udp(PEER, FAR, b"data");
    for (cause, kind, code) in [
        (Cause::NetworkUnreachable, 3, 0),
        (Cause::HostUnreachable, 3, 1),
        (Cause::ProtocolUnreachable, 3, 2),
        (Cause::PortUnreachable, 3, 3),
        (Cause::SourceRouteFailed, 3, 5),
        (Cause::Prohibited, 3, 13),
        (Cause::Unreachable { code: 8 }, 3, 8),
        (Cause::Unreachable { code: 12 }, 3, 12),
        (Cause::TtlExceeded, 11, 0),
        (Cause::ReassemblyTimeout, 11, 1),
    ] {
        let result = bench.report(cause, &about);
        bench.record.expect_eq("of the report", result, Ok(()));
        bench.expect_error(kind, code, [0; 4]);
    }
}

fn fragmentation_needed_tells_the_mtu(bench: &mut Bench) {
    let about = udp(PEER, FAR, b"data");
    for mtu in [68, 1400, 65_535] {
        let result = bench.report(Cause::FragmentationNeeded { mtu }, &about);
        bench.record.expect_eq("of the report", result, Ok(()));
        let [high, low] = mtu.to_be_bytes();
        bench.expect_error(3, 4, [0, 0, high, low]);
    }
}

fn a_parameter_problem_points_to_the_octet(bench: &mut Bench) {
    let about = udp(PEER, ME, b"data");
    for pointer in [0, 1, 9, 20, 59] {
        let result = bench.report(Cause::ParameterProblem { pointer }, &about);
        bench.record.expect_eq("of the report", result, Ok(()));
        bench.expect_error(12, 0, [pointer, 0, 0, 0]);
    }
}

fn a_redirect_tells_the_gateway(bench: &mut Bench) {
    let about = udp(PEER, FAR, b"data");
    let gateway = IpAddr::from([10, 0, 0, 9]);
    for (host, code) in [(true, 1), (false, 0)] {
        let result = bench.report(Cause::Redirect { gateway, host }, &about);
        bench.record.expect_eq("of the report", result, Ok(()));
        bench.expect_error(5, code, [10, 0, 0, 9]);
    }
}

fn it_comes_from_the_address_that_was_sent_to(bench: &mut Bench) {
    for ours in [ME, ME_TOO] {
        let sent = sent(bench, Cause::PortUnreachable, &udp(PEER, ours, b"data"));
        bench.record.expect_eq("the error's source", sent.header.src, IpAddr::V4(ours));
    }
}

fn else_it_comes_from_an_address_of_the_outgoing_interface(bench: &mut Bench) {
    for (src, ours) in [(PEER, ME), (PEER_TOO, ME_TOO)] {
        let dst = Ipv4Addr::new(198, 51, 100, 7);
        let sent = sent(bench, Cause::TtlExceeded, &udp(src, dst, b"data"));
        bench.record.expect_eq("the error's source", sent.header.src, IpAddr::V4(ours));
        bench.record.expect_eq("who is told", sent.header.dst, IpAddr::V4(src));
    }
}

fn it_has_a_ttl_of_its_own(bench: &mut Bench) {
    for ttl in [0, 1, 3, 255] {
        let mut about = udp(PEER, ME, b"data");
        about[8] = ttl;
        let sent = sent(bench, Cause::PortUnreachable, &about);
        let fresh = (32..=128).contains(&sent.header.ttl.0);
        bench.record.expect(&format!("a fresh ttl, not {}", sent.header.ttl.0), fresh);
    }
}

fn its_tos_bits_are_zero(bench: &mut Bench) {
    let mut about = udp(PEER, ME, b"data");
    about[1] = 0x1f;
    let sent = sent(bench, Cause::PortUnreachable, &about);
    bench.record.expect_eq("TOS and ECN bits", sent.header.tos.0 & 0x1f, 0);
}

fn its_precedence_is_that_of_control(bench: &mut Bench) {
    let sent = sent(bench, Cause::PortUnreachable, &udp(PEER, ME, b"data"));
    let precedence = sent.header.tos.0 >> 5;
    bench.record.expect(&format!("precedence 6 or 7, not {precedence}"), precedence >= 6);
}

fn source_quench_is_not_sent(bench: &mut Bench) {
    let about = udp(PEER, ME, b"data");
    let result = bench.report(Cause::SourceQuench, &about);
    bench.record.expect("source quench to be refused", result.is_err());
    bench.expect_silence();
    let _ = sent(bench, Cause::PortUnreachable, &about);
}

fn about_a_first_fragment_it_is_sent(bench: &mut Bench) {
    let mut about = udp(PEER, ME, b"data");
    about[6] = 0x20;
    let _ = sent(bench, Cause::ReassemblyTimeout, &about);
}

fn about_a_datagram_with_df_it_is_sent(bench: &mut Bench) {
    let mut about = udp(PEER, ME, b"data");
    about[6] = 0x40;
    let _ = sent(bench, Cause::PortUnreachable, &about);
}

fn about_a_query_it_is_sent(bench: &mut Bench) {
    for kind in [0, 8, 13, 14] {
        let about = datagram(PEER, FAR, Protocol::ICMP, &[kind, 0, 0, 0, 0, 1, 0, 1]);
        let _ = sent(bench, Cause::TtlExceeded, &about);
    }
}

fn a_header_that_makes_no_sense_is_quoted_as_it_is(bench: &mut Bench) {
    let mut about = udp(PEER, ME, b"data");
    (about[2], about[3]) = (0xff, 0xff);
    (about[10], about[11]) = (0, 0);
    let sent = sent(bench, Cause::ParameterProblem { pointer: 2 }, &about);
    bench.record.expect_eq("the quote", sent.bytes[8..].to_vec(), about);
}
