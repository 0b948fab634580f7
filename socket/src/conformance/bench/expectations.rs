//! Calls that have to go well, and what is expected.

use std::fmt::Debug;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use ip::{Readiness, SocketError};
use tcp::{ReceiveFlags, SendFlags};

use super::{Bench, Result};
use crate::conformance::{Message, SECOND, SOON, Setting, Socket};

/// How long anything may take that needs no timer of minutes: some retransmissions, a neighbour
/// that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

impl Bench {
    /// What was asked for, where it was not refused.
    pub(in crate::conformance) fn ok<T>(&self, what: &str, result: Result<T>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.record.fail(what, error),
        }
    }

    pub(in crate::conformance) fn connect_well(&mut self, socket: Socket, peer: SocketAddr) {
        if let Err(error) = self.connect(socket, peer)
            && error != SocketError::InProgress
        {
            self.record.fail("a connection", error);
        }
        self.wait(socket, Readiness::WRITABLE);
        let error = self.take_error(socket);
        self.expect_eq("the error of the connect", error, None);
    }

    pub(in crate::conformance) fn accept_well(&mut self, listener: Socket) -> (Socket, SocketAddr) {
        self.wait(listener, Readiness::READABLE);
        let accepted = self.accept(listener);
        self.ok("an accept", accepted)
    }

    pub(in crate::conformance) fn send_well(&mut self, socket: Socket, data: &[u8]) {
        let sent = self.send(socket, data);
        self.expect_eq("bytes taken", sent, Ok(data.len()));
    }

    pub(in crate::conformance) fn send_well_to(
        &mut self,
        socket: Socket,
        to: SocketAddr,
        data: &[u8],
    ) {
        let sent = self.send_to(socket, to, data);
        self.expect_eq("bytes taken", sent, Ok(data.len()));
    }

    pub(in crate::conformance) fn set_well(&mut self, socket: Socket, setting: Setting) {
        let set = self.set(socket, setting);
        self.ok("the option", set);
    }

    /// The next message, when it comes.
    pub(in crate::conformance) fn next_message(
        &mut self,
        socket: Socket,
        most: usize,
    ) -> (Vec<u8>, Message) {
        self.wait(socket, Readiness::READABLE);
        let got = self.receive_message(socket, most, ReceiveFlags::empty());
        self.ok("a message", got)
    }

    pub(in crate::conformance) fn expect_message(
        &mut self,
        socket: Socket,
        expected: &[u8],
    ) -> Message {
        let (data, message) = self.next_message(socket, 2048);
        self.expect_eq("the message", &data[..], expected);
        message
    }

    /// These bytes of a stream, when they come, and no others.
    pub(in crate::conformance) fn expect_data(&mut self, socket: Socket, expected: &[u8]) {
        let mut got = Vec::new();
        while got.len() < expected.len() {
            self.wait(socket, Readiness::READABLE);
            let more = self.receive(socket, expected.len() - got.len());
            let more = self.ok("bytes", more);
            if more.is_empty() {
                self.record.fail(format_args!("{} bytes", expected.len()), "the end");
            }
            got.extend(more);
        }
        self.record.expect("the bytes are those that were sent", got == expected);
    }

    pub(in crate::conformance) fn expect_end(&mut self, socket: Socket) {
        self.wait(socket, Readiness::READABLE);
        let end = self.receive(socket, 100);
        self.expect_eq("the end of the stream", end, Ok(Vec::new()));
    }

    /// Nothing is there to be received.
    pub(in crate::conformance) fn expect_nothing(&mut self, socket: Socket) {
        let got = self.receive(socket, 2048);
        self.expect_eq("of a receive", got, Err(SocketError::WouldBlock));
    }

    pub(in crate::conformance) fn expect_error<T: Debug>(
        &mut self,
        result: Result<T>,
        expected: SocketError,
    ) {
        match result {
            Err(error) if error == expected => {}
            seen => self.record.fail(format_args!("{expected:?}"), format_args!("{seen:?}")),
        }
    }

    /// The error is this one, and so is the kind that a program sees of it.
    pub(in crate::conformance) fn expect_kind<T: Debug>(
        &mut self,
        result: Result<T>,
        error: SocketError,
        kind: ErrorKind,
    ) {
        self.expect_error(result, error);
        let seen = self.network.kind(error);
        self.expect_eq("its kind", seen, kind);
    }

    pub(in crate::conformance) fn expect_eq<T: PartialEq + Debug>(
        &self,
        what: &str,
        seen: T,
        expected: T,
    ) {
        self.record.expect_eq(what, seen, expected);
    }

    pub(in crate::conformance) fn expect(&self, what: &str, holds: bool) {
        self.record.expect(what, holds);
    }

    pub(in crate::conformance) fn expect_setting(&mut self, socket: Socket, setting: Setting) {
        let seen = self.get(socket, setting);
        self.expect_eq("the option", seen, setting);
    }

    /// The socket is ready for all of `expected`.
    pub(in crate::conformance) fn expect_ready(&mut self, socket: Socket, expected: Readiness) {
        let seen = self.readiness(socket);
        if !seen.contains(expected) {
            self.record.fail(format_args!("{expected:?}"), format_args!("{seen:?}"));
        }
    }

    /// The socket is ready for none of `excluded`.
    pub(in crate::conformance) fn expect_not_ready(&mut self, socket: Socket, excluded: Readiness) {
        let seen = self.readiness(socket);
        if seen.intersects(excluded) {
            self.record.fail(format_args!("nothing of {excluded:?}"), format_args!("{seen:?}"));
        }
    }

    /// The sockets that events tell of are these.
    pub(in crate::conformance) fn expect_events(&mut self, expected: &[Socket]) {
        let seen: Vec<Socket> = self.events().into_iter().map(|(socket, _)| socket).collect();
        self.expect_eq("sockets that are told of", &seen[..], expected);
    }

    /// Waits until the socket is ready for any of `wanted`.
    pub(in crate::conformance) fn wait(&mut self, socket: Socket, wanted: Readiness) {
        self.wait_at_most(socket, wanted, PATIENCE);
    }

    pub(in crate::conformance) fn wait_at_most(
        &mut self,
        socket: Socket,
        wanted: Readiness,
        at_most: Duration,
    ) {
        let came = self.network.wait(socket, wanted, at_most);
        self.collect_packets();
        self.note(socket, format_args!("wait for {wanted:?}"));
        if !came {
            self.record
                .fail(format_args!("{wanted:?} within {at_most:?}"), self.network.describe(socket));
        }
    }

    /// Sends until nothing is taken any more, a second long at most, and gives how much was.
    pub(in crate::conformance) fn fill(&mut self, socket: Socket) -> usize {
        let piece = vec![b'.'; 10_000];
        let mut total = 0;
        // What the peer has taken makes room for more.
        for _ in 0..SECOND.as_millis() / SOON.as_millis() {
            let before = total;
            while total < 100_000_000 {
                match self.network.send(socket, None, &piece, SendFlags::empty()) {
                    Ok(taken) => total += taken,
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => self.record.fail("room, or none", error),
                }
            }
            if total == before {
                break;
            }
            self.network.pass(SOON);
        }
        self.note(socket, format_args!("send as much as is taken: {total} bytes"));
        self.collect_packets();
        total
    }
}
