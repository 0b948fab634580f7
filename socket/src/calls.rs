//! The calls of sockets, from the transports' point of view: each with everything below it.

use std::net::IpAddr;

use ip::{Handle, IfIndex, Output, SocketError};
use netdev::Instant;
use tcp::Streams;
use udp::Datagrams;

use crate::Stack;
use crate::interfaces::Below;
use crate::raw::RawSockets;
use crate::waiters::Key;

impl Stack {
    /// A call of TCP, with everything below it to send by; what it sends goes out at once.
    pub fn with_tcp<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut dyn Streams, &mut dyn Output) -> T,
    ) -> T {
        let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
        let result = call(&mut *self.tcp, &mut below);
        self.after_call(now);
        result
    }

    /// A call of UDP, with everything below it to send by; what it sends goes out at once.
    pub fn with_udp<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut dyn Datagrams, &mut dyn Output) -> T,
    ) -> T {
        let mut below = Below { ip: &mut *self.ip, interfaces: &mut self.interfaces };
        let result = call(&mut *self.udp, &mut below);
        self.after_call(now);
        result
    }

    /// A call of the raw sockets.
    pub fn with_raw<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut RawSockets, &mut RawOutput<'_>) -> T,
    ) -> T {
        let mut below = RawOutput(Below { ip: &mut *self.ip, interfaces: &mut self.interfaces });
        let result = call(&mut self.raw, &mut below);
        self.after_call(now);
        result
    }

    /// Lets a UDP socket receive what is sent to a group, on one interface. IP listens to a group
    /// as long as any socket does.
    pub fn join(
        &mut self,
        now: Instant,
        socket: Handle,
        iface: IfIndex,
        group: IpAddr,
    ) -> Result<(), SocketError> {
        if self.memberships.contains(&(socket, iface, group)) {
            return Err(SocketError::AddrInUse);
        }
        self.udp.set(socket, udp::Setting::Membership(iface, group, true))?;
        if self.ip.configure(now, ip::Change::Join(iface, group)).is_err() {
            self.udp.set(socket, udp::Setting::Membership(iface, group, false))?;
            return Err(SocketError::AddrNotAvailable);
        }
        self.memberships.insert((socket, iface, group));
        Ok(())
    }

    /// Undoes [`Stack::join`].
    pub fn leave(
        &mut self,
        now: Instant,
        socket: Handle,
        iface: IfIndex,
        group: IpAddr,
    ) -> Result<(), SocketError> {
        if !self.memberships.remove(&(socket, iface, group)) {
            return Err(SocketError::AddrNotAvailable);
        }
        // Neither can be refused but where the interface is gone, and the membership with it.
        let _ = self.ip.configure(now, ip::Change::Leave(iface, group));
        let _ = self.udp.set(socket, udp::Setting::Membership(iface, group, false));
        Ok(())
    }

    /// Closes a UDP socket, and leaves its groups.
    pub fn close_udp(&mut self, now: Instant, socket: Handle) {
        let all = self.memberships.iter().filter(|(member, ..)| *member == socket);
        for (_, iface, group) in all.copied().collect::<Vec<_>>() {
            let _ = self.leave(now, socket, iface, group);
        }
        self.with_udp(now, |udp, _| udp.close(socket));
    }

    /// A socket whose readiness may have changed since this was last asked. For whoever drives a
    /// stack; in a [`Net`](crate::Net) that is the lock, when it is let go.
    pub fn changed(&mut self) -> Option<Key> {
        (self.tcp.changed().map(Key::Tcp))
            .or_else(|| self.udp.changed().map(Key::Udp))
            .or_else(|| self.raw.changed().map(Key::Raw))
    }

    /// Whether a connection has bytes, or a FIN, that its peer has not acknowledged.
    pub(crate) fn owes_peer(&self, socket: Handle) -> bool {
        use tcp::State::*;
        self.tcp.info(Instant::ZERO, socket).is_ok_and(|info| match info.state {
            Closed | Listen | SynSent | SynReceived | FinWait2 | TimeWait => false,
            Established | CloseWait | FinWait1 | Closing | LastAck => true,
        })
    }

    /// Closes every socket and gives leases back: listeners first, so that no connection comes in meanwhile.
    pub(crate) fn close_all(&mut self, now: Instant) {
        self.release_dhcp(now);
        let mut sockets = self.tcp.sockets(now);
        sockets.sort_by_key(|info| info.state != tcp::State::Listen);
        for handle in sockets.into_iter().filter_map(|info| info.handle) {
            self.with_tcp(now, |tcp, out| tcp.close(now, handle, out));
        }
        for info in self.udp.sockets() {
            self.close_udp(now, info.handle);
        }
        for info in self.raw.sockets() {
            self.raw.close(info.handle);
        }
    }

    /// Whether all that was sent is out. No datagram waits for a neighbour's address or in a
    /// device, and every connection has come to its end: all its bytes and its FIN acknowledged,
    /// and unless `peer_fin_waived` also the peer's FIN received. TIME-WAIT is such an end, and so
    /// is a device that is gone: nothing will ever be acknowledged.
    pub(crate) fn drained(&self, now: Instant, peer_fin_waived: bool) -> bool {
        use tcp::State::*;
        let held_back = self.interfaces.iter().any(|interface| {
            let waiting = |resolver: &dyn arp::Resolver| {
                resolver.entries(now).iter().any(|entry| entry.waiting > 0)
            };
            !interface.gone
                && (interface.port.device().pending() > 0
                    || interface.resolver.as_deref().is_some_and(waiting))
        });
        if held_back {
            return false;
        }
        let cut_off = |info: &tcp::Info| self.any_gone && self.is_cut_off(info.local.ip());
        self.tcp.sockets(now).iter().all(|info| match info.state {
            _ if cut_off(info) => true,
            Closed | Listen | TimeWait => true,
            FinWait2 => peer_fin_waived,
            SynSent | SynReceived | Established | CloseWait | FinWait1 | Closing | LastAck => false,
        })
    }

    pub(crate) fn after_call(&mut self, now: Instant) {
        self.seen = self.seen.max(now);
        self.handle_events(now);
        self.interfaces.flush(now);
    }
}

/// What raw sockets send by: IP with a header of its making, or the interfaces directly for a
/// datagram that brings its own.
pub struct RawOutput<'a>(pub(crate) Below<'a>);

impl std::fmt::Debug for RawOutput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawOutput")
    }
}
