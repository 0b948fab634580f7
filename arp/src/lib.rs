//! Next hop to link address (RFC 826).
//!
//! ```text
//!  socket
//!  tcp  udp  icmp
//!  ip          "send this datagram to the neighbour 10.0.0.2"
//!  arp     <-- you are here: 10.0.0.2 is at 52:54:00:12:34:56
//!  netdev      "send this frame to 52:54:00:12:34:56"
//! ```
//!
//! A datagram for a neighbour whose link address is not known waits in [`Cache`] while the
//! neighbour is asked for; the answer lets it go, and five questions without an answer hand it
//! back to its sender. Each neighbour is in one of the states of RFC 4861 §7.3.2, which are good
//! for IPv4 too:
//!
//! ```text
//!             a datagram             answered             600 s pass
//!   (nothing) ----------> Incomplete --------> Reachable -----------> Stale --> (nothing)
//!                          | asked 5 times      ^     ^                 | a datagram
//!                          v                    |     | confirmed       v
//!                        Failed --> (nothing)   |     +------------- Delay
//!                               3 s             | answered             | 5 s pass
//!                                               +------------------- Probe --> (nothing)
//!                                                                          asked 3 times
//! ```
//!
//! Where to read: [`Resolver`] (the trait), `wire.rs` (the packet), `neighbour.rs` (one entry),
//! `machine.rs` (the picture above), `cache.rs` (the table and what waits), `static_table.rs` (the second implementation, without asking).
//!
//! # Which RFCs it keeps
//! 826 (packets, the merge rule), 1122 §2.3.2 (ageing, no flooding, datagrams wait), 5227 (an
//! address is probed for where that is asked for, announced, defended once, and given up), 4861 §7.3
//! (states), 1027 (proxies).
//!
//! # Against poisoning
//! - A reply that nobody asked for creates nothing; nor does a request that is not for us.
//! - What claims one of our own addresses teaches nothing, and is answered with a defence.
//! - A permanent entry is not changed by anybody.
//! - A link address that is nobody's (zero, a group's) is not learnt.
//! - A full table evicts who is not spoken to before who is: a flood displaces itself.
//! - An entry that is changed by who was not asked is asked for again before it is relied on
//!   (Stale, Delay, Probe), and every change is logged ([`Resolver::sightings`]).
//! - Whoever may speak on the link can still have an address given up, by two forged packets within
//!   ten seconds: RFC 5227 §2.4 (b) wants that of a host. [`Config::yield_address`] is for those that
//!   must hold theirs ((c)).
//!
//! # What it does not do
//! Inverse and Reverse ARP. Broadcast and multicast need no resolution: IP's next hop says so, and
//! the datagram never comes here.
//!
//! # Deviations
//! - RFC 826 adds the sender of any packet that is addressed to us; here only that of a request.
//!   A reply that nobody asked for creates nothing, or anybody on the link could fill and poison
//!   the table. It still updates an entry that exists, as the RFC wants.
//! - RFC 4861 lets a confirmation come from a solicited advertisement, which carries a flag. ARP
//!   has none: a reply to our own link address while we ask (Incomplete, Probe) counts as
//!   solicited.
//! - RFC 4861's REACHABLE_TIME is 30 s; here 600 s, the lifetime of an entry in tapip, and not
//!   random.
//! - The queue of a neighbour holds 64 datagrams, so that all the fragments of one fit.
//!
//! # On virtual time
//! ```
//! use arp::{Cache, Change, Config, Event, Link, Resolver};
//! use netdev::{EtherType, Instant, MacAddr, Packet};
//!
//! /// The layer below is a `Vec`.
//! #[derive(Default)]
//! struct Sent(Vec<(MacAddr, EtherType, Packet)>);
//! impl Link for Sent {
//!     fn transmit(&mut self, _: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet) {
//!         self.0.push((dst, ethertype, packet));
//!     }
//! }
//!
//! let (me, peer) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
//! let mut link = Sent::default();
//! let mut arp = Cache::new(me, Config::default(), 42);
//! let now = Instant::ZERO;
//! arp.configure(now, Change::AddAddress([10, 0, 0, 1].into()), &mut link)?;
//!
//! // The datagram waits, and everybody is asked.
//! let event = arp.send(now, [10, 0, 0, 2].into(), Packet::from_payload(b"datagram"), &mut link);
//! assert_eq!(event, Event::None);
//! let (dst, ethertype, request) = link.0.remove(0);
//! assert_eq!((dst, ethertype), (MacAddr::BROADCAST, EtherType::ARP));
//!
//! // The neighbour answers: the request with both sides swapped.
//! let mut reply = request.to_vec();
//! reply[7] = 2;
//! reply[8..14].copy_from_slice(&peer.0);
//! reply[14..18].copy_from_slice(&[10, 0, 0, 2]);
//! reply[18..24].copy_from_slice(&me.0);
//! reply[24..28].copy_from_slice(&[10, 0, 0, 1]);
//! let now = Instant::from_millis(1);
//! assert_eq!(arp.input(now, Packet::from_payload(&reply), &mut link), Event::None);
//! let (dst, ethertype, datagram) = link.0.remove(0);
//! assert_eq!((dst, ethertype), (peer, EtherType::IPV4));
//! assert_eq!(&datagram[..], b"datagram");
//! # Ok::<(), arp::Error>(())
//! ```
#![warn(missing_docs)]

mod api;
mod cache;
mod claim;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod drop_reason;
mod hash;
mod machine;
mod neighbour;
mod proxy;
mod snoop;
mod stat;
mod static_table;
#[cfg(test)]
mod tests;
mod wire;

pub use api::{Change, Entry, Error, Event, Link, Resolver, Sighting, State};
pub use cache::Cache;
pub use config::Config;
pub use drop_reason::DropReason;
pub use static_table::StaticTable;
pub use wire::{Message, Operation};
