//! A host of smoltcp's, whose Ethernet is two queues of frames.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use netdev::{Instant, MacAddr};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, Checksum, DeviceCapabilities};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};

pub(crate) const MY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xfe]);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
/// The host of the kits of ICMP and UDP.
const ADDRS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 168, 0, 1)];

pub(crate) struct Host {
    pub(crate) iface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    link: Queues,
    next: Option<Instant>,
}

impl Host {
    /// Without an address.
    pub(crate) fn bare(seed: u64) -> Host {
        let mut link = Queues::default();
        let address = HardwareAddress::Ethernet(EthernetAddress(MY_MAC.0));
        let mut config = Config::new(address);
        config.random_seed = seed;
        let iface = Interface::new(config, &mut link, smoltcp::time::Instant::ZERO);
        Host { iface, sockets: SocketSet::new(Vec::new()), link, next: None }
    }

    /// With the addresses and the default route of the kits of ICMP and UDP.
    pub(crate) fn addressed(seed: u64) -> Host {
        let mut host = Host::bare(seed);
        for addr in ADDRS {
            host.add_address(addr);
        }
        host.iface.routes_mut().add_default_ipv4_route(ROUTER).expect("room for a route");
        host
    }

    /// `false` where there is no room for it.
    pub(crate) fn add_address(&mut self, addr: Ipv4Addr) -> bool {
        let mut added = false;
        self.iface.update_ip_addrs(|addrs| {
            added = addrs.push(IpCidr::new(addr.into(), 24)).is_ok();
        });
        added
    }

    /// Lets the host do what is to be done now; gives the frames that it sent.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let at = smoltcp::time::Instant::from_micros(now.micros() as i64);
        self.iface.poll(at, &mut self.link, &mut self.sockets);
        let next = self.iface.poll_at(at, &self.sockets);
        self.next = next.map(|next| Instant::from_micros(next.total_micros() as u64));
        self.link.tx.drain(..).collect()
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.next
    }

    /// A frame arrives, and is looked at by the next [`Host::poll`].
    pub(crate) fn receive(&mut self, dst: MacAddr, src: MacAddr, ethertype: u16, payload: &[u8]) {
        let ethertype = ethertype.to_be_bytes();
        self.link.rx.push_back([&dst.0[..], &src.0, &ethertype, payload].concat());
    }

    /// The next hop to `addr` tells where it is, so that no answer waits for ARP. (What smoltcp
    /// has to answer while it does not know that, it forgets.)
    pub(crate) fn know(&mut self, now: Instant, addr: Ipv4Addr) {
        let on_link = |own: &Ipv4Addr| own.octets()[..3] == addr.octets()[..3];
        let own = *ADDRS.iter().find(|own| on_link(own)).unwrap_or(&ADDRS[0]);
        let hop = if on_link(&own) { addr } else { ROUTER };
        let mut reply = vec![0, 1, 8, 0, 6, 4, 0, 2];
        reply.extend(ROUTER_MAC.0);
        reply.extend(hop.octets());
        reply.extend(MY_MAC.0);
        reply.extend(own.octets());
        self.receive(MY_MAC, ROUTER_MAC, 0x0806, &reply);
        assert!(self.poll(now).is_empty(), "a reply is not answered");
    }

    /// An IP datagram arrives, in a frame to `dst`.
    pub(crate) fn receive_datagram(&mut self, dst: MacAddr, datagram: &[u8]) {
        self.receive(dst, ROUTER_MAC, 0x0800, datagram);
    }
}

#[derive(Default)]
struct Queues {
    rx: VecDeque<Vec<u8>>,
    tx: VecDeque<Vec<u8>>,
}

impl phy::Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received, Transmit<'_>)> {
        Some((Received(self.rx.pop_front()?), Transmit(&mut self.tx)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Transmit<'_>> {
        Some(Transmit(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = phy::Medium::Ethernet;
        // No fragments: the kits are about the layers above them.
        capabilities.max_transmission_unit = 14 + 65_535;
        // IP's checksum is looked at before what the kits are about is reached.
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Transmit<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}
