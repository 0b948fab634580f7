//! One TCP with its sockets, and the fuzzer as everybody else: peers, path, clock and program.
//!
//! A byte's value is a function of its sequence number in what peers send, and of its place in the
//! stream in what the program sends. So any data segment, however forged, says the same of the same
//! bytes, and what is delivered can be compared.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ip::{Cause, Handle, Header, Protocol, Quoted, Readiness, SocketError, Tos};
use netdev::{Counter, Packet, Reason as _};
use tcp::testing::{Host, Sent, pattern};
use tcp::{
    DropReason, EcnMode, Flags, Info, Input, KeepAlive, Setting, Settings, Shutdown, SmallTcp,
    State, Streams, Tcp,
};

mod oracles;
mod peers;
mod program;

use super::choices::Choices;
use super::forge::{self, ACK, SYN, Segment};

const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const LISTENING: [u16; 2] = [80, 81];
/// Sockets that the program has open at most.
const SOCKETS: usize = 12;
/// Segments that one event may call forth: a window of them, sent anew a few times.
const MOST_AT_ONCE: usize = 20_000;

/// [`tcp::Tcp`] with every part and setting that the bytes ask for.
pub fn tcp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let [what, parts] = [choices.byte(), choices.byte()];
    let config = tcp::Config {
        recovery: &tcp::LOSS_RECOVERIES[usize::from(parts & 15) % tcp::LOSS_RECOVERIES.len()],
        congestion: &tcp::CONGESTION_CONTROLS
            [usize::from(parts >> 4) % tcp::CONGESTION_CONTROLS.len()],
        timestamps: what & 1 == 0,
        sack: what & 2 == 0,
        window_scaling: what & 4 == 0,
        ecn: if what & 8 == 0 { EcnMode::Off } else { EcnMode::On },
        syn_cookies: what & 16 == 0,
        syn_queue: if what & 32 == 0 { 1024 } else { 2 },
        max_time_wait: 8,
        max_orphans: 8,
        memory: if what & 64 == 0 { 1 << 30 } else { 100_000 },
        ..tcp::Config::default()
    };
    let limits = Limits { memory: Some(config.memory + (2 << 20)), follows_mtu: true };
    Session::new(Box::new(Tcp::new(config, 1)), limits, choices).run();
}

/// [`tcp::SmallTcp`], which has no settings.
pub fn tcp_small_input(data: &[u8]) {
    let tcp = Box::new(SmallTcp::new(1));
    Session::new(tcp, Limits { memory: None, follows_mtu: false }, Choices::new(data)).run();
}

/// What an implementation promises.
struct Limits {
    /// It looks at the path's MTU for each segment, and not at the handshake alone.
    follows_mtu: bool,
    /// Bytes that all buffers may take together; the least that each connection has is over it.
    memory: Option<usize>,
}

/// What the program knows of one of its sockets.
struct Socket {
    handle: Handle,
    listens: bool,
    written: usize,
    read: usize,
    /// What may be the number of the first byte that is delivered: one for each SYN that a peer
    /// sent to this connection and that what was delivered until now does not rule out.
    firsts: Option<Vec<u32>>,
}

struct Session<'a> {
    choices: Choices<'a>,
    host: Host,
    limits: Limits,
    sockets: Vec<Socket>,
    /// The numbers behind the SYNs that peers sent, by local and peer port.
    peers: BTreeMap<(u16, u16), Vec<u32>>,
    /// The numbers behind the stack's own SYNs.
    own: BTreeMap<(u16, u16), Vec<u32>>,
    last: Option<Sent>,
    inputs: u64,
    dropped: BTreeMap<&'static str, u64>,
}

impl<'a> Session<'a> {
    fn new(tcp: Box<dyn Streams>, limits: Limits, choices: Choices<'a>) -> Session<'a> {
        let mut session = Session {
            choices,
            host: Host::new(ME.into(), tcp),
            limits,
            sockets: Vec::new(),
            peers: BTreeMap::new(),
            own: BTreeMap::new(),
            last: None,
            inputs: 0,
            dropped: BTreeMap::new(),
        };
        for port in LISTENING {
            let handle = session.host.listen(port, 3);
            session.add(handle, true);
        }
        session
    }

    fn run(mut self) {
        while let Some(event) = self.choices.next() {
            self.event(event);
            self.settle();
        }
        self.count();
    }

    fn add(&mut self, handle: Handle, listens: bool) {
        self.sockets.push(Socket { handle, listens, written: 0, read: 0, firsts: None });
    }

    fn event(&mut self, event: u8) {
        match event % 20 {
            0..=3 => self.forged_segment(),
            4 => self.expected_segment(false),
            5 => self.expected_segment(true),
            6 => self.syn(),
            7 => self.raw_segment(),
            8 | 9 => {
                let time = self.choices.time();
                self.pass(time);
            }
            10 | 11 => self.send(),
            12 | 13 => self.receive(),
            14 => self.accept(),
            15 => self.connect(),
            16 => self.shutdown(),
            17 => self.set(),
            18 => self.icmp(),
            _ => self.path(),
        }
    }

    /// One of the connections, and what is known of it.
    fn connection(&mut self) -> Option<Info> {
        let mut all = self.host.tcp.sockets(self.host.now);
        all.retain(|info| info.state != State::Listen && info.peer.port() != 0);
        let which = self.choices.below(all.len());
        (!all.is_empty()).then(|| all.swap_remove(which))
    }

    fn pass(&mut self, time: Duration) {
        let end = self.host.now + time;
        // A bound on work, not on time: what is left to happen goes on at the next event.
        for _ in 0..200 {
            let Some(due) = self.host.tcp.poll_at().filter(|due| *due <= end) else { break };
            self.host.now = due.max(self.host.now);
            self.settle();
        }
        if self.host.tcp.poll_at().is_none_or(|due| due > end) {
            self.host.now = end;
        }
    }

    /// Lets the TCP do what is due now, and looks at what it did.
    fn settle(&mut self) {
        let mut turns = 0;
        loop {
            self.host.poll();
            if self.host.tcp.poll_at().is_none_or(|due| due > self.host.now) {
                break;
            }
            turns += 1;
            assert!(turns < 1000, "polled again and again at {}", self.host.now);
        }
        let sent = std::mem::take(&mut self.host.out.sent);
        assert!(sent.len() < MOST_AT_ONCE, "{} segments at once", sent.len());
        for sent in &sent {
            self.look_at(sent);
        }
        self.last = sent.into_iter().next_back().or(self.last.take());
        self.host.take_woken();
        self.limits();
    }
}
