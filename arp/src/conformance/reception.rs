//! What arrives: RFC 826's "Packet Reception", line by line.

use std::net::Ipv4Addr;

use netdev::{MacAddr, cases};

use super::Make;
use super::bench::{Bench, MY_ADDR, MY_MAC, OTHER, OTHER_MAC, PEER, PEER_MAC};
use super::message::Message;
use crate::{Change, Event};

cases! { ($) reception_cases: Make, Bench;
    Must 3 "RFC 826, Packet Reception" a_request_for_us_is_answered
        "Swap hardware and protocol fields, putting the local hardware and protocol addresses in \
         the sender fields. Set the ar$op field to ares_op$REPLY.";
    Must 1 "RFC 826, Packet Reception" the_reply_goes_to_who_asked_alone
        "Send the packet to the (new) target hardware address on the same hardware on which the \
         request was received.";
    Must 1 "RFC 826, Packet Reception" the_reply_goes_to_the_sender_in_the_packet
        "Send the packet to the (new) target hardware address";
    Must 2 "RFC 826, Packet Reception" a_request_for_another_is_not_answered
        "?Am I the target protocol address?";
    Must 1 "RFC 826, Packet Reception" a_reply_is_not_answered
        "?Is the opcode ares_op$REQUEST? (NOW look at the opcode!!)";
    Ours 2 "RFC 826, Packet Reception" an_answer_is_taken_whatever_its_target_fields
        "Who waits for a neighbour takes its address from any packet of it: the merge comes before \
         the target is looked at. (To RFC 826 what waits is not in the table.)";
    Must 2 "RFC 826, Packet Reception" who_asks_is_learnt
        "If Merge_flag is false, add the triplet <protocol type, sender protocol address, sender \
         hardware address> to the translation table.";
    Must 2 "RFC 826, Packet Reception" a_request_for_another_teaches_nothing_new
        "?Am I the target protocol address? Yes: If Merge_flag is false, add the triplet …";
    Must 2 "RFC 826, Packet Reception" a_request_for_another_updates_a_known_sender
        "If the pair <protocol type, sender protocol address> is already in my translation table, \
         update the sender hardware address field of the entry with the new information in the \
         packet";
    Must 2 "RFC 826, Packet Reception" a_reply_updates_a_known_sender
        "The … triplet is merged into the table before the opcode is looked at.";
    Must 2 "RFC 826, Packet Reception" a_new_address_supersedes_the_old_at_once
        "if an entry already exists …, then the new hardware address supersedes the old one.";
    Must 1 "RFC 826, Packet Reception" a_request_of_a_waited_for_host_ends_the_wait
        "This is on the assumption that communcation is bidirectional";
    Must 1 "RFC 826, Packet Reception" other_hardware_is_discarded
        "?Do I have the hardware type in ar$hrd? … Negative conditionals indicate an end of \
         processing and a discarding of the packet.";
    Must 1 "RFC 826, Packet Reception" another_protocol_is_discarded
        "?Do I speak the protocol in ar$pro?";
    May 1 "RFC 826, Packet Reception" a_wrong_hardware_length_is_discarded
        "[optionally check the hardware length ar$hln]";
    May 1 "RFC 826, Packet Reception" a_wrong_protocol_length_is_discarded
        "[optionally check the protocol length ar$pln]";
    Must 1 "RFC 826, Packet Reception" another_operation_is_not_answered
        "?Is the opcode ares_op$REQUEST?";
    Must 1 "RFC 826, Packet Reception" every_own_address_is_answered
        "?Am I the target protocol address?";
    Must 1 "RFC 826, Packet Reception" a_removed_address_is_not_answered
        "?Am I the target protocol address?";
    Ours 1 "RFC 894" padding_is_no_part_of_the_packet
        "Ethernet pads what is shorter than 46 bytes: what follows 28 bytes means nothing.";
    Ours 2 "RFC 826, Packet format" a_cut_packet_is_discarded
        "A packet that ends before its last field says nothing.";
    Must 2 "RFC 1812 §3.3.2" a_group_link_address_is_not_believed
        "A router MUST not believe any ARP reply that claims that the Link Layer address of \
         another host or router is a broadcast or multicast address.";
    Ours 1 "RFC 1122 §3.2.1.3" a_sender_that_no_host_can_be_is_not_learnt
        "Broadcast, multicast and loopback addresses are no neighbour's.";
}

fn a_request_for_us_is_answered(bench: &mut Bench) {
    let event = bench.input(Message::request(PEER_MAC, PEER, MY_ADDR));
    bench.record.expect_eq("of the request", event, Event::None);
    bench.expect_answered(PEER_MAC, PEER, MY_ADDR);
}

fn the_reply_goes_to_who_asked_alone(bench: &mut Bench) {
    for (mac, addr) in [(PEER_MAC, PEER), (OTHER_MAC, OTHER)] {
        let _ = bench.input(Message::request(mac, addr, MY_ADDR));
        let to: Vec<MacAddr> = bench.arp().iter().map(|(dst, _)| *dst).collect();
        bench.record.expect_eq("where the reply went", to, vec![mac]);
    }
}

/// The target's link address in a request is no matter: some hosts put broadcast there, or what
/// they believe.
fn the_reply_goes_to_the_sender_in_the_packet(bench: &mut Bench) {
    for tha in [MacAddr::BROADCAST, OTHER_MAC, MY_MAC] {
        let request = Message { tha, ..Message::request(PEER_MAC, PEER, MY_ADDR) };
        let _ = bench.input(request);
        bench.expect_answered(PEER_MAC, PEER, MY_ADDR);
    }
}

fn a_request_for_another_is_not_answered(bench: &mut Bench) {
    for target in [OTHER, Ipv4Addr::new(10, 0, 0, 255), Ipv4Addr::UNSPECIFIED, PEER] {
        let event = bench.input(Message::request(PEER_MAC, PEER, target));
        bench.record.expect_eq("of the request", event, Event::None);
        bench.expect_silence();
    }
    // Nor one of a host that is known by now.
    bench.expect_alive();
    let _ = bench.input(Message::request(OTHER_MAC, OTHER, PEER));
    bench.expect_silence();
}

fn a_reply_is_not_answered(bench: &mut Bench) {
    let _ = bench.input(Message::reply(PEER_MAC, PEER, MY_MAC, MY_ADDR));
    bench.expect_silence();
    bench.expect_alive();
    let _ = bench.input(Message::reply(OTHER_MAC, OTHER, MY_MAC, MY_ADDR));
    bench.expect_silence();
}

fn an_answer_is_taken_whatever_its_target_fields(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    let _ = bench.input(Message::reply(PEER_MAC, PEER, MacAddr::BROADCAST, PEER));
    bench.expect_sent(PEER, PEER_MAC, &[1]);
}

fn who_asks_is_learnt(bench: &mut Bench) {
    let _ = bench.input(Message::request(PEER_MAC, PEER, MY_ADDR));
    bench.expect_known(PEER, PEER_MAC);
}

fn a_request_for_another_teaches_nothing_new(bench: &mut Bench) {
    let _ = bench.input(Message::request(PEER_MAC, PEER, OTHER));
    bench.expect_unknown(PEER);
    bench.expect_alive();
}

fn a_request_for_another_updates_a_known_sender(bench: &mut Bench) {
    bench.know();
    let _ = bench.input(Message::request(OTHER_MAC, PEER, OTHER));
    bench.send_well(PEER, 1);
    bench.expect_sent(PEER, OTHER_MAC, &[1]);
}

fn a_reply_updates_a_known_sender(bench: &mut Bench) {
    bench.know();
    let _ = bench.input(Message::reply(OTHER_MAC, PEER, MY_MAC, MY_ADDR));
    bench.send_well(PEER, 1);
    bench.expect_sent(PEER, OTHER_MAC, &[1]);
}

fn a_new_address_supersedes_the_old_at_once(bench: &mut Bench) {
    bench.know();
    for (number, mac) in [(1, OTHER_MAC), (2, PEER_MAC), (3, OTHER_MAC)] {
        let _ = bench.input(Message::request(mac, PEER, MY_ADDR));
        bench.send_well(PEER, number);
        bench.expect_sent(PEER, mac, &[number]);
    }
}

fn a_request_of_a_waited_for_host_ends_the_wait(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.expect_asked(PEER);
    let _ = bench.input(Message::request(PEER_MAC, PEER, MY_ADDR));
    bench.expect_sent(PEER, PEER_MAC, &[1]);
    bench.expect_answered(PEER_MAC, PEER, MY_ADDR);
}

/// Such a packet is neither answered nor learnt from.
fn discarded(bench: &mut Bench, message: Message, bytes: Vec<u8>) {
    let event = bench.input_bytes(&bytes, format!("{message:?}"));
    bench.record.expect_eq("of the packet", event, Event::None);
    bench.expect_silence();
    bench.expect_unknown(PEER);
    bench.expect_alive();
}

fn other_hardware_is_discarded(bench: &mut Bench) {
    let message = Message { hrd: 6, ..Message::request(PEER_MAC, PEER, MY_ADDR) };
    discarded(bench, message, message.bytes());
}

fn another_protocol_is_discarded(bench: &mut Bench) {
    let message = Message { pro: 0x809b, ..Message::request(PEER_MAC, PEER, MY_ADDR) };
    discarded(bench, message, message.bytes());
}

/// With eight bytes of each link address, as the field says: the protocol addresses move.
fn a_wrong_hardware_length_is_discarded(bench: &mut Bench) {
    let message = Message { hln: 8, ..Message::request(PEER_MAC, PEER, MY_ADDR) };
    discarded(bench, message, message.bytes());
    let mut long = message.bytes();
    long.splice(14..14, [0, 0]);
    long.extend([0, 0]);
    discarded_again(bench, message, &long);
}

fn a_wrong_protocol_length_is_discarded(bench: &mut Bench) {
    let message = Message { pln: 16, ..Message::request(PEER_MAC, PEER, MY_ADDR) };
    discarded(bench, message, message.bytes());
    let mut long = message.bytes();
    long.extend([0; 24]);
    discarded_again(bench, message, &long);
}

fn discarded_again(bench: &mut Bench, message: Message, bytes: &[u8]) {
    let _ = bench.input_bytes(bytes, format!("{message:?}, {} bytes", bytes.len()));
    bench.expect_silence();
}

fn another_operation_is_not_answered(bench: &mut Bench) {
    for op in [0, 3, 4, 8, 9, 0x0100, 0xffff] {
        let _ = bench.input(Message { op, ..Message::request(PEER_MAC, PEER, MY_ADDR) });
        bench.expect_silence();
    }
    bench.expect_alive();
}

fn every_own_address_is_answered(bench: &mut Bench) {
    let second = Ipv4Addr::new(192, 168, 7, 1);
    bench.set(Change::AddAddress(second.into()));
    for ours in [MY_ADDR, second] {
        let _ = bench.input(Message::request(PEER_MAC, PEER, ours));
        bench.expect_answered(PEER_MAC, PEER, ours);
    }
}

fn a_removed_address_is_not_answered(bench: &mut Bench) {
    let second = Ipv4Addr::new(192, 168, 7, 1);
    bench.set(Change::AddAddress(second.into()));
    let _ = bench.input(Message::request(PEER_MAC, PEER, second));
    bench.expect_answered(PEER_MAC, PEER, second);
    bench.set(Change::RemoveAddress(second.into()));
    let _ = bench.input(Message::request(PEER_MAC, PEER, second));
    bench.expect_silence();
    bench.expect_alive();
}

fn padding_is_no_part_of_the_packet(bench: &mut Bench) {
    let mut bytes = Message::request(PEER_MAC, PEER, MY_ADDR).bytes();
    bytes.extend([0xa5; 18]);
    let _ = bench.input_bytes(&bytes, "a request for us with 18 bytes of padding");
    bench.expect_answered(PEER_MAC, PEER, MY_ADDR);
}

fn a_cut_packet_is_discarded(bench: &mut Bench) {
    let whole = Message::request(PEER_MAC, PEER, MY_ADDR).bytes();
    for len in 0..whole.len() {
        let event = bench.input_bytes(&whole[..len], format!("a request cut to {len} bytes"));
        bench.record.expect_eq("of the cut packet", event, Event::None);
        bench.expect_silence();
    }
    bench.expect_unknown(PEER);
    bench.expect_alive();
}

fn a_group_link_address_is_not_believed(bench: &mut Bench) {
    let group = MacAddr([1, 0, 0x5e, 0, 0, 5]);
    for mac in [MacAddr::BROADCAST, group] {
        let _ = bench.input(Message::request(mac, PEER, MY_ADDR));
        bench.expect_silence();
    }
    bench.expect_unknown(PEER);
    for mac in [MacAddr::BROADCAST, group] {
        let _ = bench.input(Message::reply(mac, PEER, MY_MAC, MY_ADDR));
        bench.expect_sent(PEER, mac, &[]);
    }
    bench.expect_alive();
}

fn a_sender_that_no_host_can_be_is_not_learnt(bench: &mut Bench) {
    for addr in [[224, 0, 0, 1], [255, 255, 255, 255], [127, 0, 0, 1], [0, 0, 0, 5]] {
        let addr = Ipv4Addr::from(addr);
        let _ = bench.input(Message::request(PEER_MAC, addr, MY_ADDR));
        bench.record.expect_eq(&format!("the entry of {addr}"), bench.entry(addr), None);
    }
    let _ = bench.arp();
    bench.expect_alive();
}
