//! The resolver trait: what address resolution is to the layers around it.

use std::net::IpAddr;
use std::time::Duration;

use netdev::{Counter, EtherType, Instant, MacAddr, Packet};

/// What a resolver needs from below: a link that frames and sends.
///
/// `packet` is what the frame carries, without the Ethernet header. The link never fails from
/// here: what it drops, it counts.
pub trait Link {
    /// Sends `packet` to `dst` in a frame of type `ethertype`.
    fn transmit(&mut self, now: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet);
}

/// Finds the link address of a next hop, and holds packets back until it is known.
///
/// One resolver serves one interface. Who calls: the stack's glue. [`Resolver::send`] for each IP
/// datagram that leaves for a unicast next hop, [`Resolver::input`] for each received frame of
/// type ARP (without its Ethernet header), [`Resolver::poll`] when [`Resolver::poll_at`] is due.
pub trait Resolver: Send {
    /// Sends an IP datagram to the neighbour `hop`, now or when its address is known. What
    /// becomes of it later comes out of [`Resolver::input`] or [`Resolver::poll`].
    fn send(&mut self, now: Instant, hop: IpAddr, packet: Packet, link: &mut dyn Link) -> Event;

    /// Takes a received ARP packet.
    fn input(&mut self, now: Instant, packet: Packet, link: &mut dyn Link) -> Event;

    /// Repeats requests and lets entries age.
    fn poll(&mut self, now: Instant, link: &mut dyn Link) -> Event;

    /// When [`Resolver::poll`] has something to do next; `None`: not before another call.
    fn poll_at(&self) -> Option<Instant>;

    /// A layer above knows that `hop` still receives what is sent to it (TCP saw new data
    /// acknowledged, RFC 1122 §2.3.2.1): its entry need not be asked for again yet. Not an error
    /// where there is no such entry.
    fn confirm(&mut self, now: Instant, hop: IpAddr);

    /// The opposite: what is sent to `hop` seems to be lost (RFC 1122 §3.3.1.4, "negative
    /// advice"), so its entry is to be asked for again before it is relied on much longer.
    fn doubt(&mut self, now: Instant, hop: IpAddr) {
        let _ = (now, hop);
    }

    /// Changes the interface's own addresses or the table.
    fn configure(&mut self, now: Instant, change: Change, link: &mut dyn Link)
    -> Result<(), Error>;

    /// The table as a person sees it, ordered by address.
    fn entries(&self, now: Instant) -> Vec<Entry>;

    /// Every counter, the ones at zero too.
    fn counters(&self) -> Vec<Counter>;

    /// Who said lately that it is where, whether it was believed or not, ordered by address; empty
    /// where no such log is kept.
    fn sightings(&self) -> Vec<Sighting> {
        Vec::new()
    }
}

/// What a host on the link said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its address.
    pub addr: IpAddr,
    /// Its link address, as of the last time.
    pub mac: MacAddr,
    /// The one before that, if it ever changed.
    pub before: Option<MacAddr>,
    /// How often it changed: a host that moved, or two that pretend to be one.
    pub changes: u64,
    /// When it first spoke.
    pub first: Instant,
    /// When it last spoke.
    pub last: Instant,
}

/// What came of a call.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "packets that cannot be delivered are in it"]
pub enum Event {
    /// Nothing that concerns anybody else.
    #[default]
    None,
    /// Neighbours did not answer; here are the datagrams that waited for them, oldest first, as
    /// they were given to [`Resolver::send`]. Their senders are to be told "host unreachable".
    Unreachable(Vec<Packet>),
    /// Nobody else has an address that was probed for: it is in use from now on (RFC 5227 §2.3).
    Claimed {
        /// The address.
        addr: IpAddr,
    },
    /// Another host uses one of our own addresses (RFC 5227 §2.4), or one that was being probed
    /// for, which is then not used (§2.1.1).
    Conflict {
        /// The address.
        addr: IpAddr,
        /// Who else uses it.
        mac: MacAddr,
    },
    /// Another host goes on using one of our own addresses though it was defended (RFC 5227 §2.4
    /// (b)). It is not answered for any more: whoever gave it must take it out of use.
    Lost {
        /// The address.
        addr: IpAddr,
        /// Who else uses it.
        mac: MacAddr,
    },
}

/// A change to a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Answer requests for this address from now on, and ask from it.
    AddAddress(IpAddr),
    /// The same, but only when nobody else on the link has it; [`Event::Claimed`] or
    /// [`Event::Conflict`] tells some seconds later (RFC 5227 §2.1). An own address goes on being
    /// used while it is probed for, and until whoever added it takes it away after a conflict.
    ProbeAddress(IpAddr),
    /// Tell everybody on the link that an own address is here (RFC 5227 §2.3).
    Announce(IpAddr),
    /// No longer.
    RemoveAddress(IpAddr),
    /// Answer requests for the addresses of a network, which are behind this router (RFC 1027):
    /// an address in it, and bits of prefix.
    AddProxy(IpAddr, u8),
    /// No longer.
    RemoveProxy(IpAddr, u8),
    /// A permanent entry (`arp -s`).
    AddStatic(IpAddr, MacAddr),
    /// Forget an entry of any kind (`arp -d`).
    Remove(IpAddr),
    /// Forget every entry but the permanent ones: the link went down and up.
    Flush,
}

/// Why a change was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This resolver cannot do it.
    #[error("this address resolution cannot {0}")]
    Unsupported(&'static str),
    /// Not in the table.
    #[error("no entry for {0}")]
    NoEntry(IpAddr),
    /// The table is full of permanent entries.
    #[error("the table is full ({0} entries)")]
    Full(usize),
    /// Not an address that a neighbour can have.
    #[error("{0} is not the address of a neighbour")]
    BadAddress(IpAddr),
    /// Not a link address that a single host can have.
    #[error("{0} is not the link address of one host")]
    BadMac(MacAddr),
}

/// The state of an entry, in the words of RFC 4861 §7.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked for; packets wait.
    Incomplete,
    /// Known, and confirmed not long ago.
    Reachable,
    /// Known, confirmed long ago.
    Stale,
    /// Used while stale; a confirmation is hoped for before it is asked for.
    Delay,
    /// Asked for again, by unicast.
    Probe,
    /// Did not answer; remembered for a moment, so that not every packet asks again.
    Failed,
    /// Set by hand.
    Permanent,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The neighbour.
    pub addr: IpAddr,
    /// Its link address, where known.
    pub mac: Option<MacAddr>,
    /// How much that is worth.
    pub state: State,
    /// Until the state ends by itself; `None` for a permanent entry.
    pub timeout: Option<Duration>,
    /// Packets that wait for the address.
    pub waiting: usize,
}
