//! OPEN (RFC 9293 §3.10.1), under the names that programs know: open, bind, listen, accept,
//! connect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Handle, Output, SocketError};
use netdev::Instant;

use super::{Kind, Socket, Tcp};
use crate::listen::Listener;
use crate::stats::Event;
use crate::table::{Owner, Tuple};
use crate::tcb::{ConnId, Standing, Tcb};
use crate::{SeqNum, State, transmit};

/// An initial sequence number beyond those of an old connection, which was in TIME-WAIT, of the
/// same four-tuple (RFC 9293 §3.6.1, MAY-2).
pub(super) fn beyond(iss: SeqNum, old: SeqNum) -> SeqNum {
    if iss.gt(old) { iss } else { old + 65_537 }
}

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Tcp {
    pub(super) fn open_socket(&mut self) -> Result<Handle, SocketError> {
        if self.sockets.len() >= self.config.max_sockets {
            return Err(SocketError::NoBuffers);
        }
        let kind = Kind::Fresh { settings: self.defaults.clone(), local: None };
        Ok(self.sockets.insert(Socket { kind, bound: None, changed: false }))
    }

    pub(super) fn bind_socket(
        &mut self,
        handle: Handle,
        local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        let Kind::Fresh { settings, local: None } = &self.socket(handle)?.kind else {
            return Err(SocketError::Invalid);
        };
        if !local.ip().is_unspecified() && !out.is_local(local.ip()) {
            return Err(SocketError::AddrNotAvailable);
        }
        let reuse = settings.reuse_addr;
        let local = self.table.bind(local, handle, reuse)?;
        if let Some(socket) = self.sockets.get_mut(handle) {
            socket.bound = Some(local.port());
            if let Kind::Fresh { local: place, .. } = &mut socket.kind {
                *place = Some(local);
            }
        }
        Ok(())
    }

    /// Passive OPEN. A socket that is bound to nothing gets an ephemeral port.
    pub(super) fn start_listening(
        &mut self,
        handle: Handle,
        backlog: usize,
    ) -> Result<(), SocketError> {
        let backlog = backlog.clamp(1, self.config.max_backlog);
        let (settings, local) =
            match &mut self.sockets.get_mut(handle).ok_or(SocketError::BadHandle)?.kind {
                Kind::Listener(listener) => {
                    listener.backlog = backlog;
                    return Ok(());
                }
                Kind::Stream(_) => return Err(SocketError::Invalid),
                Kind::Fresh { settings, local } => (settings.clone(), *local),
            };
        let local = match local {
            Some(local) => local,
            None => self.table.bind(ANY, handle, settings.reuse_addr)?,
        };
        if !self.table.listen(local, handle) {
            return Err(SocketError::AddrInUse);
        }
        if let Some(socket) = self.sockets.get_mut(handle) {
            socket.bound = Some(local.port());
            socket.kind = Kind::Listener(Box::new(Listener::new(local, settings, backlog)));
        }
        tracing::debug!(conn = %local, from = %State::Closed, to = %State::Listen, cause = "listen", "state");
        Ok(())
    }

    pub(super) fn accept_one(
        &mut self,
        handle: Handle,
    ) -> Result<(Handle, SocketAddr), SocketError> {
        if self.sockets.len() >= self.config.max_sockets {
            return Err(SocketError::NoBuffers);
        }
        let Kind::Listener(listener) =
            &mut self.sockets.get_mut(handle).ok_or(SocketError::BadHandle)?.kind
        else {
            return Err(SocketError::Invalid);
        };
        let id = listener.ready.pop_front().ok_or(SocketError::WouldBlock)?;
        let socket = Socket { kind: Kind::Stream(id), bound: None, changed: false };
        let accepted = self.sockets.insert(socket);
        let tcb = self.connections.get_mut(id.0).ok_or(SocketError::Aborted)?;
        (tcb.socket, tcb.listener, tcb.standing) = (Some(accepted), None, Standing::Owned);
        let peer = tcb.tuple.peer();
        self.mark_changed(accepted);
        // The listener may have no other.
        self.mark_changed(handle);
        Ok((accepted, peer))
    }

    /// Active OPEN.
    pub(super) fn connect_socket(
        &mut self,
        now: Instant,
        handle: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let (settings, bound) = match &self.socket(handle)?.kind {
            Kind::Fresh { settings, local } => (settings.clone(), *local),
            Kind::Listener(_) => return Err(SocketError::Invalid),
            Kind::Stream(id) => return Err(self.connect_again(*id)),
        };
        if peer.port() == 0 {
            return Err(SocketError::AddrNotAvailable);
        }
        let unicast = !peer.ip().is_multicast()
            && !matches!(peer.ip(), IpAddr::V4(addr) if addr.is_broadcast());
        if !unicast {
            // RFC 9293 §3.9.2.3 (MUST-46).
            return Err(SocketError::NetworkUnreachable);
        }
        if self.connections.len() >= self.config.max_connections {
            return Err(SocketError::NoBuffers);
        }
        let source = bound.map(|local| local.ip()).filter(|addr| !addr.is_unspecified());
        let route = out.route(now, peer.ip(), source)?;
        if matches!(route.hop, ip::Hop::Broadcast | ip::Hop::Group(_)) {
            return Err(SocketError::NetworkUnreachable);
        }
        // "This host" is as good a name as any (RFC 1122 §3.2.1.3 has it as a source only; every
        // system connects to itself by it).
        let peer = match peer.ip().is_unspecified() {
            true => SocketAddr::new(route.source, peer.port()),
            false => peer,
        };
        let local_addr = source.unwrap_or(route.source);
        let port = match bound {
            Some(local) => local.port(),
            None => {
                let (table, time_wait) = (&mut self.table, &self.time_wait);
                let again = |tuple: &Tuple, _| time_wait.may_connect_again(now, tuple);
                let port = table.port_to(local_addr, peer, |_, owner| owner.is_none());
                // A four-tuple in TIME-WAIT is better than none.
                port.or_else(|| table.port_to(local_addr, peer, again))
                    .ok_or(SocketError::AddrNotAvailable)?
            }
        };
        let tuple = Tuple::new(SocketAddr::new(local_addr, port), peer);
        let mut iss = self.isn.next(now, &tuple);
        match self.table.owner(&tuple) {
            None => {}
            Some(Owner::TimeWait)
                if self.config.timestamps && self.time_wait.may_connect_again(now, &tuple) =>
            {
                if let Some(remains) = self.time_wait.remove(&tuple) {
                    self.events.add(Event::TimeWaitReused);
                    self.time_wait_over(tuple, &remains);
                    iss = beyond(iss, remains.snd_nxt);
                }
            }
            Some(_) => return Err(SocketError::AddrInUse),
        }
        self.events.add(Event::ActiveOpens);
        let tuned = settings.tuned.clone();
        let mut tcb = Tcb::new(tuned.or(&self.config), now, tuple, iss, settings);
        tcb.socket = Some(handle);
        let id = ConnId(self.connections.insert(Box::new(tcb)));
        self.table.insert(tuple, Owner::Connection(id));
        if let Some(socket) = self.sockets.get_mut(handle) {
            socket.kind = Kind::Stream(id);
        }
        let offset = self.isn.timestamp_offset(&tuple);
        self.with(now, out, id, |tcb, cx| {
            cx.route = Some(Ok(route));
            let _ = transmit::learn_path(tcb, cx);
            transmit::offer(tcb, cx, offset);
            tcb.enter(State::SynSent, "connect");
            tcb.snd.nxt = tcb.snd.iss + 1;
            transmit::syn(tcb, cx);
            tcb.restart_retransmit_timer(now);
        });
        Err(SocketError::InProgress)
    }

    /// A connect where there was one before.
    fn connect_again(&mut self, id: ConnId) -> SocketError {
        let Some(tcb) = self.connections.get_mut(id.0) else { return SocketError::BadHandle };
        match tcb.state {
            State::SynSent | State::SynReceived => SocketError::InProgress,
            State::Closed if !tcb.was_established => {
                tcb.error.take().unwrap_or(SocketError::Aborted)
            }
            _ => SocketError::AlreadyConnected,
        }
    }
}
