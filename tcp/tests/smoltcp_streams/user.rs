//! A socket as its user knows it, and what can be read off smoltcp's about it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Handle, Readiness, SocketError};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, State as SmolState};
use smoltcp::wire::IpEndpoint;
use tcp::{Info, Setting, Settings, State};

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A socket as its user knows it.
pub(super) struct User {
    pub(super) role: Role,
    pub(super) local: Option<SocketAddr>,
    pub(super) settings: Settings,
    /// The settings that smoltcp has to be told of, once there is a connection.
    pub(super) told: Vec<Setting>,
    pub(super) error: Option<SocketError>,
    pub(super) readiness: Readiness,
}

pub(super) enum Role {
    Fresh,
    Listener { backlog: usize, pool: Vec<SocketHandle> },
    Connection { socket: SocketHandle, seen: SmolState, read_shut: bool },
}

/// A connection that can be accepted.
pub(super) fn is_ready(sockets: &SocketSet<'static>, socket: SocketHandle) -> bool {
    let state = sockets.get::<Socket<'_>>(socket).state();
    matches!(state, SmolState::Established | SmolState::CloseWait)
}

impl User {
    pub(super) fn readiness_now(&self, sockets: &SocketSet<'static>) -> Readiness {
        let mut readiness = Readiness::empty();
        match &self.role {
            Role::Fresh => {}
            Role::Listener { pool, .. } => {
                let ready = pool.iter().any(|socket| is_ready(sockets, *socket));
                readiness.set(Readiness::READABLE, ready);
            }
            Role::Connection { socket, read_shut, .. } => {
                let socket: &Socket<'_> = sockets.get(*socket);
                let opening = matches!(socket.state(), SmolState::SynSent | SmolState::SynReceived);
                let ended = !opening && !socket.may_recv() || *read_shut;
                let sending = socket.can_send();
                let over = !opening && !socket.may_send();
                readiness.set(Readiness::READABLE, socket.can_recv() || ended);
                readiness.set(Readiness::READ_CLOSED, ended);
                readiness.set(Readiness::WRITABLE, sending || over);
                readiness.set(Readiness::WRITE_CLOSED, over);
                readiness.set(Readiness::ERROR, self.error.is_some());
            }
        }
        readiness
    }

    pub(super) fn info(&self, handle: Option<Handle>, sockets: &SocketSet<'static>) -> Info {
        match &self.role {
            Role::Fresh => Info::new(handle, State::Closed, self.local.unwrap_or(NOWHERE), NOWHERE),
            Role::Listener { backlog, pool } => {
                let local = self.local.unwrap_or(NOWHERE);
                let ready = pool.iter().filter(|socket| is_ready(sockets, **socket)).count();
                let info = Info::new(handle, State::Listen, local, NOWHERE);
                Info { receive_queue: ready, send_queue: *backlog, ..info }
            }
            Role::Connection { socket, .. } => {
                let info = info_of(sockets.get(*socket), handle);
                Info { local: self.local.unwrap_or(info.local), ..info }
            }
        }
    }
}

pub(super) fn info_of(socket: &Socket<'static>, handle: Option<Handle>) -> Info {
    let state = match socket.state() {
        SmolState::Closed => State::Closed,
        SmolState::Listen => State::Listen,
        SmolState::SynSent => State::SynSent,
        SmolState::SynReceived => State::SynReceived,
        SmolState::Established => State::Established,
        SmolState::FinWait1 => State::FinWait1,
        SmolState::FinWait2 => State::FinWait2,
        SmolState::CloseWait => State::CloseWait,
        SmolState::Closing => State::Closing,
        SmolState::LastAck => State::LastAck,
        SmolState::TimeWait => State::TimeWait,
    };
    let addr = |end: Option<IpEndpoint>| {
        end.map_or(NOWHERE, |end| SocketAddr::new(end.addr.into(), end.port))
    };
    let info =
        Info::new(handle, state, addr(socket.local_endpoint()), addr(socket.remote_endpoint()));
    let sends = state != State::Closed;
    Info {
        receive_queue: socket.recv_queue(),
        send_queue: if sends { socket.send_queue() } else { 0 },
        rcv_wnd: (socket.recv_capacity() - socket.recv_queue()) as u32,
        ..info
    }
}
