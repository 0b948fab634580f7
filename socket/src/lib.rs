//! Sockets, the stack that carries them, and its event loop.
//!
//! ```text
//!    shell
//!  > socket <            every layer put together, and the programs' way in
//!    tcp  udp  icmp
//!    ip
//!    arp
//!    netdev
//! ```
//!
//! Two halves, one upon the other:
//!
//! ```text
//!   threads of the program                        the event loop's thread
//!  TcpListener TcpStream UdpSocket                 sleeps in epoll until a device has
//!  RawSocket   Poller                              something or poll_at() is due
//!        |  lock, call, send at once                   |  lock, poll
//!        v                                             v
//!  +-- Net ------------------------------------------------------------------+
//!  |  one lock around                                                        |
//!  |  +-- Stack ------------------------------+    Waiters, Pollers:         |
//!  |  |  tcp   udp   icmp   raw               |    who is woken when the     |
//!  |  |     \   |   /                         |    readiness of a socket     |
//!  |  |      \  |  /     Below: ip::Output    |    changes                   |
//!  |  |        ip                             |                              |
//!  |  |         |        Interfaces: NextHop  |                              |
//!  |  |  arp + port, arp + port, lo           |                              |
//!  |  +---------------------------------------+                              |
//!  +-------------------------------------------------------------------------+
//! ```
//!
//! - [`Stack`] (`stack.rs`) has no thread and no clock. It is all the glue there is: what one
//!   layer needs is made of what the next one offers (`interfaces.rs`), and what a layer gives
//!   back is handed to the one above (`Stack::deliver`). It runs on virtual time, as below.
//!   Beside it: `dhcp` (addresses from a server, and the stack follows them) and `dns` (names), two
//!   state machines that use its sockets.
//!   Its parts: `calls.rs` (what sockets call), `raw.rs` (raw sockets, which have no layer of
//!   their own), `configure.rs` and `views.rs` (changed and seen by persons), `watch.rs` (packets
//!   looked at while they pass), `links.rs`.
//! - [`Net`] (`net.rs`) is a running stack: `core.rs` and `locked.rs` (the lock, how threads wait, and how
//!   they are woken), `stack_clock.rs`, `event_loop.rs`, `waiters.rs`, `bell.rs`, and `sys.rs` with the system calls.
//! - [`TcpListener`], [`TcpStream`], [`UdpSocket`], [`RawSocket`] have the shape of `std::net`,
//!   with a `&Net` more; [`Poller`] watches many of them, and has a descriptor that any other
//!   event loop can watch.
//!
//! - `conformance` (a feature) holds any system with sockets against POSIX and the RFCs: two stacks
//!   of whatever layers, or the kernel.
//!
//! A packet's way up: `event_loop.rs` wakes, [`Stack::poll`] takes frames from each port, ARP or
//! IP gets them, what IP delivers goes to raw sockets and its transport, which marks a socket
//! ready; when the lock is let go, `locked.rs` wakes who waits for it. A packet's way down: a call
//! on a socket takes the lock and calls the transport, that calls IP, that calls ARP, that calls
//! the port, all on the caller's own thread.
//!
//! # What it keeps
//! RFC 1122 §2.3.2.2 and §3.3.1 (a neighbour that does not answer is told to whoever sent, by a
//! call within this host and by ICMP to others), §3.2.2.1 (protocol unreachable), §3.2.2.2 and
//! §4.1.3.3 (ICMP errors reach the socket that caused them). `std::net`'s error kinds.
//!
//! # Where it differs from `std::net`
//! - A link that is gone for good gives [`NetworkDown`](std::io::ErrorKind::NetworkDown) to calls
//!   that would have to wait, instead of letting them wait for ever.
//! - The options of clones are shared, the timeouts and the non-blocking mode too.
//! - A name that is not an address is looked up by the host's resolver, not over the stack:
//!   [`Net::resolve`] does that.
//!
//! # What it does not do (yet)
//! IGMP (a switch that snoops will not forward a group to this host), sockets of IPv6, several
//! packets a call.
//!
//! # Two stacks on virtual time
//! ```
//! use std::time::Duration;
//!
//! use netdev::{Instant, MacAddr, Wire};
//! use socket::{Layers, Stack};
//! use tcp::{ReceiveFlags, SendFlags};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut now = Instant::ZERO;
//! let (left, right) = Wire::pair(Duration::from_millis(5));
//! let mut stacks = Vec::new();
//! for (number, device) in [(1, left), (2, right)] {
//!     let seed = u64::from(number);
//!     let mut stack = Stack::new(Layers {
//!         ip: Box::new(ip::SimpleHost::new(seed)),
//!         icmp: Box::new(icmp::EchoOnly::new()),
//!         udp: Box::new(udp::SimpleUdp::new(seed)),
//!         tcp: Box::new(tcp::SmallTcp::new(seed)),
//!     });
//!     let mac = MacAddr([2, 0, 0, 0, 0, number]);
//!     let arp = Box::new(arp::Cache::new(mac, arp::Config::default(), seed));
//!     let addrs = [format!("10.0.0.{number}/24").parse()?];
//!     stack.add_interface(now, Box::new(device), mac, Some(arp), &addrs, None)?;
//!     stacks.push(stack);
//! }
//!
//! // One listens, the other connects. No call waits.
//! let listener = stacks[1].with_tcp(now, |tcp, out| -> Result<_, ip::SocketError> {
//!     let listener = tcp.open()?;
//!     tcp.bind(listener, "10.0.0.2:80".parse().unwrap(), out)?;
//!     tcp.listen(listener, 1)?;
//!     Ok(listener)
//! })?;
//! let client = stacks[0].with_tcp(now, |tcp, _| tcp.open())?;
//! let begun = stacks[0].with_tcp(now, |tcp, out| {
//!     tcp.connect(now, client, "10.0.0.2:80".parse().unwrap(), out)
//! });
//! assert_eq!(begun, Err(ip::SocketError::InProgress));
//!
//! // Time is what we say it is: each stack is polled, then the clock jumps to what is due next.
//! let mut run = |stacks: &mut [Stack], millis| {
//!     let end = now + Duration::from_millis(millis);
//!     while now < end {
//!         let more = stacks.iter_mut().any(|stack| stack.poll(now).more);
//!         let due = stacks.iter().filter_map(|stack| stack.poll_at()).min();
//!         if !more {
//!             now = due.map_or(end, |due| due.max(now)).min(end);
//!         }
//!     }
//!     now
//! };
//! // ARP takes a round trip of 10 ms, the handshake another.
//! let now = run(&mut stacks, 30);
//! let (server, _) = stacks[1].with_tcp(now, |tcp, _| tcp.accept(listener))?;
//! stacks[0].with_tcp(now, |tcp, out| tcp.send(now, client, b"hello", SendFlags::empty(), out))?;
//! let now = run(&mut stacks, 10);
//! let mut bytes = [0; 5];
//! let count = stacks[1].with_tcp(now, |tcp, out| {
//!     tcp.receive(now, server, &mut bytes, ReceiveFlags::empty(), out)
//! })?;
//! assert_eq!((count, &bytes), (5, b"hello"));
//! # Ok(())
//! # }
//! ```

mod bell;
mod calls;
mod claims;
mod configure;
#[cfg(feature = "conformance")]
pub mod conformance;
mod core;
pub mod dhcp;
pub mod dns;
mod drop_reason;
mod error;
mod event_loop;
mod interfaces;
mod lead;
mod links;
mod locked;
mod net;
mod poller;
mod pollers;
mod raw;
mod raw_socket;
mod socket;
mod stack;
mod stack_clock;
mod sys;
mod tcp_listener;
mod tcp_stream;
#[cfg(test)]
mod testing;
mod udp_socket;
mod views;
mod waiters;
mod watch;

pub use calls::RawOutput;
pub use claims::{AddressClaim, ClaimState, ParseProbeError, Probe};
pub use configure::ConfigError;
pub use drop_reason::DropReason;
pub use net::Net;
pub use poller::{Event, Interest, Mode, Poller};
pub use raw::{RawInfo, RawReceived, RawSetting, RawSockets};
pub use raw_socket::RawSocket;
pub use socket::{Pollable, Socket};
pub use stack::{Layers, Progress, Stack};
pub use tcp_listener::{Incoming, ListenOptions, TcpListener};
pub use tcp_stream::{ConnectOptions, TcpStream};
pub use udp_socket::UdpSocket;
pub use views::{InterfaceView, LayerCounters};
pub use waiters::Key;
pub use watch::{Seen, Wanted, Watch, WatchCounts};
