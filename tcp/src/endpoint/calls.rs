//! The user's calls (RFC 9293 §3.10.1 to §3.10.6), under the names that programs know.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ip::{Handle, Output, SocketError};
use netdev::Instant;

use super::{Kind, Socket, Tcp};
use crate::listen::Listener;
use crate::output::output;
use crate::stats::Event;
use crate::table::{Owner, Tuple};
use crate::tcb::{ConnId, Context, Signals, Standing, Tcb};
use crate::timers::Timer;
use crate::{
    CONGESTION_CONTROLS, Config, ReceiveFlags, SendFlags, Setting, Settings, Shutdown, State, find,
    fsm, transmit,
};

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
        let port = match local.port() {
            0 => {
                let table = &self.table;
                self.ports
                    .choose(local.ip(), ANY, |port| table.is_unused(port))
                    .ok_or(SocketError::AddrInUse)?
            }
            port => port,
        };
        let local = SocketAddr::new(local.ip(), port);
        if !self.table.may_bind(local, reuse) {
            return Err(SocketError::AddrInUse);
        }
        self.table.bind(local, handle, reuse);
        if let Some(socket) = self.sockets.get_mut(handle) {
            socket.bound = Some(port);
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
            None => {
                let table = &self.table;
                let port = self.ports.choose(ANY.ip(), ANY, |port| table.is_unused(port));
                let local = SocketAddr::new(ANY.ip(), port.ok_or(SocketError::AddrInUse)?);
                self.table.bind(local, handle, settings.reuse_addr);
                local
            }
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
                let table = &self.table;
                let free = |port| {
                    let tuple = Tuple::new(SocketAddr::new(local_addr, port), peer);
                    !table.is_bound(port) && table.owner(&tuple).is_none()
                };
                self.ports.choose(local_addr, peer, free).ok_or(SocketError::AddrNotAvailable)?
            }
        };
        let tuple = Tuple::new(SocketAddr::new(local_addr, port), peer);
        if self.table.owner(&tuple).is_some() {
            return Err(SocketError::AddrInUse);
        }
        self.events.add(Event::ActiveOpens);
        let iss = self.isn.next(now, &tuple);
        let mut tcb = Tcb::new(&self.config, now, tuple, iss, settings);
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

    pub(super) fn send_on(
        &mut self,
        now: Instant,
        handle: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        if flags.intersects(SendFlags::URGENT | SendFlags::END_OF_RECORD) {
            return Err(SocketError::Unsupported);
        }
        let id = self.stream(handle)?;
        self.with(now, out, id, |tcb, cx| {
            if let Some(error) = tcb.error.take() {
                return Err(error);
            }
            if !tcb.may_send() {
                return Err(match tcb.was_established {
                    true => SocketError::BrokenPipe,
                    false => SocketError::NotConnected,
                });
            }
            let len = tcb.snd.buffer.write(data);
            if len == 0 && !data.is_empty() {
                return Err(SocketError::WouldBlock);
            }
            tcb.snd.more = flags.contains(SendFlags::MORE) && len == data.len();
            output(tcb, cx);
            Ok(len)
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }

    pub(super) fn receive_from(
        &mut self,
        now: Instant,
        handle: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        if flags.contains(ReceiveFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        let id = self.stream(handle)?;
        self.with(now, out, id, |tcb, cx| {
            if buffer.is_empty() {
                return Ok(0);
            }
            if tcb.rcv.buffer.is_empty() {
                return end_of_stream(tcb);
            }
            let len = tcb.rcv.buffer.read(buffer, flags.contains(ReceiveFlags::PEEK));
            if tcb.rcv.urgent.is_some_and(|urgent| urgent <= tcb.rcv.consumed()) {
                tcb.rcv.urgent = None;
            }
            update_window(tcb, cx);
            Ok(len)
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }

    pub(super) fn shut_down(
        &mut self,
        now: Instant,
        handle: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let id = self.stream(handle)?;
        self.with(now, out, id, |tcb, cx| {
            if tcb.state == State::Closed {
                return Err(SocketError::NotConnected);
            }
            if matches!(how, Shutdown::Read | Shutdown::Both) {
                tcb.rcv.shut();
                tcb.signals |= Signals::READY;
                update_window(tcb, cx);
            }
            if matches!(how, Shutdown::Write | Shutdown::Both) {
                queue_fin(tcb, cx, "shutdown");
            }
            Ok(())
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }

    pub(super) fn close_socket(&mut self, now: Instant, handle: Handle, out: &mut dyn Output) {
        let Some(socket) = self.sockets.remove(handle) else { return };
        if let Some(port) = socket.bound {
            self.table.unbind(port, handle);
        }
        match socket.kind {
            Kind::Fresh { .. } => {}
            Kind::Listener(listener) => {
                for id in listener.half_open.into_iter().chain(listener.ready) {
                    self.disown(id);
                    self.with(now, out, id, |tcb, cx| {
                        if tcb.state != State::Closed {
                            transmit::reset(tcb, cx);
                            tcb.end(None, "listener closed");
                        }
                        tcb.signals |= Signals::CLOSED;
                    });
                }
            }
            Kind::Stream(id) => self.close_stream(now, id, out),
        }
    }

    /// A connection has no socket any more.
    fn disown(&mut self, id: ConnId) {
        if let Some(tcb) = self.connections.get_mut(id.0) {
            (tcb.socket, tcb.listener, tcb.standing) = (None, None, Standing::Orphan);
            self.orphans += 1;
        }
    }

    fn close_stream(&mut self, now: Instant, id: ConnId, out: &mut dyn Output) {
        let Some(tcb) = self.connections.get(id.0) else { return };
        let state = tcb.state;
        if state == State::TimeWait {
            self.time_wait.forget_socket(&tcb.tuple);
        }
        self.disown(id);
        if matches!(state, State::TimeWait | State::Closed) {
            self.remove(id);
            return;
        }
        let too_many = self.orphans > self.config.max_orphans;
        self.with(now, out, id, |tcb, cx| {
            // RFC 2525 §2.17: data that was received and not read is lost, and the peer must not
            // think otherwise. Linger of zero asks for the same (RFC 9293 §3.9.1.7, ABORT).
            let unread = !tcb.rcv.buffer.is_empty() || !tcb.rcv.reassembly.is_empty();
            if tcb.state == State::SynSent {
                tcb.end(None, "close");
            } else if unread || too_many || tcb.settings.linger == Some(Duration::ZERO) {
                if too_many {
                    cx.events.add(Event::OrphansReset);
                }
                transmit::reset(tcb, cx);
                tcb.end(None, "close with a reset");
            } else {
                tcb.timers.clear(Timer::KeepAlive);
                queue_fin(tcb, cx, "close");
                fsm::start_fin_wait2_timer(tcb, cx.now);
            }
        });
    }

    pub(super) fn change_setting(
        &mut self,
        now: Instant,
        handle: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let config = &self.config;
        let socket = self.sockets.get_mut(handle).ok_or(SocketError::BadHandle)?;
        let id = match &mut socket.kind {
            Kind::Fresh { settings, .. } => return apply(Arc::make_mut(settings), setting, config),
            Kind::Listener(listener) => {
                return apply(Arc::make_mut(&mut listener.settings), setting, config);
            }
            Kind::Stream(id) => *id,
        };
        self.with(now, out, id, |tcb, cx| {
            apply(Arc::make_mut(&mut tcb.settings), setting, cx.config)?;
            follow_settings(tcb, cx);
            Ok(())
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }
}

/// What a read gives when there is nothing to read.
fn end_of_stream(tcb: &mut Tcb) -> Result<usize, SocketError> {
    if let Some(error) = tcb.error.take() {
        return Err(error);
    }
    if tcb.rcv.closed || tcb.rcv.shut || tcb.state == State::TimeWait {
        return Ok(0);
    }
    match tcb.state {
        State::Closed if tcb.was_established => Ok(0),
        State::Closed => Err(SocketError::NotConnected),
        _ => Err(SocketError::WouldBlock),
    }
}

/// RFC 9293 §3.8.6.2.2: the user made room; the peer is told when that is worth a segment, which
/// it is when the window at least doubles, as Linux has it. Between that, data's acknowledgments
/// tell it.
fn update_window(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let open = tcb.may_receive() && tcb.state.is_synchronized();
    let (current, next) = (tcb.rcv.window(), tcb.rcv.next_window(cx.pressure));
    if open && next > current && next >= current.saturating_mul(2) {
        transmit::ack(tcb, cx);
    }
}

/// CLOSE (RFC 9293 §3.10.4): a FIN follows what was given to send.
fn queue_fin(tcb: &mut Tcb, cx: &mut Context<'_>, cause: &'static str) {
    if tcb.snd.fin_queued {
        return;
    }
    tcb.snd.fin_queued = true;
    match tcb.state {
        State::Established => tcb.enter(State::FinWait1, cause),
        State::CloseWait => tcb.enter(State::LastAck, cause),
        // "Queue for processing after entering ESTABLISHED state."
        _ => {}
    }
    output(tcb, cx);
}

/// Changes one option.
fn apply(settings: &mut Settings, setting: Setting, config: &Config) -> Result<(), SocketError> {
    match setting {
        Setting::NoDelay(on) => settings.no_delay = on,
        Setting::Cork(on) => settings.cork = on,
        Setting::KeepAlive(keep_alive) => settings.keep_alive = keep_alive,
        Setting::Linger(linger) => settings.linger = linger,
        Setting::ReuseAddr(on) => settings.reuse_addr = on,
        Setting::SendBuffer(bytes) => settings.send_buffer = config.send_buffer.clamp(bytes),
        Setting::ReceiveBuffer(bytes) => {
            settings.receive_buffer = config.receive_buffer.clamp(bytes);
        }
        Setting::Ttl(ttl) if ttl.0 > 0 => settings.ttl = ttl,
        Setting::Ttl(_) => return Err(SocketError::Invalid),
        Setting::Tos(tos) => settings.tos = tos,
        Setting::MaxSegment(bytes) if bytes >= config.min_mss => {
            settings.max_segment = Some(bytes);
        }
        Setting::MaxSegment(_) => return Err(SocketError::Invalid),
        Setting::UserTimeout(timeout) => settings.user_timeout = timeout,
        Setting::NotSentLowat(bytes) => settings.not_sent_lowat = bytes,
        Setting::QuickAck(on) => settings.quick_ack = on,
        Setting::Congestion(name) => {
            let part = find(CONGESTION_CONTROLS, &name).ok_or(SocketError::Invalid)?;
            settings.congestion = part.name;
        }
        Setting::OobInline(true) => settings.oob_inline = true,
        Setting::MtuDiscover(on) => settings.mtu_discover = on,
        Setting::FinWait2Timeout(timeout) => settings.fin_wait2_timeout = timeout,
        Setting::DeferAccept(None) => settings.defer_accept = None,
        Setting::ReceiveErrors(false) => settings.receive_errors = false,
        Setting::Timestamping(false) => settings.timestamping = false,
        Setting::DeferAccept(Some(_))
        | Setting::OobInline(false)
        | Setting::ReceiveErrors(true)
        | Setting::Timestamping(true) => return Err(SocketError::Unsupported),
    }
    Ok(())
}

/// Makes a connection do what its options say now.
fn follow_settings(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let settings = &tcb.settings;
    tcb.snd.buffer.limit = settings.send_buffer;
    tcb.rcv.limit = settings.receive_buffer;
    tcb.ack.set_always_quick(settings.quick_ack);
    if tcb.congestion.name() != settings.congestion
        && let Some(part) = find(CONGESTION_CONTROLS, settings.congestion)
    {
        let window = tcb.congestion.cwnd();
        tcb.congestion = (part.make)(cx.config);
        tcb.congestion.start(tcb.snd.mss, window);
    }
    match settings.keep_alive {
        Some(keep_alive) if tcb.state.is_synchronized() && tcb.state != State::TimeWait => {
            tcb.timers.set(Timer::KeepAlive, cx.now + keep_alive.idle);
        }
        _ => tcb.timers.clear(Timer::KeepAlive),
    }
    tcb.signals |= Signals::READY;
    if tcb.state.is_synchronized() && tcb.state != State::TimeWait {
        tcb.update_mss(cx.config);
        output(tcb, cx);
    }
}
