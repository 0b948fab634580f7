//! One host, whose peer is the test itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{Cause, Handle, Header, Protocol, Quoted, SocketError, Tos};
use netdev::conformance::Record;
use netdev::{Direction, Instant, Packet, Segmentation};

use super::{Host, Seg, Side, seg};
use crate::{Flags, Info, Input, Shutdown, State, Streams};

/// The address that injected segments come from.
pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// The port that they come from.
pub const PEER_PORT: u16 = 5000;

/// A TCP under test at 10.0.0.1, and a peer that exists only as the segments that the test
/// injects and expects.
///
/// Sequence numbers are relative, as tcpdump prints them: 0 is the SYN of whoever sends them. The
/// peer's real ones begin at [`Script::peer_isn`], the ones of the TCP under test where its SYN
/// says. Injecting also polls, as the stack does after a batch.
///
/// ```
/// use tcp::SmallTcp;
/// use tcp::testing::{Script, seg};
///
/// let mut script = Script::new(Box::new(SmallTcp::new(1)));
/// script.accept_one(80);
/// script.inject(seg("PA").data(b"hello"));
/// assert_eq!(script.receive(), b"hello");
/// ```
pub struct Script {
    /// The host under test.
    pub host: Host,
    /// The socket that [`Script::send`] and its kin speak of.
    pub socket: Option<Handle>,
    /// The real number of the peer's SYN; to be set before the first segment.
    pub peer_isn: u32,
    /// The peer, where a segment names no other.
    pub peer: SocketAddr,
    /// The local port, where a segment names no other.
    pub port: u16,
    /// The window that the peer offers, where a segment names no other.
    pub peer_window: u16,
    /// The service class and the congestion mark of what is injected.
    pub tos: Tos,
    /// The real number of the SYN of the TCP under test.
    isn: u32,
    /// What the peer sends next, relative.
    peer_nxt: u32,
    /// What the TCP under test sends next, relative, as far as was expected.
    seen_nxt: u32,
    record: Record,
    /// Whether it prints the record itself when a test fails: in a case of the conformance kit,
    /// whoever runs the case does.
    prints: bool,
    /// How often a timer fired.
    fired: usize,
}

impl Script {
    /// A host at time zero, with no socket.
    pub fn new(tcp: Box<dyn Streams>) -> Script {
        let mut script = Script::recording(tcp, Record::default());
        script.prints = true;
        script
    }

    /// The same, with its steps and packets in the record of a conformance case.
    pub fn recording(tcp: Box<dyn Streams>, record: Record) -> Script {
        Script {
            host: Host::new(Side::A.addr(), tcp),
            socket: None,
            peer_isn: 1_000_000,
            peer: SocketAddr::new(PEER, PEER_PORT),
            port: 80,
            peer_window: 65535,
            tos: Tos::default(),
            isn: 0,
            peer_nxt: 0,
            seen_nxt: 0,
            record,
            prints: false,
            fired: 0,
        }
    }

    /// Listens on a port, and takes one connection from the peer with an MSS of 1460: passive
    /// open, three segments. The listener stays open and is returned.
    pub fn accept_one(&mut self, port: u16) -> Handle {
        self.port = port;
        let listener = self.host.listen(port, 8);
        self.step(format!("listen on {port}"));
        self.handshake();
        let (socket, _) = self.host.accept(listener).expect("a connection to accept");
        self.socket = Some(socket);
        self.step("accept".to_owned());
        listener
    }

    /// The three segments that open a connection to a listener.
    pub fn handshake(&mut self) {
        self.inject(seg("S").seq(0).mss(1460));
        self.expect(seg("SA").seq(0).ack(1));
        // Said in full: another connection may have been here before.
        self.inject(seg("A").seq(1).ack(1));
    }

    /// Connects to the peer: active open, three segments. The peer's MSS is 1460.
    pub fn connect_one(&mut self) {
        self.connect();
        self.inject(seg("SA").mss(1460));
        self.expect(seg("A").seq(1).ack(1));
        self.expect_state(State::Established);
    }

    /// Connects to the peer, as far as the SYN.
    pub fn connect(&mut self) {
        let socket = self.host.connect(self.peer);
        self.socket = Some(socket);
        self.port = self.host.info(socket).expect("an open socket").local.port();
        self.step("connect".to_owned());
        self.expect(seg("S").seq(0));
    }

    /// Gives the TCP a segment from the peer, and polls.
    pub fn inject(&mut self, segment: Seg) -> Input {
        self.inject_batch([segment])
    }

    /// Gives the TCP several segments, and polls after the last; says what became of that.
    pub fn inject_batch(&mut self, segments: impl IntoIterator<Item = Seg>) -> Input {
        let mut input = Input::Consumed;
        for segment in segments {
            let segment = self.complete(segment);
            let real = self.absolute(&segment);
            let mut packet = Packet::from_payload(&real.emit());
            if real.payload_len() > 1460 {
                packet.set_segmentation(Segmentation::Tcp4 { size: 1460 });
            }
            input = self.inject_packet(&segment, packet);
        }
        self.host.poll();
        input
    }

    /// Gives the TCP any bytes as a segment from the peer, and polls.
    pub fn inject_bytes(&mut self, bytes: &[u8]) -> Input {
        let described = Seg { src: Some(self.peer), dst: Some(self.local()), ..Seg::default() };
        let input = self.inject_packet(&described, Packet::from_payload(bytes));
        self.host.poll();
        input
    }

    fn inject_packet(&mut self, segment: &Seg, packet: Packet) -> Input {
        let ends = (segment.src.expect("completed").ip(), segment.dst.expect("completed").ip());
        let header = Header { tos: self.tos, ..Header::new(ends.0, ends.1, Protocol::TCP) };
        self.capture(Direction::Rx, &header, &packet);
        let input = self.host.input(header, packet);
        self.step(format!("> {segment}   {input:?}"));
        input
    }

    /// The next segment that the TCP sent, which has to be as `expected` says. Comes back with
    /// relative numbers.
    ///
    /// # Panics
    /// Where there is none, or it is different.
    #[track_caller]
    pub fn expect(&mut self, expected: Seg) -> Seg {
        let Some(seen) = self.next_sent() else {
            self.record.fail(format_args!("< {expected}"), "nothing");
        };
        if let Some(why) = expected.mismatch(&seen) {
            self.record.fail(format_args!("< {expected}"), format_args!("< {seen}: {why}"));
        }
        seen
    }

    /// As [`Script::expect`], but lets up to `time` pass until the TCP sends something.
    ///
    /// # Panics
    /// As [`Script::expect`].
    #[track_caller]
    pub fn expect_within(&mut self, time: Duration, expected: Seg) -> Seg {
        let deadline = self.host.now + time;
        while self.host.out.sent.is_empty() && self.tick(deadline) {}
        self.expect(expected)
    }

    /// What the TCP sends next within `time`, if anything.
    pub fn next_within(&mut self, time: Duration) -> Option<Seg> {
        let deadline = self.host.now + time;
        while self.host.out.sent.is_empty() && self.tick(deadline) {}
        self.next_sent()
    }

    /// The TCP sent nothing more.
    ///
    /// # Panics
    /// Where it did.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        if let Some(seen) = self.next_sent() {
            self.record.fail("nothing more", format_args!("< {seen}"));
        }
    }

    /// The TCP sends nothing for so long.
    ///
    /// # Panics
    /// Where it does.
    #[track_caller]
    pub fn expect_quiet(&mut self, time: Duration) {
        let deadline = self.host.now + time;
        while self.host.out.sent.is_empty() && self.tick(deadline) {}
        self.expect_nothing();
    }

    /// Lets time pass; what is sent meanwhile is to be expected afterwards, or dropped with
    /// [`Script::drain`].
    pub fn wait(&mut self, time: Duration) {
        let deadline = self.host.now + time;
        while self.tick(deadline) {}
    }

    /// Takes all that was sent and not yet expected.
    pub fn drain(&mut self) -> Vec<Seg> {
        std::iter::from_fn(|| self.next_sent()).collect()
    }

    /// Makes calls of the host, as a step of what happened.
    pub fn act<R: fmt::Debug>(&mut self, what: &str, call: impl FnOnce(&mut Host) -> R) -> R {
        let result = call(&mut self.host);
        self.step(format!("{what}   {result:?}"));
        result
    }

    /// Listens on the script's port; [`Script::accept`] takes the connections.
    pub fn listen(&mut self, backlog: usize) -> Handle {
        let port = self.port;
        self.act(&format!("listen on {port}"), |host| host.listen(port, backlog))
    }

    /// Takes the connection that has waited longest; it is the script's from now on.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn accept(&mut self, listener: Handle) {
        let accepted = self.act("accept", |host| host.accept(listener));
        let Ok((socket, _)) = accepted else {
            self.record.fail("a connection to accept", format_args!("{accepted:?}"));
        };
        self.socket = Some(socket);
    }

    /// An ICMP error comes back about what was sent with this (relative) sequence number, in a
    /// datagram of `total_len` bytes.
    pub fn icmp(&mut self, cause: Cause, seq: u32, total_len: u16) {
        let (local, peer) = (self.local(), self.peer);
        let mut payload = [local.port(), peer.port()].map(u16::to_be_bytes).concat();
        payload.extend(self.isn.wrapping_add(seq).to_be_bytes());
        let (src, dst, protocol) = (local.ip(), peer.ip(), Protocol::TCP);
        let quoted = Quoted { src, dst, protocol, total_len, payload };
        self.host.call(|tcp, now, out| tcp.error(now, cause, &quoted, out));
        self.host.poll();
        self.step(format!("> ICMP: {cause}, about {seq} ({total_len} bytes)"));
    }

    /// What a case has found out has to be this; `what` says what it is.
    ///
    /// # Panics
    /// Where it is something else.
    #[track_caller]
    pub fn expect_eq<T: PartialEq + fmt::Debug>(&self, what: &str, seen: T, expected: T) {
        self.record.expect_eq(what, seen, expected);
    }

    /// What a case has found out has to be so.
    ///
    /// # Panics
    /// Where it is not.
    #[track_caller]
    pub fn expect_that(&self, what: &str, holds: bool) {
        self.record.expect(what, holds);
    }

    /// The states of the connections between the script's port and the peer, with a socket or
    /// without, have to be these.
    ///
    /// # Panics
    /// Where they are others.
    #[track_caller]
    pub fn expect_connections(&mut self, states: &[State]) {
        let seen = self.host.states(self.port, self.peer.port());
        self.record.expect_eq("the connections' states", &seen[..], states);
    }

    /// The socket's error, which is told once.
    ///
    /// # Panics
    /// Where it is another, or told again.
    #[track_caller]
    pub fn expect_error(&mut self, error: Option<SocketError>) {
        let socket = self.current();
        let seen = self.act("take the error", |host| host.take_error(socket));
        self.record.expect_eq("the socket's error", seen, error);
        let again = self.host.take_error(socket);
        self.record.expect_eq("the error once more", again, None);
    }

    /// The socket's state has to be this.
    ///
    /// # Panics
    /// Where it is another.
    #[track_caller]
    pub fn expect_state(&mut self, state: State) {
        let now = self.host.state(self.current());
        self.record.expect_eq("state", now, state);
    }

    /// Sends on the socket; all of it has to fit.
    #[track_caller]
    pub fn send(&mut self, data: &[u8]) {
        let taken = self.host.send(self.current(), data);
        self.step(format!("send {} bytes", data.len()));
        self.record.expect_eq("bytes taken", taken, Ok(data.len()));
    }

    /// Everything that can be received on the socket now.
    #[track_caller]
    pub fn receive(&mut self) -> Vec<u8> {
        let received = self.host.receive_all(self.current());
        self.step("receive".to_owned());
        received.expect("bytes").0
    }

    /// The stream has ended, all of it was read.
    ///
    /// # Panics
    /// Where that is not so.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let seen = self.host.receive(self.current(), 1);
        self.record.expect_eq("the end of the stream", seen, Ok(vec![]));
    }

    /// A receive on the socket fails so.
    ///
    /// # Panics
    /// Where it does not.
    #[track_caller]
    pub fn expect_receive_error(&mut self, error: SocketError) {
        let seen = self.host.receive(self.current(), 1);
        self.record.expect_eq("a receive", seen, Err(error));
    }

    /// Shuts one direction of the socket or both.
    #[track_caller]
    pub fn shutdown(&mut self, how: Shutdown) {
        let result = self.host.shutdown(self.current(), how);
        self.step(format!("shutdown {how:?}"));
        self.record.expect_eq("shutdown", result, Ok(()));
    }

    /// Closes the socket.
    pub fn close(&mut self) {
        let socket = self.current();
        self.host.close(socket);
        self.step("close".to_owned());
    }

    /// The facts of the connection, with its socket or without.
    pub fn info(&self) -> Option<Info> {
        let with_socket = self.socket.and_then(|socket| self.host.info(socket).ok());
        with_socket.or_else(|| {
            let mut all = self.host.tcp.sockets(self.host.now).into_iter();
            all.find(|info| info.peer == self.peer && info.local.port() == self.port)
        })
    }

    /// The socket of the script.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn current(&self) -> Handle {
        self.socket.expect("a socket: accept_one or connect first")
    }

    /// What happened so far (a handle on it), to fail with where something is not as expected.
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    /// The real number of the SYN of the TCP under test.
    pub fn isn(&self) -> u32 {
        self.isn
    }

    /// The address and port under test.
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.host.addr(), self.port)
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.host.now
    }

    /// Lets the next timer fire if it is due by `deadline`, else moves the clock there.
    fn tick(&mut self, deadline: Instant) -> bool {
        let due = self.host.tcp.poll_at().filter(|at| *at <= deadline);
        let Some(due) = due else {
            self.host.now = deadline;
            return false;
        };
        self.fired += 1;
        assert!(self.fired < 100_000, "a timer that is always due");
        self.host.now = due.max(self.host.now);
        self.host.poll();
        self.step("timer".to_owned());
        true
    }

    fn next_sent(&mut self) -> Option<Seg> {
        if self.host.out.sent.is_empty() {
            return None;
        }
        let sent = self.host.out.sent.remove(0);
        self.capture(Direction::Tx, &sent.header, &sent.packet);
        if sent.seg.flags.contains(Flags::SYN) && sent.seg.dst == Some(self.peer) {
            self.isn = sent.seg.seq.expect("parsed");
        }
        let ack = sent.seg.flags.contains(Flags::ACK);
        let seen = Seg {
            seq: sent.seg.seq.map(|seq| seq.wrapping_sub(self.isn)),
            ack: sent.seg.ack.filter(|_| ack).map(|ack| ack.wrapping_sub(self.peer_isn)),
            ..sent.seg
        };
        let end = seen.seq.expect("parsed").wrapping_add(seen.seq_len());
        if end.wrapping_sub(self.seen_nxt) < 1 << 31 && !seen.flags.contains(Flags::RST) {
            self.seen_nxt = end;
        }
        self.record.step(sent.at, format_args!("< {seen}"), "");
        Some(seen)
    }

    /// Fills in what a segment to inject does not say.
    fn complete(&mut self, segment: Seg) -> Seg {
        let seq = segment.seq.unwrap_or(self.peer_nxt);
        let end = seq.wrapping_add(segment.seq_len());
        if end.wrapping_sub(self.peer_nxt) < 1 << 31 {
            self.peer_nxt = end;
        }
        let default_ack = segment.flags.contains(Flags::ACK).then_some(self.seen_nxt);
        Seg {
            src: segment.src.or(Some(self.peer)),
            dst: segment.dst.or(Some(self.local())),
            seq: Some(seq),
            ack: segment.ack.or(default_ack),
            window: segment.window.or(Some(self.peer_window)),
            ..segment
        }
    }

    fn absolute(&self, segment: &Seg) -> Seg {
        Seg {
            seq: segment.seq.map(|seq| seq.wrapping_add(self.peer_isn)),
            ack: segment.ack.map(|ack| ack.wrapping_add(self.isn)),
            ..segment.clone()
        }
    }

    fn step(&mut self, what: String) {
        let info = self.info().map(|info| line(&info)).unwrap_or_default();
        self.record.step(self.host.now, what, info);
    }

    /// Puts a packet into the record, with the IP header that the layer below would give it.
    fn capture(&mut self, direction: Direction, header: &Header, payload: &Packet) {
        self.record.datagram(self.host.now, direction, (header.src, header.dst), 6, payload);
    }
}

/// The facts of a connection that a failing test's reader wants to see.
pub(super) fn line(info: &Info) -> String {
    format!(
        "{} -> {} {} una {} nxt {} rcv {} snd_wnd {} rcv_wnd {} cwnd {} rq {} sq {} rto {:?} \
         timer {:?}",
        info.local,
        info.peer,
        info.state,
        info.snd_una,
        info.snd_nxt,
        info.rcv_nxt,
        info.snd_wnd,
        info.rcv_wnd,
        info.cwnd,
        info.receive_queue,
        info.send_queue,
        info.rto,
        info.timer
    )
}

/// A failing test tells what happened.
impl Drop for Script {
    fn drop(&mut self) {
        if self.prints && std::thread::panicking() {
            self.drain();
            let (isn, peer_isn) = (self.isn, self.peer_isn);
            eprintln!("script at {} (0 is {isn}, the peer's 0 is {peer_isn}):", self.host.now);
            eprint!("{}", self.record);
        }
    }
}
