//! That the bench sees what it should see.

use std::net::SocketAddr;

use ip::{Cause, Datagram, Handle, Output, Quoted, Readiness, SocketError};
use netdev::{Counter, Instant};

use super::*;
use crate::{Info, Input, ReceiveFlags, SendFlags, Setting, Settings, Shutdown};
use crate::{SmallTcp, Streams};

fn small(seed: u64) -> Box<dyn Streams> {
    Box::new(SmallTcp::new(seed))
}

fn log_of(seed: u64) -> Vec<(Instant, Side, String, &'static str)> {
    let mut world = World::with_link(seed, LinkConfig::bad(), small(1), small(2));
    let pair = world.connect_pair(80);
    world.transfer(pair, Side::A, &pattern(0, 100_000));
    let line = |it: &Logged| (it.at, it.from, it.seg.to_string(), it.fate);
    world.log.iter().map(line).collect()
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(log_of(7), log_of(7));
    assert_ne!(log_of(7), log_of(8));
    assert!(log_of(7).iter().any(|(.., fate)| *fate == "lost"));
}

#[test]
fn driving_stops_at_its_bound_and_says_so() {
    let mut world = World::new(1, small(1), small(2));
    world.a.connect(SocketAddr::new(Side::B.addr(), 80));
    world.lose_all(|_, _| true);
    assert_eq!(world.drive_bounded(2), Driven::Bound);
    assert_eq!(world.drive_bounded(1000), Driven::Quiet);
}

#[test]
fn a_rule_loses_one_packet_and_the_log_tells() {
    let mut world = World::new(1, small(1), small(2));
    world.lose_next(|from, seg| from == Side::B && seg.payload_len() > 0);
    let pair = world.connect_pair(80);
    world.transfer(pair, Side::B, &pattern(0, 10_000));
    let lost: Vec<_> = world.log.iter().filter(|it| it.fate == "lost by the test").collect();
    assert_eq!(lost.len(), 1);
    assert!(lost[0].from == Side::B && lost[0].seg.payload_len() > 0);
}

#[test]
fn a_rate_takes_its_time() {
    let config = LinkConfig { rate: Some(100_000), ..LinkConfig::default() };
    let mut world = World::with_link(1, config, small(1), small(2));
    let pair = world.connect_pair(80);
    world.transfer(pair, Side::A, &pattern(0, 200_000));
    assert!(world.now() > Instant::from_secs(2), "{}", world.now());
}

#[test]
#[should_panic(expected = "sequence number: Some(0), expected 7")]
fn a_segment_that_is_not_as_expected_is_a_failure() {
    let mut script = Script::new(small(1));
    script.host.listen(80, 1);
    script.inject(seg("S").mss(1460));
    script.expect(seg("SA").seq(7));
}

#[test]
#[should_panic(expected = "seen nothing")]
fn silence_is_a_failure() {
    Script::new(small(1)).expect(seg("A"));
}

#[test]
#[should_panic(expected = "expected nothing more")]
fn a_segment_too_many_is_a_failure() {
    let mut script = Script::new(small(1));
    script.inject(seg("S"));
    script.expect_nothing();
}

#[test]
#[should_panic(expected = "changed() did not name it")]
fn readiness_that_changes_in_silence_is_a_failure() {
    let mut script = Script::new(Box::new(Silent(SmallTcp::new(1))));
    script.accept_one(80);
}

#[test]
#[should_panic(expected = "bad checksum")]
fn a_packet_with_a_bad_checksum_is_a_failure() {
    let mut host = Host::new(Side::A.addr(), small(1));
    let (src, dst) = (SocketAddr::new(Side::A.addr(), 1), SocketAddr::new(Side::B.addr(), 2));
    let bytes = seg("A").from(src).to(dst).bad_checksum().emit();
    let header = ip::Header::new(src.ip(), dst.ip(), ip::Protocol::TCP);
    let _ = host.out.send(Instant::ZERO, &header, netdev::Packet::from_payload(&bytes));
}

#[test]
#[should_panic(expected = "longer than the path takes")]
fn a_packet_that_is_too_long_is_a_failure() {
    let mut host = Host::new(Side::A.addr(), small(1));
    let (src, dst) = (SocketAddr::new(Side::A.addr(), 1), SocketAddr::new(Side::B.addr(), 2));
    let bytes = seg("A").from(src).to(dst).len(1461).emit();
    let header = ip::Header::new(src.ip(), dst.ip(), ip::Protocol::TCP);
    let _ = host.out.send(Instant::ZERO, &header, netdev::Packet::from_payload(&bytes));
}

#[test]
#[should_panic(expected = "was offered no more than to 1101")]
fn data_beyond_the_window_is_a_failure() {
    let (a, b) = (SocketAddr::new(Side::A.addr(), 1), SocketAddr::new(Side::B.addr(), 2));
    let mut windows = super::windows::Windows::default();
    windows.check(Side::A, &seg("S").from(a).to(b).seq(500).win(1000).options(&[3, 3, 7]));
    windows.check(Side::B, &seg("SA").from(b).to(a).seq(0).ack(501).win(9).options(&[3, 3, 2]));
    windows.check(Side::A, &seg("A").from(a).to(b).seq(501).ack(1).win(8));
    windows.check(Side::B, &seg("A").from(b).to(a).seq(1).ack(501).win(9).len(1024));
    // A window is scaled by whose it is: 501 + 9 × 4, and 77 + 8 × 128.
    windows.check(Side::A, &seg("A").from(a).to(b).seq(501).ack(77).win(8).len(36));
    windows.check(Side::B, &seg("A").from(b).to(a).seq(1101).ack(501).win(9).len(1));
    windows.check(Side::B, &seg("A").from(b).to(a).seq(1100).ack(501).win(9).len(2));
}

#[test]
fn pattern_continues_where_it_left_off() {
    let whole = pattern(0, 1000);
    assert_eq!(pattern(300, 700), whole[300..]);
    assert!((1..300).all(|shift| whole[shift..] != whole[..1000 - shift]));
}

/// A TCP that says nothing of what changes.
struct Silent(SmallTcp);

type Result<T> = std::result::Result<T, SocketError>;

impl Streams for Silent {
    fn changed(&mut self) -> Option<Handle> {
        None
    }
    fn open(&mut self) -> Result<Handle> {
        self.0.open()
    }
    fn bind(&mut self, socket: Handle, local: SocketAddr, out: &dyn Output) -> Result<()> {
        self.0.bind(socket, local, out)
    }
    fn listen(&mut self, socket: Handle, backlog: usize) -> Result<()> {
        self.0.listen(socket, backlog)
    }
    fn accept(&mut self, socket: Handle) -> Result<(Handle, SocketAddr)> {
        self.0.accept(socket)
    }
    fn connect(
        &mut self,
        now: Instant,
        socket: Handle,
        peer: SocketAddr,
        out: &mut dyn Output,
    ) -> Result<()> {
        self.0.connect(now, socket, peer, out)
    }
    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize> {
        self.0.send(now, socket, data, flags, out)
    }
    fn receive(
        &mut self,
        now: Instant,
        socket: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize> {
        self.0.receive(now, socket, buffer, flags, out)
    }
    fn shutdown(
        &mut self,
        now: Instant,
        socket: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<()> {
        self.0.shutdown(now, socket, how, out)
    }
    fn close(&mut self, now: Instant, socket: Handle, out: &mut dyn Output) {
        self.0.close(now, socket, out);
    }
    fn set(
        &mut self,
        now: Instant,
        socket: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<()> {
        self.0.set(now, socket, setting, out)
    }
    fn settings(&self, socket: Handle) -> Result<Settings> {
        self.0.settings(socket)
    }
    fn info(&self, now: Instant, socket: Handle) -> Result<Info> {
        self.0.info(now, socket)
    }
    fn readiness(&self, socket: Handle) -> Readiness {
        self.0.readiness(socket)
    }
    fn take_error(&mut self, socket: Handle) -> Option<SocketError> {
        self.0.take_error(socket)
    }
    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        self.0.input(now, datagram, out)
    }
    fn error(&mut self, now: Instant, cause: Cause, quoted: &Quoted, out: &mut dyn Output) {
        self.0.error(now, cause, quoted, out);
    }
    fn poll(&mut self, now: Instant, out: &mut dyn Output) {
        self.0.poll(now, out);
    }
    fn poll_at(&self) -> Option<Instant> {
        self.0.poll_at()
    }
    fn sockets(&self, now: Instant) -> Vec<Info> {
        self.0.sockets(now)
    }
    fn counters(&self) -> Vec<Counter> {
        self.0.counters()
    }
}
