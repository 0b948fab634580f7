//! The calls of [`Streams`].

use std::net::{IpAddr, SocketAddr};

use ip::{Cause, Datagram, Handle, Output, Quoted, Readiness, SocketError};
use netdev::{Counter, Instant};
use smoltcp::socket::tcp::{Socket, State as SmolState};
use tcp::{Info, Input, ReceiveFlags, SendFlags, Setting, Settings, Shutdown, Streams};

use super::user::{Role, info_of, is_ready};
use super::{SmolTcp, tell};

impl Streams for SmolTcp {
    fn open(&mut self) -> Result<Handle, SocketError> {
        Ok(self.add_user(Role::Fresh))
    }

    fn bind(
        &mut self,
        socket: Handle,
        local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        let addr = local.ip();
        if !addr.is_unspecified() && !out.is_local(addr) {
            return Err(SocketError::AddrNotAvailable);
        }
        let mut local = local;
        if local.port() == 0 {
            local.set_port(self.next_port);
            self.next_port += 1;
        }
        if self.users.values().any(|user| {
            matches!(user.role, Role::Fresh | Role::Listener { .. })
                && user.local.is_some_and(|other| other.port() == local.port())
        }) {
            return Err(SocketError::AddrInUse);
        }
        let user = self.user(socket)?;
        if user.local.is_some() {
            return Err(SocketError::Invalid);
        }
        user.local = Some(local);
        Ok(())
    }

    fn listen(&mut self, socket: Handle, backlog: usize) -> Result<(), SocketError> {
        let user = self.user(socket)?;
        match &mut user.role {
            Role::Fresh if user.local.is_some() => {
                user.role = Role::Listener { backlog, pool: Vec::new() };
            }
            Role::Listener { backlog: old, .. } => *old = backlog,
            _ => return Err(SocketError::Invalid),
        }
        self.fill_pools();
        Ok(())
    }

    fn accept(&mut self, socket: Handle) -> Result<(Handle, SocketAddr), SocketError> {
        let user = self.users.get_mut(&socket.index).ok_or(SocketError::BadHandle)?;
        let Role::Listener { pool, .. } = &mut user.role else {
            return Err(SocketError::Invalid);
        };
        let ready = pool.iter().position(|socket| is_ready(&self.sockets, *socket));
        let taken = pool.remove(ready.ok_or(SocketError::WouldBlock)?);
        let (settings, told) = (user.settings.clone(), user.told.clone());
        let seen = self.socket(taken).state();
        let peer = info_of(self.socket(taken), None).peer;
        let role = Role::Connection { socket: taken, seen, read_shut: false };
        let handle = self.add_user(role);
        let user = self.users.get_mut(&handle.index).expect("just added");
        (user.settings, user.told) = (settings, told);
        user.readiness = user.readiness_now(&self.sockets);
        self.fill_pools();
        self.refresh(Instant::ZERO);
        Ok((handle, peer))
    }

    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let user = self.user(socket)?;
        match user.role {
            Role::Fresh => {}
            Role::Listener { .. } => return Err(SocketError::Invalid),
            Role::Connection { seen: SmolState::SynSent, .. } => {
                return Err(SocketError::InProgress);
            }
            Role::Connection { .. } => return Err(SocketError::AlreadyConnected),
        }
        let told = user.told.clone();
        let port = user.local.map(|local| local.port());
        let port = port.unwrap_or_else(|| {
            self.next_port += 1;
            self.next_port - 1
        });
        let inner = self.add_socket(&told);
        let connecting = self.sockets.get_mut::<Socket<'_>>(inner);
        let IpAddr::V4(addr) = peer.ip() else { return Err(SocketError::Invalid) };
        let remote = (addr, peer.port());
        if connecting.connect(self.iface.context(), remote, port).is_err() {
            self.sockets.remove(inner);
            return Err(SocketError::Invalid);
        }
        let local = SocketAddr::new(self.addr.into(), port);
        let user = self.user(socket)?;
        user.local = Some(local);
        let seen = SmolState::SynSent;
        user.role = Role::Connection { socket: inner, seen, read_shut: false };
        self.run(now, out);
        Err(SocketError::InProgress)
    }

    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        if !flags.is_empty() {
            return Err(SocketError::Unsupported);
        }
        let user = self.user(socket)?;
        let Role::Connection { socket: inner, seen, .. } = user.role else {
            return Err(SocketError::NotConnected);
        };
        if let Some(error) = user.error.take() {
            return Err(error);
        }
        let inner = self.socket_mut(inner);
        let taken = match inner.send_slice(data) {
            Ok(0) if !data.is_empty() => Err(SocketError::WouldBlock),
            Ok(bytes) => Ok(bytes),
            Err(_) if seen == SmolState::SynSent => Err(SocketError::WouldBlock),
            Err(_) => Err(SocketError::BrokenPipe),
        };
        self.run(now, out);
        taken
    }

    fn receive(
        &mut self,
        now: Instant,
        socket: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        let user = self.user(socket)?;
        let Role::Connection { socket: inner, read_shut, seen } = user.role else {
            return Err(SocketError::NotConnected);
        };
        if flags.contains(ReceiveFlags::URGENT) {
            return Err(SocketError::Unsupported);
        }
        let connection = self.socket_mut(inner);
        if connection.can_recv() {
            let taken = if flags.contains(ReceiveFlags::PEEK) {
                connection.peek_slice(buffer)
            } else {
                connection.recv_slice(buffer)
            };
            self.run(now, out);
            return taken.map_err(|_| SocketError::Invalid);
        }
        let open = connection.may_recv() || matches!(seen, SmolState::SynSent);
        let error = self.user(socket)?.error.take();
        self.refresh(now);
        match error {
            Some(error) => Err(error),
            None if open && !read_shut => Err(SocketError::WouldBlock),
            None => Ok(0),
        }
    }

    fn shutdown(
        &mut self,
        now: Instant,
        socket: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let user = self.user(socket)?;
        let Role::Connection { socket: inner, read_shut, .. } = &mut user.role else {
            return Err(SocketError::NotConnected);
        };
        *read_shut |= how != Shutdown::Write;
        let inner = *inner;
        if how != Shutdown::Read {
            self.socket_mut(inner).close();
        }
        self.run(now, out);
        Ok(())
    }

    fn close(&mut self, now: Instant, socket: Handle, out: &mut dyn Output) {
        let Some(user) = self.users.remove(&socket.index) else { return };
        match user.role {
            Role::Fresh => {}
            Role::Listener { pool, .. } => {
                for socket in pool {
                    self.socket_mut(socket).abort();
                    self.orphans.push(socket);
                }
            }
            Role::Connection { socket, .. } => {
                self.socket_mut(socket).close();
                self.orphans.push(socket);
            }
        }
        self.run(now, out);
    }

    fn set(
        &mut self,
        now: Instant,
        socket: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let mut nobody = Socket::new(
            smoltcp::socket::tcp::SocketBuffer::new(vec![0; 1]),
            smoltcp::socket::tcp::SocketBuffer::new(vec![0; 1]),
        );
        if !tell(&mut nobody, &setting) {
            return Err(SocketError::Unsupported);
        }
        let user = self.user(socket)?;
        user.told.push(setting.clone());
        match &setting {
            Setting::NoDelay(on) => user.settings.no_delay = *on,
            Setting::KeepAlive(times) => user.settings.keep_alive = *times,
            Setting::UserTimeout(time) => user.settings.user_timeout = *time,
            Setting::Ttl(ttl) => user.settings.ttl = *ttl,
            _ => {}
        }
        let sockets = match &user.role {
            Role::Fresh => vec![],
            Role::Listener { pool, .. } => pool.clone(),
            Role::Connection { socket, .. } => vec![*socket],
        };
        for socket in sockets {
            tell(self.socket_mut(socket), &setting);
        }
        self.run(now, out);
        Ok(())
    }

    fn settings(&self, socket: Handle) -> Result<Settings, SocketError> {
        let user = self.users.get(&socket.index).ok_or(SocketError::BadHandle)?;
        Ok(user.settings.clone())
    }

    fn info(&self, _: Instant, socket: Handle) -> Result<Info, SocketError> {
        let user = self.users.get(&socket.index).ok_or(SocketError::BadHandle)?;
        Ok(user.info(Some(socket), &self.sockets))
    }

    fn readiness(&self, socket: Handle) -> Readiness {
        self.users.get(&socket.index).map_or(Readiness::empty(), |user| user.readiness)
    }

    fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        let error = self.user(socket).ok()?.error.take();
        // The readiness tells of it no more.
        let user = self.users.get_mut(&socket.index)?;
        user.readiness = user.readiness_now(&self.sockets);
        self.changed.push_back(socket);
        error
    }

    fn input(&mut self, _: Instant, datagram: Datagram, _: &mut dyn Output) -> Input {
        // It waits for the poll that ends the batch.
        self.queues.arrive(&datagram.header, &datagram.payload);
        Input::Consumed
    }

    fn error(&mut self, _: Instant, _: Cause, _: &Quoted, _: &mut dyn Output) {
        // smoltcp's TCP is told of no ICMP error.
    }

    fn poll(&mut self, now: Instant, out: &mut dyn Output) {
        self.run(now, out);
    }

    fn poll_at(&self) -> Option<Instant> {
        self.poll_at
    }

    fn changed(&mut self) -> Option<Handle> {
        self.changed.pop_front()
    }

    fn sockets(&self, _: Instant) -> Vec<Info> {
        let with_user = self.users.iter().map(|(index, user)| {
            user.info(Some(Handle { index: *index, generation: 0 }), &self.sockets)
        });
        let mut infos: Vec<Info> = with_user.collect();
        let pools = self.users.values().filter_map(|user| match &user.role {
            Role::Listener { pool, .. } => Some(pool),
            _ => None,
        });
        let without = pools.flatten().chain(&self.orphans).map(|socket| self.socket(*socket));
        let begun = without
            .filter(|socket| !matches!(socket.state(), SmolState::Closed | SmolState::Listen));
        infos.extend(begun.map(|socket| info_of(socket, None)));
        infos.sort_by_key(|info| (info.local.port(), info.peer));
        infos
    }

    fn counters(&self) -> Vec<Counter> {
        Vec::new()
    }
}
