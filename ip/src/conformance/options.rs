//! Options, received and sent (RFC 791 §3.1, RFC 1122 §3.2.1.8).

use netdev::cases;

use super::host::header;
use super::{Host, Make, Wire};
use crate::{Cause, Header, Options};

cases! { ($) options_cases: Make, Host;
    Must 1 "RFC 1122 §3.2.1.8" options_go_up_with_the_datagram
        "All IP options (except NOP or END-OF-LIST) received in datagrams MUST be passed to the \
         transport layer …";
    Must 2 "RFC 1122 §3.2.1.8" an_unknown_option_is_ignored
        "The IP and transport layer MUST each interpret those IP options that they understand and \
         silently ignore the others.";
    Must 1 "RFC 791 §3.1" options_fill_forty_bytes
        "The maximal internet header is 60 octets …";
    Must 2 "RFC 791 §3.1" nothing_is_read_behind_the_end_of_the_list
        "This option indicates the end of the option list. This might not coincide with the end of \
         the internet header according to the internet header length.";
    Must 1 "RFC 791 §3.1" no_operation_stands_between_options
        "This option may be used between options, for example, to align the beginning of a \
         subsequent option on a 32 bit boundary.";
    Must 1 "RFC 1122 §3.2.1.8" a_stream_identifier_is_ignored
        "This option is obsolete; it SHOULD NOT be sent, and it MUST be silently ignored if \
         received.";
    Ours 1 "RFC 2113" a_router_alert_reaches_its_host
        "To the host that it is for, a datagram with a Router Alert is one as any other.";
    Must 1 "RFC 1122 §3.2.1.8" a_recorded_route_goes_up
        "All IP options (except NOP or END-OF-LIST) received in datagrams MUST be passed to the \
         transport layer …";
    Must 1 "RFC 1122 §3.2.1.8" recorded_times_go_up
        "All IP options (except NOP or END-OF-LIST) received in datagrams MUST be passed to the \
         transport layer …";
    Must 3 "RFC 1122 §3.2.1.8" a_source_route_can_end_here
        "A host MUST support originating a source route and MUST be able to act as the final \
         destination of a source route.";
    Should 3 "RFC 1122 §3.3.5" a_loose_source_route_that_goes_on_is_refused
        "If a host receives a datagram with an incomplete source route but does not forward it for \
         some reason, the host SHOULD return an ICMP Destination Unreachable (code 5, Source Route \
         Failed) message …";
    Should 2 "RFC 1122 §3.3.5" a_strict_source_route_that_goes_on_is_refused
        "… the host SHOULD return an ICMP Destination Unreachable (code 5, Source Route Failed) \
         message …";
    Should 3 "RFC 1122 §3.2.2.5" an_option_of_no_length_is_refused_with_the_place
        "For example, erroneous option lengths have been observed to put some IP implementations \
         into infinite loops.";
    Should 2 "RFC 1122 §3.2.2.5" an_option_beyond_the_header_is_refused_with_the_place
        "The IP layer must not crash as the result of an option length that is outside the \
         possible range.";
    Should 3 "RFC 1122 §3.2.2.5" an_option_cut_short_is_refused_with_the_place
        "The IP layer must not crash as the result of an option length that is outside the \
         possible range.";
    Should 2 "RFC 791 §3.1" a_source_route_that_points_into_itself_is_refused
        "The pointer is relative to this option, and the smallest legal value for the pointer is \
         4.";
    Must 1 "RFC 1122 §3.2.1.8" a_transport_s_options_are_sent
        "There MUST be a means for the transport layer to specify IP options to be included in \
         transmitted IP datagrams …";
    Must 3 "RFC 1122 §3.2.1.8" a_destination_adds_its_time
        "The destination host MUST (if possible) add the current timestamp to a Timestamp option \
         before passing the option to the transport layer or to ICMP for processing.";
    Ours 1 "RFC 791 §3.1" a_given_address_is_stamped_by_its_host_alone
        "An internet module only registers its timestamp if its address matches the next specified \
         internet address.";
    Must 2 "RFC 1122 §3.2.1.8" a_sender_stamps_its_time
        "The originating host MUST record a timestamp in a Timestamp option whose Internet address \
         fields are not pre-specified …";
    Should 2 "RFC 791 §3.1" room_for_half_an_entry_is_refused
        "If there is some room but not enough room for a full address to be inserted, the original \
         datagram is considered to be in error and is discarded.";
    Should 1 "RFC 791 §3.1" a_full_count_of_those_without_room_is_refused
        "… or the overflow count itself overflows, the original datagram is considered to be in \
         error and is discarded.";
    Must 1 "RFC 791 §3.1" sent_options_are_padded_to_words
        "The internet header padding is used to ensure that the internet header ends on a 32 bit \
         boundary.";
}

/// It is delivered, and its options are there as they came.
#[track_caller]
fn goes_up(host: &mut Host, options: &[u8]) {
    let wire = Wire::with_options(options);
    let datagram = host.completes(&wire, &wire.payload);
    host.same_bytes("the options", datagram.header.options.as_wire(), options);
    host.same_bytes("the whole datagram", &datagram.into_whole(), &wire.bytes());
}

fn options_go_up_with_the_datagram(host: &mut Host) {
    goes_up(host, &[148, 4, 0, 0, 136, 4, 1, 2]);
}

fn an_unknown_option_is_ignored(host: &mut Host) {
    goes_up(host, &[0x9e, 5, 1, 2, 3, 0x1e, 2, 0]);
    goes_up(host, &[0xff, 2, 0x3e, 2]);
}

fn options_fill_forty_bytes(host: &mut Host) {
    goes_up(host, &[1; 40]);
    goes_up(host, &[&[0x9e, 40], &[7; 38][..]].concat());
}

fn nothing_is_read_behind_the_end_of_the_list(host: &mut Host) {
    goes_up(host, &[0, 0xff, 0xff, 0xff]);
    goes_up(host, &[1, 0, 131, 0]);
}

fn no_operation_stands_between_options(host: &mut Host) {
    goes_up(host, &[1, 1, 0x9e, 4, 5, 6, 1, 0]);
    // The next is read, though: it has no length.
    host.does_not_deliver(Wire::with_options(&[1, 1, 7, 0]));
}

fn a_stream_identifier_is_ignored(host: &mut Host) {
    goes_up(host, &[136, 4, 0x12, 0x34]);
}

fn a_router_alert_reaches_its_host(host: &mut Host) {
    goes_up(host, &[148, 4, 0, 0]);
}

fn a_recorded_route_goes_up(host: &mut Host) {
    goes_up(host, &[7, 11, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0]);
}

fn recorded_times_go_up(host: &mut Host) {
    goes_up(host, &[68, 8, 9, 0, 0, 1, 2, 3]);
}

fn source_route(kind: u8, pointer: u8) -> [u8; 8] {
    [kind, 7, pointer, 10, 0, 0, 9, 0]
}

fn a_source_route_can_end_here(host: &mut Host) {
    goes_up(host, &source_route(131, 8));
    goes_up(host, &source_route(137, 8));
}

fn a_loose_source_route_that_goes_on_is_refused(host: &mut Host) {
    host.refuses(Wire::with_options(&source_route(131, 4)), Cause::SourceRouteFailed);
}

fn a_strict_source_route_that_goes_on_is_refused(host: &mut Host) {
    host.refuses(Wire::with_options(&source_route(137, 4)), Cause::SourceRouteFailed);
}

#[track_caller]
fn problem(host: &mut Host, options: &[u8], pointer: u8) {
    host.refuses(Wire::with_options(options), Cause::ParameterProblem { pointer });
}

fn an_option_of_no_length_is_refused_with_the_place(host: &mut Host) {
    problem(host, &[7, 0, 1, 1], 21);
    problem(host, &[7, 1, 1, 1], 21);
    problem(host, &[1, 1, 0x9e, 0], 23);
}

fn an_option_beyond_the_header_is_refused_with_the_place(host: &mut Host) {
    problem(host, &[7, 5, 4, 0], 21);
    problem(host, &[1, 7, 9, 4], 22);
    problem(host, &[148, 4, 0, 0, 0x9e, 255, 0, 0], 25);
}

fn an_option_cut_short_is_refused_with_the_place(host: &mut Host) {
    problem(host, &[1, 1, 1, 7], 23);
    problem(host, &[148, 4, 0, 0, 1, 1, 1, 0x9e], 27);
}

fn a_source_route_that_points_into_itself_is_refused(host: &mut Host) {
    for pointer in 0..4 {
        problem(host, &source_route(131, pointer), 22);
    }
}

fn a_transport_s_options_are_sent(host: &mut Host) {
    let bytes = [148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0];
    let options = Options::from_wire(&bytes).expect("options");
    let sent = host.sends_one(&Header { options, ..header("10.0.0.2") }, b"data");
    host.same_bytes("the options", &sent.wire.options, &bytes);
    host.same_bytes("the payload", &sent.wire.payload, b"data");
}

fn sent_options_are_padded_to_words(host: &mut Host) {
    let options = Options::from_wire(&[148, 4, 0, 0, 1]).expect("options");
    let sent = host.sends_one(&Header { options, ..header("10.0.0.2") }, b"data");
    host.same_bytes("the options", &sent.wire.options, &[148, 4, 0, 0, 1, 0, 0, 0]);
}

/// A datagram with these options comes; its options when the transport gets them.
fn comes_with(host: &mut Host, options: &[u8]) -> Vec<u8> {
    let wire = Wire::with_options(options);
    let datagram = host.completes(&wire, &wire.payload);
    datagram.header.options.as_wire().to_vec()
}

fn a_destination_adds_its_time(host: &mut Host) {
    let up = comes_with(host, &[68, 8, 5, 0, 0, 0, 0, 0]);
    host.record().expect_eq("the pointer behind the time", up[2], 9);
    let up = comes_with(host, &[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    host.same_bytes("the address with the time", &up[..8], &[68, 12, 13, 1, 10, 0, 0, 1]);
}

fn a_given_address_is_stamped_by_its_host_alone(host: &mut Host) {
    let up = comes_with(host, &[68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0]);
    host.same_bytes("ours", &up[..8], &[68, 12, 13, 3, 10, 0, 0, 1]);
    let others = [68, 12, 5, 3, 10, 0, 0, 9, 0, 0, 0, 0];
    let up = comes_with(host, &others);
    host.same_bytes("another's", &up, &others);
}

fn a_sender_stamps_its_time(host: &mut Host) {
    let options = Options::from_wire(&[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]).expect("options");
    let sent = host.sends_one(&Header { options, ..header("10.0.0.2") }, b"data");
    host.record().expect_eq("the pointer behind one time", sent.wire.options[2], 9);
}

fn room_for_half_an_entry_is_refused(host: &mut Host) {
    problem(host, &[7, 8, 6, 0, 0, 0, 0, 0], 22);
    problem(host, &[7, 7, 3, 0, 0, 0, 0, 0], 22);
    problem(host, &[68, 8, 6, 0, 0, 0, 0, 0], 22);
    problem(host, &[68, 8, 4, 0, 0, 0, 0, 0], 22);
    problem(host, &[68, 8, 5, 1, 0, 0, 0, 0], 22);
}

fn a_full_count_of_those_without_room_is_refused(host: &mut Host) {
    problem(host, &[68, 8, 9, 0xf0, 0, 0, 0, 0], 23);
}
