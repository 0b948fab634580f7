//! Reliable byte streams (RFC 9293).
//!
//! ```text
//!   socket     calls open, connect, send, receive, close; waits for readiness
//!  [tcp]       you are here: Streams, implemented by Tcp and by SmallTcp
//!   ip         delivers datagrams, and takes them through ip::Output
//! ```
//!
//! [`Streams`] is all that the layers around know of a TCP. It does no I/O and has no clock: `now`
//! is an argument of every call, [`Streams::poll_at`] says when to call again, and whatever has
//! to be unpredictable comes from the seed. There are two implementations: [`SmallTcp`], to be
//! read in an evening, and [`Tcp`], the whole of it, whose tour this is.
//!
//! # One segment's way through `Tcp`
//!
//! In: `segment` and `options` read and check the wire form; `table` finds the connection, in a
//! hash keyed from the seed; `fsm` is SEGMENT ARRIVES, one function a step of RFC 9293 §3.10.7.4
//! (`listen` and `fsm/syn_sent` are the steps of those states); `fsm/acknowledge` takes what was
//! acknowledged off the [`Scoreboard`] and tells the estimator, loss recovery and congestion
//! control; `receive` puts text in its place. What is to be sent waits for [`Streams::poll`], so
//! that one acknowledgment serves a batch (MUST-58, MUST-59).
//!
//! Out: `output` decides what may be sent now and why not (its `decide` is every rule in one
//! place); `transmit` makes the segment. `timeouts` is what happens when a timer of `timers` runs
//! out. A connection is a `tcb`; when it ends, `time_wait` keeps a hundred bytes of it.
//!
//! # Parts to exchange
//!
//! | Trait | What it decides | Chosen by | Implementations |
//! |---|---|---|---|
//! | [`Reassembly`] | how data beyond a gap is kept | [`Config::reassembly`] | [`REASSEMBLIES`] |
//! | [`RttEstimator`] | how long to wait for an acknowledgment | [`Config::rtt`] | [`ESTIMATORS`] |
//! | [`LossRecovery`] | what was lost, and when to send it again | [`Config::recovery`] | [`LOSS_RECOVERIES`] |
//! | [`CongestionControl`] | how much may be in flight | [`Config::congestion`], [`Setting::Congestion`] | [`CONGESTION_CONTROLS`] |
//!
//! # RFCs
//!
//! 9293 (the machine, all eleven states), 1122 §4.2, 5681, 6298, 6582, 3042, 3465 (recovery and
//! congestion), 2018 and 2883 (SACK), 6675, 8985 (RACK-TLP), 6937 (PRR), 5682, 3522, 3708 and 4015
//! (recoveries for nothing), 9438 (CUBIC), 9406 (HyStart++), 7661's idea (a window that is not used
//! must not grow), 6928 (initial window), 7323 (window scaling, timestamps, PAWS), 6691 (MSS), 1191
//! (path MTU), 6528 (sequence numbers), 6056 (ports), 5961 and 5927 (blind attacks), 1337 and 6191
//! (TIME-WAIT), 4987 (SYN floods), 3168 (ECN), 2923 (path MTU black holes), 2525 (known problems),
//! 6093 (urgent data). What is deliberately otherwise is listed in [`deviations`].
//!
//! # Example
//!
//! Two TCPs, joined by their outboxes:
//!
//! ```
//! use ip::{Cause, Datagram, Header, Hop, IfIndex, Offload, Output, Route, SendError};
//! use netdev::{Cast, Instant, Packet};
//! use std::net::IpAddr;
//! use tcp::{Config, ReceiveFlags, SendFlags, Streams, Tcp};
//!
//! /// All that lies below a TCP: here it is a list.
//! struct Below(IpAddr, Vec<(Header, Packet)>);
//!
//! impl Output for Below {
//!     fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
//!         let (iface, hop) = (IfIndex(1), Hop::Neighbour(dst));
//!         let offload = Offload::default();
//!         Ok(Route { source: self.0, iface, hop, mtu: 1500, local: false, offload })
//!     }
//!     fn send(&mut self, _: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
//!         self.1.push((header.clone(), packet));
//!         Ok(())
//!     }
//!     fn is_local(&self, addr: IpAddr) -> bool {
//!         addr == self.0
//!     }
//! }
//!
//! /// Carries what one sent to the other.
//! fn carry(from: &mut Below, to: &mut Tcp, out: &mut Below, now: Instant) {
//!     for (header, payload) in from.1.drain(..) {
//!         let (iface, cast) = (IfIndex(1), Cast::Unicast);
//!         to.input(now, Datagram { header, iface, cast, header_len: 0, payload }, out);
//!     }
//!     to.poll(now, out);
//! }
//!
//! let now = Instant::ZERO;
//! let (mut a, mut b) = (Tcp::new(Config::default(), 1), Tcp::new(Config::default(), 2));
//! let mut below_a = Below([10, 0, 0, 1].into(), Vec::new());
//! let mut below_b = Below([10, 0, 0, 2].into(), Vec::new());
//!
//! let listener = b.open()?;
//! b.bind(listener, "0.0.0.0:80".parse().unwrap(), &below_b)?;
//! b.listen(listener, 5)?;
//! let client = a.open()?;
//! let begun = a.connect(now, client, "10.0.0.2:80".parse().unwrap(), &mut below_a);
//! assert_eq!(begun, Err(ip::SocketError::InProgress));
//! carry(&mut below_a, &mut b, &mut below_b, now); // SYN
//! carry(&mut below_b, &mut a, &mut below_a, now); // SYN, ACK
//! a.send(now, client, b"hello", SendFlags::empty(), &mut below_a)?;
//! carry(&mut below_a, &mut b, &mut below_b, now); // ACK, data
//!
//! let (server, peer) = b.accept(listener)?;
//! let mut buffer = [0; 100];
//! let len = b.receive(now, server, &mut buffer, ReceiveFlags::empty(), &mut below_b)?;
//! assert_eq!((&buffer[..len], peer.ip()), (&b"hello"[..], below_a.0));
//! # Ok::<(), ip::SocketError>(())
//! ```
mod ack;
mod api;
mod autotune;
mod black_hole;
mod challenge;
mod chrono;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod congestion;
pub mod deviations;
mod drop_reason;
mod ecn;
mod endpoint;
mod fsm;
mod hash;
mod icmp;
mod info;
mod isn;
mod listen;
mod notices;
mod options;
mod output;
mod parts;
mod ports;
mod rate;
mod reassembly;
mod receive;
mod receive_buffer;
mod records;
mod recovery;
mod rtt;
mod sack;
mod scoreboard;
mod segment;
mod send;
mod send_buffer;
mod send_memory;
mod seq;
mod settings;
mod slab;
mod small;
mod state;
mod stats;
mod syn_cookies;
mod table;
mod tcb;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time_wait;
mod timeouts;
mod timers;
mod timestamps;
mod transmit;
mod tuning;
mod urgent;

pub use api::{Input, Shutdown, Streams};
pub use config::{Config, Sizes};
pub use congestion::{
    Acked, CONGESTION_CONTROLS, CongestionControl, Cubic, NewReno, RateSample, Timeout, Unlimited,
};
pub use drop_reason::DropReason;
pub use ecn::EcnMode;
pub use endpoint::Tcp;
pub use info::{CaState, Info, NegotiatedOptions, Timer};
pub use options::{Malformed, Options, SackBlock, Timestamps, Wire};
pub use parts::{Part, find};
pub use reassembly::{Ordered, REASSEMBLIES, Reassembly};
pub use recovery::{
    AckSeen, Change, CountSacks, Delivery, LOSS_RECOVERIES, LossRecovery, Moment, Rack,
    ThreeDuplicates,
};
pub use rtt::{ESTIMATORS, Rfc6298, RttEstimator};
pub use scoreboard::{Board, Fate, History, Scoreboard, Sent, Tally};
pub use segment::{Flags, Segment};
pub use seq::SeqNum;
pub use settings::{KeepAlive, Notice, ReceiveFlags, SendFlags, Setting, Settings, Stage};
pub use small::SmallTcp;
pub use state::State;
pub use stats::Event;
pub use tuning::{Tuned, Tuning};
