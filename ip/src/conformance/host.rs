//! What the cases act on: an implementation between two queues, on virtual time.

mod configuring;
mod receiving;
mod sending;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use netdev::conformance::{Bench, Record, Subject};
use netdev::{Direction, Instant, Medium, Packet};

use super::Make;
use super::wire::Wire;
use crate::{
    Cause, Change, DropReason, Header, Hop, IfIndex, Interface, Internet, NextHop, Offload,
    Protocol, Quoted, Report, RouteEntry, RouteOrigin,
};

/// 127.0.0.1/8.
pub const LO: IfIndex = IfIndex(0);
/// 10.0.0.1/24 behind an MTU of 1500, with the default gateway 10.0.0.254.
pub const NEAR: IfIndex = IfIndex(1);
/// 10.0.1.1/24 behind an MTU of 600, where a case asks for it.
pub const FAR: IfIndex = IfIndex(2);

/// A wait calls `poll` so many times at most: one that asks for more runs in circles.
const MOST_POLLS: usize = 10_000;

/// An [`Internet`] under test.
pub struct Host {
    ip: Box<dyn Internet>,
    now: Instant,
    record: Record,
}

/// A datagram that left, towards the next hop.
#[derive(Clone, Debug)]
pub struct Sent {
    /// By which interface.
    pub iface: IfIndex,
    /// To whom.
    pub hop: Hop,
    /// What its header says: well formed, and with the right checksum.
    pub wire: Wire,
    /// Its bytes.
    pub packet: Packet,
}

#[derive(Default)]
struct Below(Vec<(IfIndex, Hop, Packet)>);

impl NextHop for Below {
    fn send(&mut self, _now: Instant, iface: IfIndex, hop: Hop, packet: Packet) {
        self.0.push((iface, hop, packet));
    }
}

impl Bench<Make> for Host {
    fn new(subject: &Subject<Make>) -> Host {
        let record = subject.record.clone();
        let mut host = Host { ip: subject.make(), now: Instant::ZERO, record };
        host.configure(Change::SetInterface(Interface {
            medium: Medium::Ip,
            loopback: true,
            ..link(LO, "127.0.0.1/8", 65_536)
        }));
        host.configure(Change::SetInterface(link(NEAR, "10.0.0.1/24", 1500)));
        host.configure(Change::AddRoute(via("0.0.0.0/0", "10.0.0.254", NEAR)));
        host
    }
}

/// An Ethernet with one address.
pub(super) fn link(index: IfIndex, cidr: &str, mtu: usize) -> Interface {
    Interface {
        index,
        name: format!("tap{}", index.0),
        addrs: vec![cidr.parse().expect("an address with a prefix")],
        mtu,
        medium: Medium::Ethernet,
        loopback: false,
        up: true,
        offload: Offload::default(),
    }
}

/// A route by a gateway.
pub(super) fn via(dst: &str, gateway: &str, iface: IfIndex) -> RouteEntry {
    RouteEntry { gateway: Some(addr(gateway)), ..onlink(dst, iface) }
}

/// A route to neighbours.
pub(super) fn onlink(dst: &str, iface: IfIndex) -> RouteEntry {
    RouteEntry {
        dst: dst.parse().expect("an address with a prefix"),
        gateway: None,
        iface,
        metric: 0,
        source: None,
        origin: RouteOrigin::Static,
    }
}

pub(super) fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) fn neighbour(text: &str) -> Hop {
    Hop::Neighbour(addr(text))
}

/// UDP from the route's source to `dst`.
pub(super) fn header(dst: &str) -> Header {
    Header::new(addr("0.0.0.0"), addr(dst), Protocol::UDP)
}

/// So many bytes, no two neighbours of which are the same.
pub(super) fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// The datagram of 10.0.0.1 to `dst`, `len` bytes long in all, as an ICMP error quotes it.
pub(super) fn quoted(dst: &str, len: usize) -> Quoted {
    let wire = Wire { payload: data(len - 20), ..Wire::between("10.0.0.1", dst) };
    Quoted::parse(&wire.bytes()).expect("a quote")
}

impl Host {
    /// An ICMP error about what the host sent comes from `from`.
    pub fn learns(&mut self, from: &str, cause: Cause, quoted: &Quoted) {
        self.ip.error(self.now, addr(from), cause, quoted);
        let Quoted { src, dst, total_len, .. } = quoted;
        let about = format!("{src} > {dst}, {total_len} bytes");
        self.note(format_args!("{from} says of {about}: {cause}"), "");
    }

    /// Time passes; what is due in it is done when it is due. Gives what was to be told.
    #[track_caller]
    pub fn wait(&mut self, time: Duration) -> Vec<Report> {
        let end = self.now + time;
        let mut reports = Vec::new();
        let mut polls = 0;
        while let Some(due) = self.ip.poll_at().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            reports.extend(self.poll());
            polls += 1;
            if polls > MOST_POLLS {
                self.record.fail("poll does what is due", format_args!("over {MOST_POLLS} times"));
            }
        }
        self.now = end;
        reports.extend(self.poll());
        reports
    }

    #[track_caller]
    fn poll(&mut self) -> Vec<Report> {
        let mut below = Below::default();
        let reports = self.ip.poll(self.now, &mut below);
        let told: Vec<String> = reports.iter().map(|report| report.cause.to_string()).collect();
        self.note("poll", told.join(", "));
        let sent = self.took(below);
        self.nothing_sent(&sent);
        reports
    }

    /// A counter of drops.
    #[track_caller]
    pub fn count(&self, reason: DropReason) -> u64 {
        let row = self.ip.counters().into_iter().find(|row| row.name == reason.to_string());
        row.map(|row| row.count).unwrap_or_else(|| {
            self.record.fail(format_args!("a counter `{reason}`"), "none of this name")
        })
    }

    /// The implementation, for what has no step of its own.
    pub fn ip(&self) -> &dyn Internet {
        &*self.ip
    }

    /// What happened so far, and where expectations are written down.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// That two strings of bytes are the same; says where they are not.
    #[track_caller]
    pub fn same_bytes(&self, what: &str, seen: &[u8], expected: &[u8]) {
        if seen == expected {
            return;
        }
        let at = seen.iter().zip(expected).position(|(a, b)| a != b);
        let part = |bytes: &[u8]| {
            let from = at.unwrap_or(bytes.len().min(expected.len())).saturating_sub(4);
            let to = (from + 12).min(bytes.len());
            format!("{} bytes, of which {from}..: {:02x?}", bytes.len(), &bytes[from.min(to)..to])
        };
        self.record.fail(format_args!("{what}: {}", part(expected)), part(seen));
    }

    #[track_caller]
    fn nothing_sent(&self, sent: &[Sent]) {
        if let Some(sent) = sent.first() {
            self.record.fail("nothing is sent", format_args!("{} to {:?}", sent.wire, sent.hop));
        }
    }

    /// What left; each datagram must be well formed.
    #[track_caller]
    fn took(&mut self, below: Below) -> Vec<Sent> {
        let mut all = Vec::new();
        for (iface, hop, packet) in below.0 {
            self.capture(Direction::Tx, iface, &packet);
            match Wire::read(&packet) {
                Ok(wire) => {
                    self.record.step(self.now, format_args!("out  {iface} to {hop:?}: {wire}"), "");
                    all.push(Sent { iface, hop, wire, packet });
                }
                Err(what) => self.record.fail("a well-formed datagram is sent", what),
            }
        }
        all
    }

    fn capture(&self, direction: Direction, iface: IfIndex, packet: &Packet) {
        let name = match iface {
            LO => "lo",
            NEAR => "near",
            FAR => "far",
            _ => "other",
        };
        self.record.packet(self.now, name, Medium::Ip, direction, packet);
    }

    /// A step, with its outcome and the counters that are not zero.
    fn note(&self, what: impl fmt::Display, outcome: impl fmt::Display) {
        let counters = self.ip.counters();
        let counted = counters.iter().filter(|row| row.count > 0);
        let counted: Vec<String> =
            counted.map(|row| format!("{} {}", row.count, row.name)).collect();
        let due = self.ip.poll_at().map(|due| format!("due at {due}"));
        let parts = [outcome.to_string(), counted.join(", "), due.unwrap_or_default()];
        let parts: Vec<&str> =
            parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        self.record.step(self.now, what, parts.join("; "));
    }
}
