//! The calls, each with a line in the record.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use ip::{Readiness, SocketError};
use tcp::{ReceiveFlags, SendFlags, Shutdown};

use super::{Bench, Result};
use crate::conformance::{Host, Kind, Message, SOON, Setting, Socket};
use crate::{Interest, Mode};

impl Bench {
    pub(in crate::conformance) fn open(&mut self, host: Host, kind: Kind) -> Socket {
        let opened = self.try_open(host, kind);
        self.ok("a socket", opened)
    }

    pub(in crate::conformance) fn try_open(&mut self, host: Host, kind: Kind) -> Result<Socket> {
        let opened = self.network.open(host, kind);
        let what = format_args!("open a {kind:?} socket on host {host:?}: {opened:?}");
        self.record.step(self.network.now(), what, "");
        opened
    }

    pub(in crate::conformance) fn bind(&mut self, socket: Socket, local: SocketAddr) -> Result<()> {
        self.call(socket, format_args!("bind {local}"), |net| net.bind(socket, local))
    }

    pub(in crate::conformance) fn listen(&mut self, socket: Socket, backlog: usize) -> Result<()> {
        let what = format_args!("listen, backlog {backlog}");
        self.call(socket, what, |net| net.listen(socket, backlog))
    }

    pub(in crate::conformance) fn accept(
        &mut self,
        socket: Socket,
    ) -> Result<(Socket, SocketAddr)> {
        self.call(socket, "accept", |net| net.accept(socket))
    }

    pub(in crate::conformance) fn connect(
        &mut self,
        socket: Socket,
        peer: SocketAddr,
    ) -> Result<()> {
        let what = format_args!("connect {peer}");
        self.call(socket, what, |net| net.connect(socket, Some(peer)))
    }

    pub(in crate::conformance) fn disconnect(&mut self, socket: Socket) -> Result<()> {
        self.call(socket, "disconnect", |net| net.connect(socket, None))
    }

    pub(in crate::conformance) fn send(&mut self, socket: Socket, data: &[u8]) -> Result<usize> {
        self.send_with(socket, data, SendFlags::empty())
    }

    pub(in crate::conformance) fn send_with(
        &mut self,
        socket: Socket,
        data: &[u8],
        flags: SendFlags,
    ) -> Result<usize> {
        let what = format_args!("send {}{}", shown(data), with(flags.iter_names()));
        self.call(socket, what, |net| net.send(socket, None, data, flags))
    }

    pub(in crate::conformance) fn send_to(
        &mut self,
        socket: Socket,
        to: SocketAddr,
        data: &[u8],
    ) -> Result<usize> {
        let what = format_args!("send {} to {to}", shown(data));
        self.call(socket, what, |net| net.send(socket, Some(to), data, SendFlags::empty()))
    }

    /// At most `most` bytes, or a datagram as far as they go.
    pub(in crate::conformance) fn receive_message(
        &mut self,
        socket: Socket,
        most: usize,
        flags: ReceiveFlags,
    ) -> Result<(Vec<u8>, Message)> {
        let mut buffer = vec![0; most];
        let got = self.network.receive(socket, &mut buffer, flags).map(|message| {
            buffer.truncate(message.len);
            (buffer, message)
        });
        let seen = match &got {
            Ok((data, message)) => format!("{} {message:?}", shown(data)),
            Err(error) => format!("{error:?}"),
        };
        let what = format_args!("receive {most} bytes{}: {seen}", with(flags.iter_names()));
        self.note(socket, what);
        got
    }

    pub(in crate::conformance) fn receive(
        &mut self,
        socket: Socket,
        most: usize,
    ) -> Result<Vec<u8>> {
        Ok(self.receive_message(socket, most, ReceiveFlags::empty())?.0)
    }

    pub(in crate::conformance) fn shutdown(&mut self, socket: Socket, how: Shutdown) -> Result<()> {
        self.call(socket, format_args!("shutdown {how:?}"), |net| net.shutdown(socket, how))
    }

    pub(in crate::conformance) fn close(&mut self, socket: Socket) {
        let closed = self.call(socket, "close", |net| net.close(socket));
        self.ok("a close", closed);
    }

    pub(in crate::conformance) fn set(&mut self, socket: Socket, setting: Setting) -> Result<()> {
        self.call(socket, format_args!("set {setting:?}"), |net| net.set(socket, setting))
    }

    pub(in crate::conformance) fn get(&mut self, socket: Socket, like: Setting) -> Setting {
        let got = self.call(socket, "get an option", |net| net.get(socket, like));
        self.ok("the option", got)
    }

    pub(in crate::conformance) fn local(&mut self, socket: Socket) -> SocketAddr {
        let local = self.call(socket, "its own address", |net| net.local(socket));
        self.ok("the address", local)
    }

    pub(in crate::conformance) fn peer(&mut self, socket: Socket) -> Result<SocketAddr> {
        self.call(socket, "its peer's address", |net| net.peer(socket))
    }

    pub(in crate::conformance) fn unread(&mut self, socket: Socket) -> usize {
        let queues = self.call(socket, "how much waits", |net| net.queues(socket));
        self.ok("the queues", queues).unread
    }

    pub(in crate::conformance) fn unacknowledged(&mut self, socket: Socket) -> usize {
        let queues = self.call(socket, "how much waits", |net| net.queues(socket));
        self.ok("the queues", queues).unacknowledged
    }

    pub(in crate::conformance) fn at_mark(&mut self, socket: Socket) -> bool {
        let at_mark = self.call(socket, "whether it is at the mark", |net| net.at_mark(socket));
        self.ok("the mark", at_mark)
    }

    pub(in crate::conformance) fn take_error(&mut self, socket: Socket) -> Option<SocketError> {
        let error = self.call(socket, "take the error", |net| net.take_error(socket));
        self.ok("SO_ERROR", error)
    }

    pub(in crate::conformance) fn readiness(&mut self, socket: Socket) -> Readiness {
        let ready = self.call(socket, "poll", |net| net.readiness(socket));
        self.ok("the readiness", ready)
    }

    pub(in crate::conformance) fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) {
        let added = self.watch_result(socket, interest, mode);
        self.record.expect_eq("of watching a socket", added, Ok(()));
    }

    pub(in crate::conformance) fn watch_result(
        &mut self,
        socket: Socket,
        interest: Interest,
        mode: Mode,
    ) -> std::result::Result<(), ErrorKind> {
        let added = self.network.watch(socket, interest, mode).map_err(|error| error.kind());
        self.note(socket, format_args!("watch {interest:?} {mode:?}: {added:?}"));
        added
    }

    pub(in crate::conformance) fn watch_again(
        &mut self,
        socket: Socket,
        interest: Interest,
        mode: Mode,
    ) -> std::result::Result<(), ErrorKind> {
        let changed = self.network.watch_again(socket, interest, mode);
        let changed = changed.map_err(|error| error.kind());
        self.note(socket, format_args!("watch as {interest:?} {mode:?}: {changed:?}"));
        changed
    }

    pub(in crate::conformance) fn unwatch(
        &mut self,
        socket: Socket,
    ) -> std::result::Result<(), ErrorKind> {
        let removed = self.network.unwatch(socket).map_err(|error| error.kind());
        self.note(socket, format_args!("watch no longer: {removed:?}"));
        removed
    }

    pub(in crate::conformance) fn events(&mut self) -> Vec<(Socket, Readiness)> {
        let events = self.network.events();
        self.record.step(self.network.now(), format_args!("events: {events:?}"), "");
        match events {
            Ok(events) => events,
            Err(error) => self.record.fail("events", error),
        }
    }

    /// From now on the links lose every datagram, or no longer.
    pub(in crate::conformance) fn lose(&mut self, lose: bool) {
        self.network.lose(lose);
        let what = if lose { "the links lose everything" } else { "the links work again" };
        self.record.step(self.network.now(), what, "");
    }

    /// Lets time pass.
    pub(in crate::conformance) fn pass(&mut self, time: Duration) {
        self.network.pass(time);
        self.collect_packets();
        self.record.step(self.network.now(), format_args!("{time:?} have passed"), "");
    }

    /// Lets whatever is on its way arrive.
    pub(in crate::conformance) fn settle(&mut self) {
        self.pass(SOON);
    }
}

/// Bytes, as a report shows them.
fn shown(data: &[u8]) -> String {
    match data.len() {
        0..=40 => format!("\"{}\"", data.escape_ascii()),
        len => format!("{len} bytes"),
    }
}

/// Flags, as a report shows them.
fn with<'a, T>(flags: impl Iterator<Item = (&'a str, T)>) -> String {
    flags.map(|(name, _)| format!(" {name}")).collect()
}
