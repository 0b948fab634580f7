//! Errors that others send about datagrams of this host: RFC 792, RFC 1122 §3.2.2.1 to §3.2.2.5.

use std::net::{IpAddr, Ipv4Addr};

use ip::{Cause, Protocol, Quoted};
use netdev::cases;

use super::Make;
use super::bench::{Bench, datagram, datagram_with, message, udp};
use crate::Input;
use ip::conformance::below::{FAR, ME, ME_TOO, PEER};

cases! { ($) error_in_cases: Make, Bench;
    Must 3 "RFC 1122 §3.2.2.1" a_port_unreachable_is_reported_to_the_transport
        "A Destination Unreachable message that is received MUST be reported to the transport \
         layer.";
    Must 3 "RFC 1122 §3.2.2.1" every_code_of_unreachable_is_reported
        "A Destination Unreachable message that is received MUST be reported to the transport \
         layer.";
    Must 2 "RFC 1191 §4" fragmentation_needed_has_the_mtu_of_the_next_hop
        "The MTU of the next hop is in the low-order 16 bits of the word that was unused.";
    Must 2 "RFC 1122 §3.2.2.4" time_exceeded_is_passed_to_the_transport
        "An incoming Time Exceeded message MUST be passed to the transport layer.";
    Must 2 "RFC 1122 §3.2.2.5" a_parameter_problem_is_passed_to_the_transport
        "An incoming Parameter Problem message MUST be passed to the transport layer";
    Must 1 "RFC 1122 §3.2.2.5" a_missing_option_is_a_parameter_problem
        "A new variant on the Parameter Problem message is hereby defined: Code 1 = required \
         option is missing.";
    Must 2 "RFC 1122 §3.2.2.2" host_and_network_redirects_are_accepted
        "Every host MUST be prepared to accept both Host and Network Redirects";
    Must 1 "RFC 1122 §3.2.2.3" source_quench_is_reported
        "If a Source Quench message is received, the IP layer MUST report it to the transport \
         layer (or ICMP processing).";
    Must 2 "RFC 1122 §3.2.2" the_protocol_is_that_of_the_quote
        "the IP protocol number MUST be extracted from the original header and used to select the \
         appropriate transport protocol entity to handle the error.";
    Must 2 "RFC 792" eight_bytes_of_the_quote_are_enough
        "The internet header plus the first 64 bits of the original datagram's data. This data is \
         used by the host to match the message to the appropriate process.";
    Must 1 "RFC 1122 §3.2.2" options_of_the_quote_are_passed_over
        "Every ICMP error message includes the Internet header and at least the first 8 data \
         octets";
    Ours 1 "RFC 1812 §4.3.2.3" routers_may_have_changed_the_quoted_header
        "… except that the router is not required to undo any modifications to the IP header that \
         are normally performed in forwarding";
    Must 1 "RFC 792" an_error_with_a_bad_checksum_is_not_believed
        "The checksum is the 16-bit ones's complement of the one's complement sum of the ICMP \
         message starting with the ICMP Type.";
    Ours 2 "RFC 5927 §4" an_error_about_another_host_s_datagram_is_dropped
        "Nobody here sent what is quoted.";
    Ours 1 "RFC 792" an_unreadable_quote_is_dropped
        "Without the header of the datagram there is nobody to tell.";
    Ours 1 "RFC 1812 §5.2.7" an_unknown_code_is_dropped
        "A code that nobody has defined says nothing.";
    Must 1 "RFC 1122 §3.2.2" an_error_is_not_answered
        "An ICMP error message MUST NOT be sent as the result of receiving: an ICMP error message";
}

/// An error of a router about `quote`.
fn error(kind: u8, code: u8, word: [u8; 4], quote: &[u8]) -> Vec<u8> {
    message(&[&[kind, code, 0, 0], &word[..], quote].concat())
}

/// What goes up for an error about what this host sent to `FAR`.
fn told(bench: &mut Bench, kind: u8, code: u8, word: [u8; 4]) -> Cause {
    let quote = udp(ME, FAR, b"data");
    match bench.input(PEER, ME, &error(kind, code, word, &quote)) {
        Input::Error { from, cause, quoted } => {
            bench.record.expect_eq("who says so", from, IpAddr::V4(PEER));
            let seen = (quoted.src, quoted.dst);
            bench.record.expect_eq("about whose datagram", seen, (ME.into(), FAR.into()));
            bench.expect_silence();
            cause
        }
        other => bench.record.fail("an error for the transport", format_args!("{other:?}")),
    }
}

fn a_port_unreachable_is_reported_to_the_transport(bench: &mut Bench) {
    let quote = udp(ME, FAR, b"data");
    let input = bench.input(FAR, ME, &error(3, 3, [0; 4], &quote));
    let expected = Input::Error {
        from: FAR.into(),
        cause: Cause::PortUnreachable,
        quoted: Quoted {
            src: ME.into(),
            dst: FAR.into(),
            protocol: Protocol::UDP,
            total_len: 32,
            payload: quote[20..].to_vec(),
        },
    };
    bench.record.expect_eq("of the error", input, expected);
}

fn every_code_of_unreachable_is_reported(bench: &mut Bench) {
    for code in 0..=15 {
        let expected = match code {
            0 => Cause::NetworkUnreachable,
            1 => Cause::HostUnreachable,
            2 => Cause::ProtocolUnreachable,
            3 => Cause::PortUnreachable,
            4 => Cause::FragmentationNeeded { mtu: 0 },
            5 => Cause::SourceRouteFailed,
            9 | 10 | 13 => Cause::Prohibited,
            code => Cause::Unreachable { code },
        };
        let cause = told(bench, 3, code, [0; 4]);
        bench.record.expect_eq(&format!("what 3/{code} says"), cause, expected);
    }
}

fn fragmentation_needed_has_the_mtu_of_the_next_hop(bench: &mut Bench) {
    for mtu in [68, 576, 1400, 65_535] {
        let [high, low] = u16::to_be_bytes(mtu);
        let cause = told(bench, 3, 4, [0, 0, high, low]);
        bench.record.expect_eq("what 3/4 says", cause, Cause::FragmentationNeeded { mtu });
    }
}

fn time_exceeded_is_passed_to_the_transport(bench: &mut Bench) {
    let cause = told(bench, 11, 0, [0; 4]);
    bench.record.expect_eq("what 11/0 says", cause, Cause::TtlExceeded);
    let cause = told(bench, 11, 1, [0; 4]);
    bench.record.expect_eq("what 11/1 says", cause, Cause::ReassemblyTimeout);
}

fn a_parameter_problem_is_passed_to_the_transport(bench: &mut Bench) {
    for pointer in [0, 1, 9, 20, 59] {
        let cause = told(bench, 12, 0, [pointer, 0, 0, 0]);
        bench.record.expect_eq("what 12/0 says", cause, Cause::ParameterProblem { pointer });
    }
}

fn a_missing_option_is_a_parameter_problem(bench: &mut Bench) {
    let cause = told(bench, 12, 1, [130, 0, 0, 0]);
    bench.record.expect_eq("what 12/1 says", cause, Cause::ParameterProblem { pointer: 130 });
}

fn host_and_network_redirects_are_accepted(bench: &mut Bench) {
    let (word, gateway) = ([10, 0, 0, 9], IpAddr::from([10, 0, 0, 9]));
    for code in 0..4 {
        let cause = told(bench, 5, code, word);
        let expected = Cause::Redirect { gateway, host: code % 2 == 1 };
        bench.record.expect_eq(&format!("what 5/{code} says"), cause, expected);
    }
}

fn source_quench_is_reported(bench: &mut Bench) {
    let cause = told(bench, 4, 0, [0; 4]);
    bench.record.expect_eq("what 4/0 says", cause, Cause::SourceQuench);
}

fn the_protocol_is_that_of_the_quote(bench: &mut Bench) {
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::ICMP, Protocol(253)] {
        let quote = datagram(ME_TOO, FAR, protocol, &[8, 0, 1, 2, 3, 4, 5, 6]);
        match bench.input(FAR, ME, &error(3, 2, [0; 4], &quote)) {
            Input::Error { quoted, .. } => {
                bench.record.expect_eq("the protocol", quoted.protocol, protocol);
            }
            other => bench.record.fail("an error for the transport", format_args!("{other:?}")),
        }
    }
}

fn eight_bytes_of_the_quote_are_enough(bench: &mut Bench) {
    let whole = udp(ME, FAR, &[7; 1000]);
    match bench.input(PEER, ME, &error(11, 0, [0; 4], &whole[..28])) {
        Input::Error { quoted, .. } => {
            bench.record.expect_eq("the ports", quoted.ports(), Some((12_345, 7777)));
            bench.record.expect_eq("the datagram's length", quoted.total_len, 1028);
        }
        other => bench.record.fail("an error for the transport", format_args!("{other:?}")),
    }
}

fn options_of_the_quote_are_passed_over(bench: &mut Bench) {
    let ports = [0x30, 0x39, 0x1e, 0x61, 0, 8, 0, 0];
    let options = [7, 7, 4, 0, 0, 0, 0, 0];
    let quote = datagram_with((ME, FAR), Protocol::UDP, &options, &ports);
    match bench.input(PEER, ME, &error(3, 1, [0; 4], &quote)) {
        Input::Error { quoted, .. } => {
            bench.record.expect_eq("the ports", quoted.ports(), Some((12_345, 7777)));
        }
        other => bench.record.fail("an error for the transport", format_args!("{other:?}")),
    }
}

/// The TTL has run down, the checksum with it; a router may even have byte-swapped the length.
fn routers_may_have_changed_the_quoted_header(bench: &mut Bench) {
    let mut quote = udp(ME, FAR, b"data");
    quote[8] = 0;
    (quote[10], quote[11]) = (0xde, 0xad);
    match bench.input(PEER, ME, &error(11, 0, [0; 4], &quote)) {
        Input::Error { quoted, .. } => {
            bench.record.expect_eq("the ports", quoted.ports(), Some((12_345, 7777)));
        }
        other => bench.record.fail("an error for the transport", format_args!("{other:?}")),
    }
}

fn an_error_with_a_bad_checksum_is_not_believed(bench: &mut Bench) {
    let mut bad = error(3, 3, [0; 4], &udp(ME, FAR, b"data"));
    bad[2] ^= 0x10;
    let input = bench.input(FAR, ME, &bad);
    bench.expect_dropped(input);
    let _ = told(bench, 3, 3, [0; 4]);
}

fn an_error_about_another_host_s_datagram_is_dropped(bench: &mut Bench) {
    for src in [PEER, FAR, Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED] {
        let input = bench.input(PEER, ME, &error(3, 3, [0; 4], &udp(src, FAR, b"data")));
        bench.expect_dropped(input);
    }
    let _ = told(bench, 3, 3, [0; 4]);
}

fn an_unreadable_quote_is_dropped(bench: &mut Bench) {
    let whole = udp(ME, FAR, b"data");
    let mut six = whole.clone();
    six[0] = 0x65;
    let mut short = whole.clone();
    short[0] = 0x44;
    for quote in [&whole[..0], &whole[..19], &six, &short] {
        let input = bench.input(PEER, ME, &error(3, 3, [0; 4], quote));
        bench.expect_dropped(input);
    }
    let _ = told(bench, 3, 3, [0; 4]);
}

fn an_unknown_code_is_dropped(bench: &mut Bench) {
    let quote = udp(ME, FAR, b"data");
    for (kind, code) in [(3, 16), (3, 255), (5, 4), (11, 2), (12, 77)] {
        let input = bench.input(PEER, ME, &error(kind, code, [0; 4], &quote));
        bench.expect_dropped(input);
    }
    let _ = told(bench, 3, 3, [0; 4]);
}

fn an_error_is_not_answered(bench: &mut Bench) {
    let quote = udp(ME, FAR, b"data");
    for (kind, code) in [(3, 0), (3, 3), (3, 200), (4, 0), (5, 1), (11, 0), (12, 0)] {
        for quote in [&quote[..], &quote[..3]] {
            let _ = bench.input(PEER, ME, &error(kind, code, [10, 0, 0, 9], quote));
            bench.expect_silence();
        }
    }
    let _ = told(bench, 3, 3, [0; 4]);
}
