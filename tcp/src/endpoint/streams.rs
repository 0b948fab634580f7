//! The trait, method by method; what they do is in the files beside this one.

use std::net::{IpAddr, SocketAddr};

use ip::{Cause, Datagram, Handle, Output, Quoted, Readiness, SocketError};
use netdev::{Counter, Instant, sooner};

use super::{Kind, Tcp};
use crate::{Info, Input, Notice, ReceiveFlags, SendFlags, Setting, Settings, Shutdown, Streams};

impl Streams for Tcp {
    fn open(&mut self) -> Result<Handle, SocketError> {
        self.open_socket()
    }

    fn bind(
        &mut self,
        socket: Handle,
        local: SocketAddr,
        out: &dyn Output,
    ) -> Result<(), SocketError> {
        self.bind_socket(socket, local, out)
    }

    fn listen(&mut self, socket: Handle, backlog: usize) -> Result<(), SocketError> {
        self.start_listening(socket, backlog)
    }

    fn accept(&mut self, socket: Handle) -> Result<(Handle, SocketAddr), SocketError> {
        self.accept_one(socket)
    }

    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        self.connect_socket(now, socket, peer, out)
    }

    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        self.send_on(now, socket, data, flags, out)
    }

    fn receive(
        &mut self,
        now: Instant,
        socket: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        self.receive_from(now, socket, buffer, flags, out)
    }

    fn shutdown(
        &mut self,
        now: Instant,
        socket: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        self.shut_down(now, socket, how, out)
    }

    fn close(&mut self, now: Instant, socket: Handle, out: &mut dyn Output) {
        self.close_socket(now, socket, out);
    }

    fn set(
        &mut self,
        now: Instant,
        socket: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        self.change_setting(now, socket, setting, out)
    }

    fn settings(&self, socket: Handle) -> Result<Settings, SocketError> {
        self.settings_of(socket)
    }

    fn info(&self, now: Instant, socket: Handle) -> Result<Info, SocketError> {
        self.info_of(now, socket)
    }

    fn readiness(&self, socket: Handle) -> Readiness {
        self.readiness_of(socket)
    }

    fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        let Kind::Stream(id) = self.sockets.get(socket)?.kind else { return None };
        let tcb = self.connections.get_mut(id.0)?;
        let error = tcb.error.take().or_else(|| tcb.soft_error.take())?;
        self.mark_changed(socket);
        Some(error)
    }

    fn take_notice(&mut self, socket: Handle) -> Option<Notice> {
        let Kind::Stream(id) = self.sockets.get(socket)?.kind else { return None };
        let notice = self.connections.get_mut(id.0)?.notices.as_mut()?.take()?;
        self.mark_changed(socket);
        Some(notice)
    }

    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        self.segment_arrives(now, datagram, out)
    }

    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted, out: &mut dyn Output) {
        self.icmp_error(now, cause, quoted, out);
    }

    fn abandon(&mut self, now: Instant, local: IpAddr, out: &mut dyn Output) {
        self.reset_all_of(now, local, out);
    }

    fn poll(&mut self, now: Instant, out: &mut dyn Output) {
        self.time_passes(now, out);
    }

    fn poll_at(&self) -> Option<Instant> {
        if !self.work.is_empty() {
            return Some(Instant::ZERO);
        }
        sooner(self.timers.next(), self.time_wait.next())
    }

    fn changed(&mut self) -> Option<Handle> {
        loop {
            let handle = self.changed.pop_front()?;
            if let Some(socket) = self.sockets.get_mut(handle) {
                socket.changed = false;
                return Some(handle);
            }
        }
    }

    fn sockets(&self, now: Instant) -> Vec<Info> {
        self.all_sockets(now)
    }

    fn is_at(&self, port: u16) -> bool {
        self.table.is_at(port)
    }

    fn counters(&self) -> Vec<Counter> {
        self.all_counters()
    }
}
