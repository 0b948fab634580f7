//! What a received header must look like (RFC 1122 §3.2.1, RFC 1812 §5.2.2), and from whom it may
//! come.

use netdev::{Cast, Checksum, Packet, cases};

use super::host::addr;
use super::{Host, Make, NEAR, Wire};
use crate::{Header, Protocol, Tos, Ttl};

cases! { ($) input_checks_cases: Make, Host;
    Must 1 "RFC 1122 §3.2.1.3" a_datagram_for_the_host_is_delivered
        "An incoming datagram is destined for the host if the datagram's destination address field \
         is: (1) (one of) the host's IP address(es) …";
    Must 1 "RFC 791 §3.1" a_datagram_without_data_is_delivered
        "Total Length is the length of the datagram, measured in octets, including internet \
         header and data.";
    Must 1 "RFC 791 §3.2" a_datagram_of_576_bytes_is_received
        "Every internet destination must be able to receive a datagram of 576 octets either in \
         one piece or in fragments to be reassembled.";
    Must 1 "RFC 1122 §3.2.1.1" another_version_is_discarded
        "A datagram whose version number is not 4 MUST be silently discarded.";
    Must 2 "RFC 1122 §3.2.1.2" damage_to_any_byte_of_the_header_is_noticed
        "A host MUST verify the IP header checksum on every received datagram and silently discard \
         every datagram that has a bad checksum.";
    Must 2 "RFC 1122 §3.2.1.2" the_options_are_part_of_the_checksum
        "A host MUST verify the IP header checksum on every received datagram …";
    Ours 2 "RFC 1071 §3" a_checksum_that_the_device_verified_is_not_summed_again
        "A device that vouches for a packet, and a kernel that left it to be filled in, are \
         believed.";
    Must 1 "RFC 1812 §5.2.2" what_is_shorter_than_a_header_is_discarded
        "The packet length reported by the Link Layer must be large enough to hold the minimum \
         length legal IP datagram (20 bytes).";
    Must 1 "RFC 1812 §5.2.2" a_header_length_under_five_words_is_discarded
        "The IP header length field must be large enough to hold the minimum length legal IP \
         datagram (20 bytes = 5 words).";
    Must 2 "RFC 1812 §5.2.2" a_total_length_under_the_header_s_is_discarded
        "The IP total length field must be large enough to hold the IP datagram header, whose \
         length is specified in the IP header length field.";
    Must 2 "RFC 1812 §5.2.2" a_truncated_datagram_is_discarded
        "If it appears that the packet has been truncated, the packet MUST be discarded …";
    Must 2 "RFC 894" what_the_link_padded_is_no_data
        "This padding is not part of the IP packet and is not included in the total length field \
         of the IP header.";
    Must 2 "RFC 1122 §3.2.1.7" a_ttl_of_one_or_zero_is_enough_to_arrive
        "A host MUST NOT discard a datagram just because it was received with TTL less than 2.";
    Should 1 "RFC 1122 §3.2.1.6" the_type_of_service_goes_up
        "The IP layer SHOULD pass received TOS values up to the transport layer.";
    Must 1 "RFC 1812 §4.2.2.3" the_reserved_bit_is_not_looked_at
        "A router MUST NOT drop … a packet merely because one or more of these reserved bits has a \
         non-zero value …";
    Ours 1 "RFC 1122 §3.2.2.1" an_unknown_protocol_goes_up
        "Whether there is a transport for it is decided above, with a Protocol Unreachable.";
    Must 1 "RFC 1122 §3.2.1.3" this_network_is_no_source
        "{ 0, <Host-number> } Specified host on this network. It MUST NOT be sent, except as a \
         source address as part of an initialization procedure …";
    Must 1 "RFC 1122 §3.2.1.3" a_host_without_an_address_is_heard
        "{ 0, 0 } This host on this network. MUST NOT be sent, except as a source address as part \
         of an initialization procedure by which the host learns its own IP address.";
    Must 1 "RFC 1122 §3.2.1.3" the_limited_broadcast_is_no_source
        "{ -1, -1 } Limited broadcast. It MUST NOT be used as a source address.";
    Must 2 "RFC 1122 §3.2.1.3" the_broadcast_of_the_network_is_no_source
        "{ <Network-number>, <Subnet-number>, -1 } Directed broadcast to the specified subnet. It \
         MUST NOT be used as a source address.";
    Must 1 "RFC 1122 §3.2.1.3" a_group_is_no_source
        "When a host sends any datagram, the IP source address MUST be one of its own IP addresses \
         (but not a broadcast or multicast address).";
    Must 2 "RFC 1122 §3.2.1.3" loopback_is_no_source_on_a_link
        "{ 127, <any> } Internal host loopback address. Addresses of this form MUST NOT appear \
         outside a host.";
    Ours 1 "RFC 1122 §3.2.1.3" a_reserved_address_is_no_source
        "Class E addresses are reserved for experimental use.";
    Ours 2 "RFC 1812 §5.3.8" its_own_address_is_no_source_on_a_link
        "What comes from outside under this host's own address was sent by somebody else.";
}

fn a_datagram_for_the_host_is_delivered(host: &mut Host) {
    let wire = Wire { ttl: 9, df: true, ..Wire::default() };
    let datagram = host.completes(&wire, &wire.payload);
    let expected = Header {
        ttl: Ttl(9),
        dont_fragment: true,
        ..Header::new(addr("10.0.0.2"), addr("10.0.0.1"), Protocol::UDP)
    };
    host.record().expect_eq("the header", datagram.header, expected);
    host.record().expect_eq("where it came in", datagram.iface, NEAR);
    host.record().expect_eq("to whom it was sent", datagram.cast, Cast::Unicast);
}

fn a_datagram_without_data_is_delivered(host: &mut Host) {
    host.completes(Wire { payload: vec![], ..Wire::default() }, b"");
}

fn a_datagram_of_576_bytes_is_received(host: &mut Host) {
    let wire = Wire { payload: super::host::data(556), ..Wire::default() };
    host.completes(&wire, &wire.payload);
}

fn another_version_is_discarded(host: &mut Host) {
    for version in (0..16).filter(|version| *version != 4) {
        host.drops(&Wire::default().with(0, version << 4 | 5)[..]);
    }
    host.still_delivers();
}

fn damage_to_any_byte_of_the_header_is_noticed(host: &mut Host) {
    for at in 0..20 {
        let mut bytes = Wire::default().bytes();
        bytes[at] ^= 0x10;
        host.does_not_deliver(&bytes[..]);
    }
    host.still_delivers();
}

fn the_options_are_part_of_the_checksum(host: &mut Host) {
    let wire = Wire::with_options(&[148, 4, 0, 0]);
    let mut bytes = wire.bytes();
    bytes[23] = 1;
    host.drops(&bytes[..]);
    host.completes(&wire, &wire.payload);
}

fn a_checksum_that_the_device_verified_is_not_summed_again(host: &mut Host) {
    let mut bytes = Wire::default().bytes();
    bytes[10] ^= 0xff;
    host.drops(&bytes[..]);
    for checksum in [Checksum::Verified, Checksum::Partial { start: 20, offset: 6 }] {
        let mut packet = Packet::from_payload(&bytes);
        packet.set_checksum(checksum);
        host.delivers(packet);
    }
}

fn what_is_shorter_than_a_header_is_discarded(host: &mut Host) {
    let bytes = Wire { payload: vec![], ..Wire::default() }.bytes();
    for len in 0..bytes.len() {
        host.drops(&bytes[..len]);
    }
    host.still_delivers();
}

fn a_header_length_under_five_words_is_discarded(host: &mut Host) {
    for words in 0..5 {
        host.does_not_deliver(&Wire::default().with(0, 0x40 | words)[..]);
    }
    host.still_delivers();
}

fn a_total_length_under_the_header_s_is_discarded(host: &mut Host) {
    host.does_not_deliver(&Wire::default().with(3, 0)[..]);
    host.does_not_deliver(&Wire::default().with(3, 19)[..]);
    let options = Wire::with_options(&[1; 8]);
    host.does_not_deliver(&options.with(3, 27)[..]);
    // A header of 60 bytes in a datagram of 28.
    host.does_not_deliver(&Wire::default().with(0, 0x4f)[..]);
    host.still_delivers();
}

fn a_truncated_datagram_is_discarded(host: &mut Host) {
    let wire = Wire::default();
    host.does_not_deliver(&wire.with(3, 29)[..]);
    host.does_not_deliver(&wire.bytes()[..27]);
    host.does_not_deliver(&wire.bytes()[..20]);
    host.completes(&wire, &wire.payload);
}

fn what_the_link_padded_is_no_data(host: &mut Host) {
    let wire = Wire::default();
    let padded = [&wire.bytes()[..], &[0xee; 18]].concat();
    host.completes(&padded[..], &wire.payload);
}

fn a_ttl_of_one_or_zero_is_enough_to_arrive(host: &mut Host) {
    for ttl in [1, 0] {
        let datagram = host.delivers(Wire { ttl, ..Wire::default() });
        host.record().expect_eq("the TTL", datagram.header.ttl, Ttl(ttl));
    }
}

fn the_type_of_service_goes_up(host: &mut Host) {
    let datagram = host.delivers(Wire { tos: 0xb9, ..Wire::default() });
    host.record().expect_eq("the type of service", datagram.header.tos, Tos(0xb9));
}

fn the_reserved_bit_is_not_looked_at(host: &mut Host) {
    let wire = Wire { reserved: true, ..Wire::default() };
    host.completes(&wire, &wire.payload);
}

fn an_unknown_protocol_goes_up(host: &mut Host) {
    let datagram = host.delivers(Wire { protocol: 253, ..Wire::default() });
    host.record().expect_eq("the protocol", datagram.header.protocol, Protocol(253));
}

fn no_source(host: &mut Host, sources: &[&str]) {
    for src in sources {
        host.drops(Wire::between(src, "10.0.0.1"));
    }
    host.still_delivers();
}

fn this_network_is_no_source(host: &mut Host) {
    no_source(host, &["0.0.0.0", "0.0.0.2", "0.1.2.3"]);
}

fn a_host_without_an_address_is_heard(host: &mut Host) {
    let broadcast = Wire::between("0.0.0.0", "255.255.255.255");
    host.completes(super::Frame::from(&broadcast).cast(Cast::Broadcast), &broadcast.payload);
}

fn the_limited_broadcast_is_no_source(host: &mut Host) {
    no_source(host, &["255.255.255.255"]);
}

fn the_broadcast_of_the_network_is_no_source(host: &mut Host) {
    no_source(host, &["10.0.0.255"]);
}

fn a_group_is_no_source(host: &mut Host) {
    no_source(host, &["224.0.0.1", "239.255.255.255"]);
}

fn loopback_is_no_source_on_a_link(host: &mut Host) {
    no_source(host, &["127.0.0.1", "127.255.255.254"]);
}

fn a_reserved_address_is_no_source(host: &mut Host) {
    no_source(host, &["240.0.0.1", "255.255.255.254"]);
}

fn its_own_address_is_no_source_on_a_link(host: &mut Host) {
    no_source(host, &["10.0.0.1"]);
}
