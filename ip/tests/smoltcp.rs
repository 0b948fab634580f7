//! The kit's MUST cases on packets alone, held against smoltcp: a stack that others wrote, and so
//! a judge of the cases. One that it does not keep is suspect, or smoltcp has a reason; both are
//! written down here.
//!
//! smoltcp is behind the trait as a raw socket on a bare IP link. That sees what passed the checks
//! of the header and of the source, and was reassembled, but before smoltcp asks for whom it is;
//! and no next hop is seen on such a link. So the chapters about addresses, routes, forwarding and
//! what ICMP teaches have no counterpart here, and of a header the raw socket passes addresses,
//! protocol and TTL alone.

use std::collections::VecDeque;
use std::net::IpAddr;

use ip::conformance::{KIT, Make, NEAR, broken_fragments, fragmenting, input_checks, reassembly};
use ip::{
    Cause, Change, Datagram, DropReason, Error, Header, Hop, IfIndex, Input, Interface, Internet,
    NextHop, Protocol, Quoted, Report, Route, RouteEntry, SendError, Ttl,
};
use netdev::conformance::{Level, grade};
use netdev::{Cast, Counter, Instant, Packet, Reason};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::raw;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Packet, Ipv4Repr};

/// MUST cases that smoltcp does not keep.
const DISAGREEMENTS: &[(&str, &str)] = &[
    ("this_network_is_no_source", "0/8 passes for unicast, and 0.0.0.0 to any destination"),
    ("loopback_is_no_source_on_a_link", "127/8 passes for unicast"),
    ("fragments_have_the_type_of_service_of_the_datagram", "it sends none"),
    ("later_fragments_have_the_copied_options_alone", "it sends no options"),
    ("the_longest_header_fits_the_least_mtu", "it sends no options"),
    ("the_longest_datagram_has_65535_bytes", "it has no loopback interface"),
    ("a_fragment_of_a_fragment_keeps_its_place", "it forwards nothing"),
    ("a_datagram_is_fragmented_on_its_way", "it forwards nothing"),
    ("the_header_is_the_first_fragment_s", "it is that of the fragment that came last"),
    ("the_options_are_the_first_fragment_s", "it ignores options"),
    ("after_the_timeout_the_source_is_told", "it gives up in silence"),
    ("without_fragment_zero_nobody_is_told", "it gives up in silence, fragment zero or not"),
    ("congestion_that_one_fragment_met_is_the_datagram_s", "it knows no ECN"),
    ("congestion_is_not_laid_on_who_does_not_speak_of_it", "it knows no ECN"),
    ("a_datagram_beyond_65535_bytes_is_refused", "the sum of header and data overflows"),
    ("the_first_fragment_s_header_counts_too", "it forgets the options"),
];

#[test]
fn smoltcp_keeps_what_must_be_kept() {
    let chapters =
        [input_checks::CASES, fragmenting::CASES, reassembly::CASES, broken_fragments::CASES];
    assert!(chapters.iter().all(|chapter| KIT.iter().any(|of| of.as_ptr() == chapter.as_ptr())));
    let make: Make = |seed| Box::new(Smoltcp::new(seed));
    let grade = grade("smoltcp", &chapters, make);
    println!("{grade}");
    let failed: Vec<&str> = grade
        .marks
        .iter()
        .filter(|mark| mark.level == Level::Must && mark.failure.is_some())
        .map(|mark| mark.case.rsplit("::").next().expect("a name"))
        .collect();
    let known: Vec<&str> = DISAGREEMENTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(failed, known);
}

/// smoltcp's interface, in the place of one of ours.
struct Smoltcp {
    iface: smoltcp::iface::Interface,
    device: Queues,
    sockets: SocketSet<'static>,
    raw: SocketHandle,
    seed: u64,
    known: Option<Interface>,
}

impl Smoltcp {
    fn new(seed: u64) -> Smoltcp {
        let meta = || vec![raw::PacketMetadata::EMPTY; 4];
        let buffer = || raw::PacketBuffer::new(meta(), vec![0; 2 << 16]);
        let mut sockets = SocketSet::new(vec![]);
        let raw = sockets.add(raw::Socket::new(None, None, buffer(), buffer()));
        let mut device = Queues { rx: VecDeque::new(), tx: Vec::new(), mtu: 1500 };
        let iface = smoltcp_interface(seed, &mut device);
        Smoltcp { iface, device, sockets, raw, seed, known: None }
    }

    /// Lets it do what there is to do, and passes on what it sent.
    fn drive(&mut self, now: Instant, below: &mut dyn NextHop) {
        let now_theirs = smoltcp::time::Instant::from_micros((now.nanos() / 1000) as i64);
        loop {
            self.iface.poll(now_theirs, &mut self.device, &mut self.sockets);
            if self.device.tx.is_empty() {
                break;
            }
            for bytes in self.device.tx.drain(..) {
                let dst = Ipv4Packet::new_unchecked(&bytes).dst_addr();
                below.send(now, NEAR, Hop::Neighbour(dst.into()), Packet::from_payload(&bytes));
            }
        }
    }

    /// What reached the socket.
    fn received(&mut self) -> Option<Datagram> {
        let socket = self.sockets.get_mut::<raw::Socket<'_>>(self.raw);
        let mut packet = Packet::from_payload(socket.recv().ok()?);
        let ip = Ipv4Packet::new_unchecked(&packet[..]);
        let (src, dst) = (ip.src_addr().into(), ip.dst_addr().into());
        let header = Header {
            ttl: Ttl(ip.hop_limit()),
            dont_fragment: ip.dont_frag(),
            ..Header::new(src, dst, Protocol(ip.next_header().into()))
        };
        packet.strip(20);
        let cast = Cast::Unicast;
        Some(Datagram { header, iface: NEAR, cast, header_len: 20, payload: packet })
    }
}

impl Internet for Smoltcp {
    fn input(
        &mut self,
        now: Instant,
        _iface: IfIndex,
        _cast: Cast,
        packet: Packet,
        below: &mut dyn NextHop,
    ) -> Input {
        let fragment = packet.len() > 7 && u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
        self.device.rx.push_back(packet.to_vec());
        self.drive(now, below);
        match self.received() {
            Some(datagram) => Input::Deliver(datagram),
            // It does not tell a fragment that waits from one that was dropped.
            None if fragment => Input::Consumed,
            None => Input::Dropped(DropReason::NotForUs),
        }
    }

    fn send(
        &mut self,
        now: Instant,
        header: &Header,
        packet: Packet,
        below: &mut dyn NextHop,
    ) -> Result<(), SendError> {
        let refused = |cause, packet| Err(SendError { cause, packet });
        let (Ok(route), IpAddr::V4(dst)) = (self.route(now, header.dst, None), header.dst) else {
            return refused(Cause::NetworkUnreachable, packet);
        };
        let IpAddr::V4(src_addr) = route.source else {
            return refused(Cause::NetworkUnreachable, packet);
        };
        if packet.len() + 20 > usize::from(u16::MAX) {
            return refused(Cause::FragmentationNeeded { mtu: u16::MAX }, packet);
        }
        // smoltcp fragments whatever is too long: DF cannot be asked for.
        if header.dont_fragment && packet.len() + 20 > route.mtu {
            return refused(Cause::FragmentationNeeded { mtu: route.mtu as u16 }, packet);
        }
        let repr = Ipv4Repr {
            src_addr,
            dst_addr: dst,
            next_header: header.protocol.0.into(),
            payload_len: packet.len(),
            hop_limit: header.ttl.0,
        };
        let socket = self.sockets.get_mut::<raw::Socket<'_>>(self.raw);
        let Ok(room) = socket.send(20 + packet.len()) else {
            return refused(Cause::FragmentationNeeded { mtu: u16::MAX }, packet);
        };
        repr.emit(&mut Ipv4Packet::new_unchecked(&mut room[..]), &Default::default());
        room[20..].copy_from_slice(&packet);
        self.drive(now, below);
        Ok(())
    }

    fn route(&self, _now: Instant, dst: IpAddr, _src: Option<IpAddr>) -> Result<Route, Cause> {
        let known = self.known.as_ref().ok_or(Cause::NetworkUnreachable)?;
        Ok(Route {
            source: known.addrs.first().ok_or(Cause::NetworkUnreachable)?.addr,
            iface: NEAR,
            hop: Hop::Neighbour(dst),
            mtu: known.mtu,
            local: false,
            offload: known.offload,
        })
    }

    fn error(&mut self, _: Instant, _: IpAddr, _: Cause, _: &Quoted) {}

    fn poll(&mut self, now: Instant, below: &mut dyn NextHop) -> Vec<Report> {
        self.drive(now, below);
        Vec::new()
    }

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        self.iface.ip_addrs().iter().any(|own| IpAddr::from(own.address()) == addr)
    }

    fn configure(&mut self, _: Instant, change: Change) -> Result<(), Error> {
        match change {
            Change::SetInterface(interface) if interface.index == NEAR => {
                self.device.mtu = interface.mtu;
                self.iface = smoltcp_interface(self.seed, &mut self.device);
                self.iface.update_ip_addrs(|addrs| {
                    for own in &interface.addrs {
                        let IpAddr::V4(addr) = own.addr else { continue };
                        let cidr = IpCidr::new(addr.into(), own.prefix);
                        addrs.push(cidr).expect("room for an address");
                    }
                });
                self.known = Some(interface);
                Ok(())
            }
            // There is none, and no route is needed where there is but one other end.
            Change::SetInterface(interface) if interface.loopback => Ok(()),
            Change::AddRoute(_) => Ok(()),
            _ => Err(Error::Unsupported("be configured like this")),
        }
    }

    fn interfaces(&self) -> Vec<Interface> {
        self.known.clone().into_iter().collect()
    }

    fn routes(&self) -> Vec<RouteEntry> {
        Vec::new()
    }

    fn counters(&self) -> Vec<Counter> {
        DropReason::ALL.iter().map(|r| Counter { name: r.text(), count: 0 }).collect()
    }
}

fn smoltcp_interface(seed: u64, device: &mut Queues) -> smoltcp::iface::Interface {
    let mut config = smoltcp::iface::Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    smoltcp::iface::Interface::new(config, device, smoltcp::time::Instant::ZERO)
}

/// A bare IP link that is two queues.
struct Queues {
    rx: VecDeque<Vec<u8>>,
    tx: Vec<Vec<u8>>,
    mtu: usize,
}

struct Received(Vec<u8>);

struct Sending<'a>(&'a mut Vec<Vec<u8>>);

impl phy::Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received, Sending<'_>)> {
        Some((Received(self.rx.pop_front()?), Sending(&mut self.tx)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = vec![0; len];
        let result = f(&mut bytes);
        self.0.push(bytes);
        result
    }
}
