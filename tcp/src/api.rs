//! The stream trait: what TCP is to the layers around it.

use std::net::{IpAddr, SocketAddr};

use ip::{Cause, Datagram, Handle, Output, Quoted, Readiness, SocketError};
use netdev::{Counter, Instant};

use crate::{DropReason, Info, Notice, ReceiveFlags, SendFlags, Setting, Settings};

/// Reliable byte streams (RFC 9293 §3.9.1, with the calls named as programs know them).
///
/// Who calls: sockets ([`Streams::open`] to [`Streams::close`], each with a handle that `open` or
/// `accept` gave) and the stack's glue ([`Streams::input`], [`Streams::error`],
/// [`Streams::poll`]). No call waits: what cannot be done now gives
/// [`SocketError::WouldBlock`], and readiness tells when to call again. A call with the handle of
/// no open socket gives [`SocketError::BadHandle`]. After any call, [`Streams::changed`] names
/// the sockets whose readiness may have changed.
///
/// A socket is opened, then bound if it matters, then listens or connects; an accepted one is
/// connected from the start. Its life ends with [`Streams::close`]; the connection may live on
/// without it until the peer has everything.
pub trait Streams: Send {
    /// A new socket, in state CLOSED and bound to nothing.
    fn open(&mut self) -> Result<Handle, SocketError>;

    /// Binds to a local address and port: the unspecified address for every one of this host,
    /// port 0 for an ephemeral one. Once only, and before `listen` and `connect`.
    fn bind(
        &mut self,
        socket: Handle,
        local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError>;

    /// Passive OPEN: takes connections from now on, at most `backlog` of them waiting to be
    /// accepted. Again with another backlog: changes it.
    fn listen(&mut self, socket: Handle, backlog: usize) -> Result<(), SocketError>;

    /// The connection that has waited longest, as a socket of its own, and its peer.
    fn accept(&mut self, socket: Handle) -> Result<(Handle, SocketAddr), SocketError>;

    /// Active OPEN: sends a SYN. `Err(InProgress)` is the good answer; the socket becomes
    /// writable when the connection is there or has failed ([`Streams::take_error`] tells).
    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Result<(), SocketError>;

    /// Takes bytes into the send buffer, as many as fit, and sends what may be sent. `Ok(n)` with
    /// 1 ≤ n ≤ `data.len()` (0 only for empty data), `Err(WouldBlock)` where none fits.
    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError>;

    /// Gives received bytes in order; `Ok(0)` for a non-empty buffer is the end of the stream.
    /// May send a window update.
    fn receive(
        &mut self,
        now: Instant,
        socket: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError>;

    /// Ends one direction or both. Sending ends with a FIN after all that was taken.
    fn shutdown(
        &mut self,
        now: Instant,
        socket: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<(), SocketError>;

    /// Ends the socket; the handle is invalid from now on. What was taken is still sent, then a
    /// FIN; a reset instead, where received bytes were not read (RFC 2525 §2.17) or linger is
    /// zero. A listening socket resets what waits in its queues.
    fn close(&mut self, now: Instant, socket: Handle, out: &mut dyn Output);

    /// Changes an option.
    fn set(
        &mut self,
        now: Instant,
        socket: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<(), SocketError>;

    /// The options in force.
    fn settings(&self, socket: Handle) -> Result<Settings, SocketError>;

    /// The connection as a person sees it.
    fn info(&self, now: Instant, socket: Handle) -> Result<Info, SocketError>;

    /// What the socket is ready for; empty for a bad handle.
    fn readiness(&self, socket: Handle) -> Readiness;

    /// Takes the error that ended the connection, or the soft one that an ICMP message left
    /// (SO_ERROR).
    fn take_error(&mut self, socket: Handle) -> Option<SocketError>;

    /// The next notice of the socket's error queue (IP_RECVERR, SO_TIMESTAMPING).
    fn take_notice(&mut self, socket: Handle) -> Option<Notice> {
        let _ = socket;
        None
    }

    /// Takes a segment that IP delivered. Acknowledgments may be put off until the
    /// [`Streams::poll`] that ends the batch.
    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input;

    /// An ICMP error about a segment that one of these connections sent.
    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted, out: &mut dyn Output);

    /// The address `local` is about to be taken out of use because another host has it: its
    /// connections are reset (RFC 5227 §2.4), and the next calls of their sockets give
    /// [`SocketError::Aborted`]. Without this they stay until nothing is acknowledged for too long.
    fn abandon(&mut self, now: Instant, local: IpAddr, out: &mut dyn Output) {
        let _ = (now, local, out);
    }

    /// Fires timers and sends what was put off. Called when [`Streams::poll_at`] is due and after
    /// each batch of input. Touches only connections that have something to do.
    fn poll(&mut self, now: Instant, out: &mut dyn Output);

    /// When [`Streams::poll`] has something to do next; `None`: not before another call.
    fn poll_at(&self) -> Option<Instant>;

    /// A socket whose readiness may have changed since this was last asked; `None` when there is
    /// no other.
    fn changed(&mut self) -> Option<Handle>;

    /// All sockets and connections, those without a socket (closing, TIME-WAIT) too, by local
    /// port and peer.
    fn sockets(&self, now: Instant) -> Vec<Info>;

    /// Whether a socket or a connection is at a local port, at any address. The address translation
    /// asks before it gives a port to somebody else.
    fn is_at(&self, port: u16) -> bool {
        self.sockets(Instant::ZERO).iter().any(|info| info.local.port() == port)
    }

    /// Every counter, the ones at zero too.
    fn counters(&self) -> Vec<Counter>;
}

/// What became of a delivered segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// It belonged to a connection or a listener, or was answered with a reset.
    Consumed,
    /// Dropped and counted.
    Dropped(DropReason),
}

/// Which direction to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// No more is read: what is read is the end of the stream, after what is there already. What
    /// still arrives is acknowledged, and dropped or, as on Linux, kept while there is room.
    Read,
    /// No more is sent: FIN.
    Write,
    /// Both.
    Both,
}
