//! Two whole stacks with their sockets, and the fuzzer as the link between them, as a third host
//! that forges packets, and as the programs.
//!
//! Frames wait at the link until the fuzzer delivers, loses, doubles, overtakes, cuts or corrupts
//! them. It forges anything in the name of a third host; in the name of the two it forges what an
//! attacker may who sees every number, but with the bytes that the stream has at that place: who
//! can see a connection can also write into it, and no TCP can tell (RFC 9293 §7).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{Handle, Protocol, SocketError};
use netdev::{Device as _, Instant, Packet, Wire, WireEnd, sooner};
use socket::Stack;
use tcp::testing::pattern;
use tcp::{KeepAlive, ReceiveFlags, SendFlags, Setting, Shutdown, State};

mod link;
mod programs;
mod third_host;

use super::choices::Choices;
use super::forge::{self, ACK, SYN, Segment};
use crate::probe;
use crate::virtual_net::{attach, counter, echo_request, mac, rfc9293, small, stack as new_stack};

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
/// The third host's number, of its addresses.
const THIRD: u8 = 9;
const THIRD_ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, THIRD);
const STREAMS: u16 = 80;
const DATAGRAMS: u16 = 7;
/// Frames that wait at the link in one direction at most; the oldest are lost.
const QUEUE: usize = 512;
/// Connections that the programs have at most.
const CONNECTIONS: usize = 4;
/// Datagrams that the programs send at most.
const MOST_DATAGRAMS: usize = 64;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Two stacks and a hostile network between them.
pub fn stack(data: &[u8]) {
    let mut net = Net::new(Choices::new(data));
    while let Some(event) = net.choices.next() {
        net.event(event);
        net.settle();
    }
    net.read_everything();
    net.count();
}

/// A frame at the link.
struct Frame {
    bytes: Vec<u8>,
    /// A bit of it was flipped. One: that is seen by every checksum, two may cancel each other out.
    flipped: bool,
}

/// One end of a connection.
#[derive(Clone, Copy)]
struct End {
    handle: Handle,
    written: usize,
    read: usize,
}

/// A connection from host 0 or 1 to the other.
struct Connection {
    from: usize,
    port: u16,
    ends: [Option<End>; 2],
}

struct Net<'a> {
    choices: Choices<'a>,
    stacks: [Stack; 2],
    /// The link's ends, each towards the stack of the same number.
    link: [WireEnd; 2],
    now: Instant,
    /// What each stack sent, for the other.
    queues: [VecDeque<Frame>; 2],
    /// The datagrams of each stack that a bit was flipped in one fragment of: one checksum is over
    /// all fragments.
    flipped: BTreeSet<(usize, [u8; 2])>,
    /// Frames that each stack was given.
    given: [u64; 2],
    listeners: [Handle; 2],
    connections: Vec<Connection>,
    udp: [Handle; 2],
    raw: [Handle; 2],
    /// Every datagram that was sent, by its number: its length.
    datagrams: BTreeMap<u32, usize>,
    /// What the third host opened and a program accepted.
    strangers: Vec<(usize, Handle)>,
    ident: u16,
}

impl<'a> Net<'a> {
    fn new(mut choices: Choices<'a>) -> Net<'a> {
        let kind = choices.byte();
        let mut stacks = [kind & 1, kind >> 1 & 1]
            .map(|which| new_stack(if which == 0 { rfc9293 } else { small }, which.into()));
        let [a, b] = [(); 2].map(|()| Wire::pair(Duration::ZERO));
        let (mut listeners, mut udp, mut raw) = (Vec::new(), Vec::new(), Vec::new());
        for (number, device) in [a.1, b.1].into_iter().enumerate() {
            let stack = &mut stacks[number];
            let cidr = format!("{}/24", HOSTS[number]);
            attach(stack, device, number as u8 + 1, &cidr, Some("10.0.0.254"));
            stack
                .configure(Instant::ZERO, ip::Change::Forwarding(kind & 4 != 0))
                .expect("a router");
            let here = |port| SocketAddr::new([0, 0, 0, 0].into(), port);
            let listener = stack.with_tcp(Instant::ZERO, |tcp, out| {
                let socket = tcp.open()?;
                tcp.bind(socket, here(STREAMS), out)?;
                tcp.listen(socket, 4).map(|()| socket)
            });
            listeners.push(listener.expect("a listener"));
            let datagrams = stack.with_udp(Instant::ZERO, |udp, out| {
                let socket = udp.open()?;
                udp.bind(socket, here(DATAGRAMS), out).map(|()| socket)
            });
            udp.push(datagrams.expect("a UDP socket"));
            let open = stack.with_raw(Instant::ZERO, |raw, _| raw.open(Some(Protocol::ICMP)));
            raw.push(open.expect("a raw socket"));
        }
        let two = |all: Vec<Handle>| [all[0], all[1]];
        let mut net = Net {
            choices,
            stacks,
            link: [a.0, b.0],
            now: Instant::ZERO,
            queues: Default::default(),
            flipped: BTreeSet::new(),
            given: [0; 2],
            listeners: two(listeners),
            connections: Vec::new(),
            udp: two(udp),
            raw: two(raw),
            datagrams: BTreeMap::new(),
            strangers: Vec::new(),
            ident: 0x8000,
        };
        // Most of what there is to find lies behind a connection that is there.
        if kind & 8 == 0 {
            net.connect();
            net.calm(Duration::from_millis(10));
        }
        net
    }

    fn event(&mut self, event: u8) {
        match event % 32 {
            0..=3 => self.deliver(),
            4 => self.lose(),
            5 => self.double(),
            6 => self.corrupt(),
            7 => self.fragment(),
            8..=10 => {
                let time = self.choices.time();
                self.calm(time);
            }
            11 => {
                let time = self.choices.time();
                self.pass(time);
            }
            12..=14 => self.send(),
            15..=17 => self.receive(),
            18 => self.connect(),
            19 => self.accept(),
            20 => self.end(),
            21 => self.set(),
            22..=24 => self.forge_segment(),
            25 => self.forge_stranger(),
            26 => self.forge_error(),
            27 => self.forge_datagram(),
            28 => self.forge_arp(),
            29 => self.forge_frame(),
            30 => self.send_datagram(),
            _ => self.ping(),
        }
    }

    // What holds at the end.

    fn read_everything(&mut self) {
        for host in 0..2 {
            for place in 0..self.connections.len() {
                while self.receive_from(place, host, 1 << 16, false) > 0 {}
            }
            self.receive_datagrams(host);
        }
    }

    /// Nothing vanished without a count, and no table grew beyond what it is for.
    fn count(&self) {
        for (number, stack) in self.stacks.iter().enumerate() {
            let count = |layer, name| counter(stack, layer, name);
            let interfaces = stack.interfaces();
            assert_eq!(interfaces[1].stats.rx_packets, self.given[number], "frames received");
            let received: u64 = interfaces.iter().map(|i| i.stats.rx_packets).sum();
            assert!(count("ip", "datagrams received") <= received);
            let carried = count("tcp", "segments received")
                + count("udp", "datagrams received")
                + count("icmp", "messages received")
                + count("ip", "IGMP messages received")
                + count("stack", "unknown protocol");
            assert_eq!(count("ip", "datagrams delivered"), carried, "host {number}");
            let sockets = stack.tcp_sockets(self.now).len();
            assert!(sockets < 1000, "{sockets} connections");
            let neighbours = stack.arp_entries(self.now).len();
            assert!(neighbours <= arp::Config::default().entries, "{neighbours} neighbours");
        }
    }
}
