//! What the options of a SYN settle: RFC 9293 §3.1, §3.2 and §3.7.1, RFC 7323 §2, RFC 2018 §2.

use netdev::cases;

use super::Make;
use crate::testing::{Script, Seg, seg};

cases! { ($) syn_options_cases: Make, Script;
    Must 2 "RFC 9293 §3.7.1 (MUST-14, MUST-67)" the_syn_names_an_mss_that_fits_the_path
        "The MSS value to be sent in an MSS Option should be equal to the effective MTU minus the \
         fixed IP and TCP headers.";
    Should 2 "RFC 9293 §3.7.1 (SHLD-5)" the_syn_ack_names_an_mss_too
        "TCP implementations SHOULD send an MSS Option in every SYN segment when its receive MSS \
         differs from the default 536.";
    Must 2 "RFC 9293 §3.7.1 (MUST-16)" the_peers_mss_is_kept_to
        "The maximum size of a segment that a TCP endpoint really sends … MUST be the smaller of \
         the send MSS … and the largest transmission size permitted by the IP layer.";
    Must 3 "RFC 9293 §3.7.1 (MUST-16)" the_paths_mtu_is_kept_to_whatever_the_peer_offers
        "The maximum size of a segment that a TCP endpoint really sends … MUST be the smaller of \
         the send MSS … and the largest transmission size permitted by the IP layer.";
    Must 2 "RFC 9293 §3.7.1 (MUST-15)" without_an_mss_option_segments_have_536_bytes
        "If an MSS Option is not received at connection setup, TCP implementations MUST assume a \
         default send MSS of 536 (576 - 40) for IPv4.";
    Must 3 "RFC 9293 §3.1 (MUST-6)" an_mss_behind_an_unknown_option_counts
        "A TCP implementation MUST ignore without error any TCP Option it does not implement, \
         assuming that the option has a length field.";
    Must 2 "RFC 9293 §3.2 (MUST-64)" an_mss_off_the_word_boundary_counts
        "Receivers MUST be prepared to process options even if they do not begin on a word \
         boundary.";
    Must 2 "RFC 9293 §3.1 (MUST-4)" nothing_behind_the_end_of_the_list_counts
        "This option code indicates the end of the option list. This might not coincide with the \
         end of the TCP header.";
    Must 1 "RFC 9293 §3.2 (MUST-65)" an_mss_is_sent_on_a_syn_alone
        "This field may be sent in the initial connection request … and MUST NOT be sent in other \
         segments.";
    Must 2 "RFC 9293 §3.2" an_mss_that_comes_on_another_segment_means_nothing
        "This field may be sent in the initial connection request (i.e., in segments with the SYN \
         control bit set).";
    Ours 2 "RFC 9293 §3.7.1" a_tiny_mss_does_not_make_tiny_segments
        "A peer that asks for segments of a byte would make every byte cost a header: there is a \
         least size (CVE-2019-11479).";
    Should 2 "RFC 7323 §2.2" a_window_scale_is_offered
        "A TCP that can scale its window offers it in its SYN; the option is an offer, not a \
         promise.";
    Must 3 "RFC 7323 §2.2" windows_are_scaled_only_where_both_offered_it
        "Both sides must send Window Scale options in their SYN segments to enable window scaling \
         in either direction.";
    Should 3 "RFC 7323 §2.2" the_peers_scaled_window_is_read
        "The window field in every segment but a SYN is shifted left by the peer's shift count.";
    Must 3 "RFC 7323 §2.2" the_window_of_a_syn_is_not_scaled
        "The Window field in a SYN (i.e., a <SYN> or <SYN,ACK>) segment itself is never scaled.";
    Must 2 "RFC 7323 §2.3" a_shift_of_more_than_14_counts_as_14
        "If a Window Scale option is received with a shift.cnt value exceeding 14, the TCP should \
         log the error but use 14 instead of the specified value.";
    Should 2 "RFC 2018 §2" sack_is_offered_and_agreed_to
        "This two-byte option may be sent in a SYN by a TCP that has been extended to receive the \
         SACK option once the connection has opened.";
    Must 1 "RFC 2018 §2" sack_permitted_is_sent_on_a_syn_alone
        "It MUST NOT be sent on non-SYN segments.";
}

/// MSS 1460, and window scaling by this many bits.
fn mss_and_scale(shift: u8) -> [u8; 8] {
    [2, 4, 5, 180, 1, 3, 3, shift]
}

/// MSS 700.
const MSS_700: [u8; 4] = [2, 4, 2, 188];

/// MSS 1460, and SACK.
const MSS_AND_SACK: [u8; 8] = [2, 4, 5, 180, 1, 1, 4, 2];

/// Opens a connection whose SYN has these options.
fn open_with(script: &mut Script, options: &[u8]) {
    let listener = script.listen(8);
    script.inject(seg("S").seq(0).options(options));
    script.expect(seg("SA").seq(0).ack(1));
    script.inject(seg("A").seq(1).ack(1));
    script.accept(listener);
}

/// Sends 4000 bytes; the first segment has to have so many.
fn expect_segments_of(script: &mut Script, bytes: usize) {
    script.send(&[7; 4000]);
    let first = script.expect(seg("A").seq(1).any_data());
    script.expect_eq("the first segment's bytes", first.payload_len(), bytes);
}

fn the_syn_names_an_mss_that_fits_the_path(script: &mut Script) {
    script.host.out.mtu = 1300;
    let peer = script.peer;
    script.act("connect", |host| host.connect(peer));
    let syn = script.host.out.sent.first().expect("a SYN").seg.clone();
    script.expect_eq("the MSS option", syn.mss_option(), Some(1260));
}

fn the_syn_ack_names_an_mss_too(script: &mut Script) {
    script.listen(8);
    script.inject(seg("S").seq(0).mss(1000));
    let answer = script.expect(seg("SA").seq(0).ack(1));
    script.expect_eq("the MSS option", answer.mss_option(), Some(1460));
}

fn the_peers_mss_is_kept_to(script: &mut Script) {
    open_with(script, &MSS_700);
    expect_segments_of(script, 700);
}

fn the_paths_mtu_is_kept_to_whatever_the_peer_offers(script: &mut Script) {
    script.host.out.mtu = 1000;
    // MSS 9000.
    open_with(script, &[2, 4, 0x23, 0x28]);
    expect_segments_of(script, 960);
}

fn without_an_mss_option_segments_have_536_bytes(script: &mut Script) {
    open_with(script, &[]);
    expect_segments_of(script, 536);
}

fn an_mss_behind_an_unknown_option_counts(script: &mut Script) {
    open_with(script, &[253, 6, 0xab, 0xcd, 1, 2, 2, 4, 2, 188]);
    expect_segments_of(script, 700);
}

fn an_mss_off_the_word_boundary_counts(script: &mut Script) {
    open_with(script, &[1, 2, 4, 2, 188, 1, 1, 1]);
    expect_segments_of(script, 700);
}

fn nothing_behind_the_end_of_the_list_counts(script: &mut Script) {
    open_with(script, &[1, 1, 1, 0, 2, 4, 2, 188]);
    expect_segments_of(script, 536);
}

fn an_mss_is_sent_on_a_syn_alone(script: &mut Script) {
    script.accept_one(80);
    script.send(b"hello");
    let data = script.expect(seg("A").seq(1).data(b"hello"));
    script.expect_eq("the MSS option", data.mss_option(), None);
}

fn an_mss_that_comes_on_another_segment_means_nothing(script: &mut Script) {
    script.accept_one(80);
    script.inject(seg("A").seq(1).ack(1).mss(100).data(b"x"));
    script.drain();
    expect_segments_of(script, 1460);
}

fn a_tiny_mss_does_not_make_tiny_segments(script: &mut Script) {
    open_with(script, &[2, 4, 0, 1]);
    script.send(&[7; 4000]);
    let first = script.expect(seg("A").seq(1).any_data());
    let len = first.payload_len();
    script.expect_that(&format!("{len} bytes in a segment are eight at least"), len >= 8);
}

fn a_window_scale_is_offered(script: &mut Script) {
    let peer = script.peer;
    script.act("connect", |host| host.connect(peer));
    let syn = script.host.out.sent.first().expect("a SYN").seg.clone();
    let shift = syn.option(3).map(<[u8]>::len);
    script.expect_eq("the length of the shift count", shift, Some(1));
}

fn windows_are_scaled_only_where_both_offered_it(script: &mut Script) {
    script.listen(8);
    script.inject(seg("S").seq(0).mss(1460));
    let answer = script.expect(seg("SA").seq(0).ack(1));
    script.expect_eq("the option on the answer", answer.option(3), None);
    script.inject(seg("A").seq(1).ack(1).win(1000));
    let info = script.info().expect("a connection");
    script.expect_eq("the peer's window", info.snd_wnd, 1000);
    script.inject(seg("A").seq(1).ack(1).data(b"?"));
    let answer = script.expect_within(super::SECOND, seg("A").ack(2));
    let info = script.info().expect("a connection");
    script.expect_eq("the own window", answer.window.map(u32::from), Some(info.rcv_wnd));
}

fn the_peers_scaled_window_is_read(script: &mut Script) {
    open_with(script, &mss_and_scale(4));
    script.inject(seg("A").seq(1).ack(1).win(1000));
    let info = script.info().expect("a connection");
    script.expect_eq("the peer's window", info.snd_wnd, 16_000);
}

fn the_window_of_a_syn_is_not_scaled(script: &mut Script) {
    script.connect();
    script.inject(seg("SA").seq(0).ack(1).win(1000).options(&mss_and_scale(4)));
    script.expect(seg("A").seq(1).ack(1));
    let info = script.info().expect("a connection");
    script.expect_eq("the peer's window", info.snd_wnd, 1000);
    script.send(&[7; 4000]);
    let sent: usize = script.drain().iter().map(Seg::payload_len).sum();
    script.expect_that(&format!("{sent} bytes fit a window of 1000"), (1..=1000).contains(&sent));
}

fn a_shift_of_more_than_14_counts_as_14(script: &mut Script) {
    open_with(script, &mss_and_scale(20));
    script.inject(seg("A").seq(1).ack(1).win(2));
    let info = script.info().expect("a connection");
    script.expect_eq("the peer's window", info.snd_wnd, 2 << 14);
}

fn sack_is_offered_and_agreed_to(script: &mut Script) {
    let peer = script.peer;
    script.act("connect", |host| host.connect(peer));
    let syn = script.host.out.sent.remove(0).seg;
    script.expect_eq("the option on the SYN", syn.option(4), Some(&[][..]));
    script.port = 81;
    script.listen(8);
    script.inject(seg("S").seq(0).options(&MSS_AND_SACK));
    let answer = script.expect(seg("SA").seq(0).ack(1));
    script.expect_eq("the option on the answer", answer.option(4), Some(&[][..]));
}

fn sack_permitted_is_sent_on_a_syn_alone(script: &mut Script) {
    open_with(script, &MSS_AND_SACK);
    script.send(b"hello");
    let data = script.expect(seg("A").seq(1).data(b"hello"));
    script.expect_eq("the option", data.option(4), None);
}
