//! smoltcp's device: two queues of datagrams.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use etherparse::{IpNumber, Ipv4Header, Ipv4Slice};
use ip::{Header, Protocol, Tos};
use netdev::Packet;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

pub(super) struct Queues {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    pub(super) mtu: usize,
}

impl Queues {
    pub(super) fn new() -> Queues {
        Queues { received: VecDeque::new(), sent: Vec::new(), mtu: 1500 }
    }

    /// A segment arrives under its IP header.
    pub(super) fn arrive(&mut self, header: &Header, segment: &Packet) {
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (header.src, header.dst) else { return };
        let Ok(len) = u16::try_from(segment.len()) else { return };
        let ipv4 = Ipv4Header::new(len, header.ttl.0, IpNumber::TCP, src.octets(), dst.octets());
        let mut datagram = Vec::new();
        ipv4.expect("a length that fits").write(&mut datagram).expect("memory");
        datagram.extend(&segment[..]);
        self.received.push_back(datagram);
    }

    /// What was sent, each segment with its IP header.
    pub(super) fn take_sent(&mut self) -> Vec<(Header, Packet)> {
        std::mem::take(&mut self.sent).iter().map(|datagram| unwrap(datagram)).collect()
    }
}

fn unwrap(datagram: &[u8]) -> (Header, Packet) {
    let slice = Ipv4Slice::from_slice(datagram).expect("smoltcp writes whole datagrams");
    let ipv4 = slice.header();
    let [src, dst] = [ipv4.source(), ipv4.destination()].map(Ipv4Addr::from).map(IpAddr::V4);
    let tos = Tos(ipv4.dcp().value() << 2 | ipv4.ecn().value());
    let header = Header { tos, ..Header::new(src, dst, Protocol::TCP) };
    (header, Packet::from_payload(slice.payload().payload))
}

impl Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Transmit<'_>)> {
        let datagram = self.received.pop_front()?;
        Some((Received(datagram), Transmit(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmit<'_>> {
        Some(Transmit(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

pub(super) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(super) struct Transmit<'a>(&'a mut Vec<Vec<u8>>);

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut datagram = vec![0; len];
        let result = f(&mut datagram);
        self.0.push(datagram);
        result
    }
}
