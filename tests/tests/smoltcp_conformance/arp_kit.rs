//! smoltcp's neighbour cache behind the trait of address resolution: datagrams go in by a raw
//! socket.

use std::net::IpAddr;

use arp::{Change, Entry, Error, Event, Link, Resolver};
use netdev::{Counter, EtherType, Instant, MacAddr, Packet};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::raw;
use smoltcp::wire::{IpAddress, IpProtocol, IpVersion};

use crate::host::Host;

struct Smoltcp {
    host: Host,
    raw: SocketHandle,
}

impl Smoltcp {
    fn new(seed: u64) -> Smoltcp {
        let mut host = Host::bare(seed);
        let buffer = || raw::PacketBuffer::new(vec![raw::PacketMetadata::EMPTY; 64], vec![0; 4096]);
        let (version, protocol) = (IpVersion::Ipv4, IpProtocol::from(253));
        let socket = raw::Socket::new(Some(version), Some(protocol), buffer(), buffer());
        let raw = host.sockets.add(socket);
        Smoltcp { host, raw }
    }

    fn run(&mut self, now: Instant, link: &mut dyn Link) -> Event {
        for frame in self.host.poll(now) {
            let dst = MacAddr(frame[..6].try_into().expect("six bytes"));
            let ethertype = EtherType(u16::from_be_bytes([frame[12], frame[13]]));
            link.transmit(now, dst, ethertype, Packet::from_payload(&frame[14..]));
        }
        Event::None
    }
}

impl Resolver for Smoltcp {
    fn send(&mut self, now: Instant, _: IpAddr, packet: Packet, link: &mut dyn Link) -> Event {
        // A full queue takes no more.
        let _ = self.host.sockets.get_mut::<raw::Socket<'_>>(self.raw).send_slice(&packet);
        self.run(now, link)
    }

    fn input(&mut self, now: Instant, packet: Packet, link: &mut dyn Link) -> Event {
        let src = packet.get(8..14).and_then(|mac| mac.try_into().ok());
        let src = src.map_or(MacAddr([2, 0, 0, 0, 0, 2]), MacAddr);
        self.host.receive(MacAddr::BROADCAST, src, EtherType::ARP.0, &packet);
        self.run(now, link)
    }

    fn poll(&mut self, now: Instant, link: &mut dyn Link) -> Event {
        self.run(now, link)
    }

    fn poll_at(&self) -> Option<Instant> {
        self.host.poll_at()
    }

    fn confirm(&mut self, _: Instant, _: IpAddr) {}

    fn configure(&mut self, _: Instant, change: Change, _: &mut dyn Link) -> Result<(), Error> {
        match change {
            Change::AddAddress(IpAddr::V4(addr)) => {
                if !self.host.add_address(addr) {
                    return Err(Error::Full(2));
                }
            }
            Change::RemoveAddress(IpAddr::V4(addr)) => self.host.iface.update_ip_addrs(|addrs| {
                addrs.retain(|cidr| cidr.address() != IpAddress::from(addr));
            }),
            // It flushes the neighbours.
            Change::Flush => self.host.iface.update_ip_addrs(|_| {}),
            _ => return Err(Error::Unsupported("static entries")),
        }
        Ok(())
    }

    fn entries(&self, _: Instant) -> Vec<Entry> {
        Vec::new()
    }

    fn counters(&self) -> Vec<Counter> {
        Vec::new()
    }
}

const NOT_SHOWN: &str = "smoltcp does not show its table, nor counters";
const NO_STATIC: &str = "no static entries";
const NEVER_UNREACHABLE: &str = "nothing is handed back: a datagram waits in its socket for ever";
const NO_5227: &str = "address conflicts are not looked for (RFC 5227)";
const NO_ADVICE: &str = "no advice from above";
const DISAGREES_TARGET: &str = "disagrees: only a packet with one of its own addresses as target \
                                is looked at: who moved is believed where it was for a minute";
const DISAGREES_PROBE: &str =
    "disagrees: a probe (sender 0.0.0.0) is not answered, and the address looks free";
const DISAGREES_LIMIT: &str = "disagrees: one request a second for all destinations together";
const DISAGREES_AGE: &str =
    "disagrees: an entry is forgotten after a minute, and the next datagram waits";
const DISAGREES_UNSOLICITED: &str =
    "disagrees: an unsolicited reply to us is learnt, as in RFC 826";

arp::conformance_tests!(
    make: |seed| Box::new(Smoltcp::new(seed)),
    except: [
        ("a_confirmation_from_above_saves_the_question", DISAGREES_AGE),
        ("a_doubt_from_above_begins_the_question", NO_ADVICE),
        ("a_flush_forgets", DISAGREES_LIMIT),
        ("a_flush_hands_back_what_waits", NEVER_UNREACHABLE),
        ("a_neighbour_that_answers_is_never_cut_off", DISAGREES_AGE),
        ("an_unused_entry_is_forgotten", NOT_SHOWN),
        ("the_time_that_is_left_is_shown", NOT_SHOWN),
        ("a_conflict_is_answered_with_an_announcement", NO_5227),
        ("an_address_that_is_given_up_is_not_used_any_more", NO_5227),
        ("a_probe_is_answered", DISAGREES_PROBE),
        ("a_probe_is_no_conflict", NO_5227),
        ("a_probe_teaches_nothing", DISAGREES_PROBE),
        ("a_reply_from_our_address_is_a_conflict", NO_5227),
        ("a_request_from_our_address_is_a_conflict", NO_5227),
        ("an_address_is_defended_once_in_ten_seconds_at_most", NO_5227),
        ("an_announcement_updates_a_neighbour", DISAGREES_TARGET),
        ("our_address_is_no_neighbour", NO_5227),
        ("our_own_packet_is_no_conflict", NO_5227),
        ("a_request_for_another_updates_a_known_sender", DISAGREES_TARGET),
        ("an_answer_is_taken_whatever_its_target_fields", DISAGREES_TARGET),
        ("a_failed_neighbour_that_speaks_is_used_at_once", NEVER_UNREACHABLE),
        ("a_neighbour_that_nobody_sends_to_is_left_alone", NEVER_UNREACHABLE),
        ("a_next_hop_that_no_host_can_be_is_handed_back", NEVER_UNREACHABLE),
        ("a_silent_neighbour_s_datagrams_come_back", NEVER_UNREACHABLE),
        ("after_a_failure_the_neighbour_gets_another_chance", NEVER_UNREACHABLE),
        ("an_unsolicited_reply_teaches_nothing", DISAGREES_UNSOLICITED),
        ("each_neighbour_is_asked_for_by_itself", DISAGREES_LIMIT),
        ("the_request_comes_from_the_datagram_s_address", DISAGREES_LIMIT),
        ("what_waits_for_one_neighbour_is_bounded", "its queue drops what comes last"),
        ("a_change_that_makes_no_sense_is_refused", NO_STATIC),
        ("a_flood_of_requests_is_bounded", NO_STATIC),
        ("a_flush_keeps_static_entries", NO_STATIC),
        ("a_removed_entry_is_gone", NO_STATIC),
        ("a_scan_of_the_net_is_bounded", NO_STATIC),
        ("a_static_entry_does_not_age", NO_STATIC),
        ("a_static_entry_is_not_changed_by_the_wire", NO_STATIC),
        ("a_static_entry_is_used_without_a_question", NO_STATIC),
        ("a_static_entry_lets_go_what_waits", NO_STATIC),
        ("an_entry_shows_what_is_known_and_what_waits", NOT_SHOWN),
        ("counters_have_names_and_their_rows_stay", NOT_SHOWN),
        ("entries_are_in_the_order_of_their_addresses", NO_STATIC),
        ("what_is_discarded_is_counted", NOT_SHOWN),
    ]
);
