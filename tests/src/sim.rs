//! A simulated network: whole stacks, switches, routers and bad links on virtual time.
//!
//! Nothing in it runs by itself: no thread, no clock, no device of the machine. A heap knows what
//! is due next, a packet that comes out of a link or a timer of a node, and time jumps there. So
//! an hour of quiet costs nothing, a run with the same seed is the same run, and a test that fails
//! fails again.
//!
//! | | |
//! | --- | --- |
//! | [`Network::host`], [`Network::host_with`] | a whole [`socket::Stack`], of any layers |
//! | [`Network::router`] | one that forwards |
//! | [`Network::switch`] | learns who is behind which port |
//! | [`Network::link`] | joins two of them: delay, jitter, rate, queue, losses (single or in bursts), duplicates, reordering, corruption, marks, each way on its own, and an MTU |
//! | [`Network::start`] | a [`Program`] on a host, called when its socket is ready; some are in [`programs`] |
//! | [`Network::run_for`], `run_until`, `run_while`, `run_until_idle` | time passes |
//! | [`Network::capture`] | records a link for Wireshark |
//!
//! A run is bounded in events: where it comes to its bound, it says so, with who was busy and what
//! happened last ([`Exhausted`]), and does not hang.
//!
//! ```
//! use std::time::Duration;
//!
//! use netdev::{FaultConfig, GilbertElliott, Probability};
//! use tests::sim::programs::{Receiver, Sender};
//! use tests::sim::{LinkConfig, Network};
//!
//! // Two hosts, a router between them, and a link that loses packets in bursts.
//! let mut net = Network::new(7);
//! let (a, b, router) = (net.host("a"), net.host("b"), net.router("r"));
//! let bursts = GilbertElliott::new(Probability::new(0.002), Probability::new(0.25));
//! let bad = FaultConfig {
//!     loss: bursts.into(),
//!     delay: Duration::from_millis(20),
//!     rate: "10mbit".parse().ok(),
//!     ..FaultConfig::default()
//! };
//! net.link(
//!     a.at("10.0.1.1/24").via("10.0.1.254"),
//!     router.at("10.0.1.254/24"),
//!     LinkConfig::delay(Duration::from_millis(1)),
//! );
//! let link = net.link(
//!     b.at("10.0.2.1/24").via("10.0.2.254"),
//!     router.at("10.0.2.254/24"),
//!     LinkConfig::both(bad),
//! );
//!
//! // A transfer whose every byte is compared.
//! let receiver = net.start(b, Receiver::new(80));
//! let sender = net.start(a, Sender::new("10.0.2.1:80", 1_000_000));
//! net.run_until_idle(100_000)?;
//!
//! assert!(net[sender].is_done());
//! assert_eq!(net[receiver].received, 1_000_000);
//! let lost: u64 = net.counts(link).iter().map(|way| way.faults.lost).sum();
//! let time = net[sender].took().unwrap();
//! assert!(lost > 0 && time < Duration::from_secs(5), "{lost} lost, {time:?}");
//! # Ok::<(), tests::sim::Exhausted>(())
//! ```
//!
//! A program is called with what happened and with its host, never waits, and may be a closure:
//!
//! ```
//! use socket::Key;
//! use tests::sim::{Event, Io, LinkConfig, Network};
//!
//! let mut net = Network::new(1);
//! let (a, b) = (net.host("a"), net.host("b"));
//! net.link(a.at("10.0.0.1/24"), b.at("10.0.0.2/24"), LinkConfig::default());
//! net.start(b, |event: Event, io: &mut Io<'_>| match event {
//!     Event::Start => drop(io.udp(7).unwrap()),
//!     Event::Ready(Key::Udp(socket)) => {
//!         while let Ok(received) = io.receive_from(socket) {
//!             io.send_to(socket, received.from, &received.data).unwrap();
//!         }
//!     }
//!     _ => {}
//! });
//! # net.run_until_idle(10).unwrap();
//! # let client = net.with(a, |stack, now| stack.with_udp(now, |udp, out| {
//! #     let socket = udp.open().unwrap();
//! #     let to = Some("10.0.0.2:7".parse().unwrap());
//! #     udp.send(now, socket, to, b"to and fro", out).map(|_| socket)
//! # })).unwrap();
//! # net.run_until_idle(100).unwrap();
//! # let echoed = net.with(a, |stack, now| stack.with_udp(now, |udp, _| udp.receive(client, false)));
//! # assert_eq!(&echoed.unwrap().data[..], b"to and fro");
//! ```
//!
//! # How it is made
//! Each interface of a host is one end of a [`netdev::Wire`] without latency, whose other end the
//! network holds; each way of a link is a [`netdev::FaultPath`], the same that makes `--loss` and
//! its kin. An event touches one node: its stack is polled, its programs are called, what it sent
//! is moved (not copied) into its links, and the agenda learns when it and they are due next.

mod agenda;
mod host;
mod link;
mod network;
mod program;
pub mod programs;
mod run;
mod switch;
mod trace;

pub use link::{LinkConfig, LinkCounts};
pub use network::{LinkId, Network, NodeId, Plug, layers};
pub use program::{Event, Io, Program, Running};
pub use trace::Exhausted;

/// The handbook's page, whose examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../doc/src/simulated-network.md")]
struct Handbook;
