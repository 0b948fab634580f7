//! The bench of the kit: control messages on virtual time, over a list of what they sent.

use std::net::Ipv4Addr;
use std::time::Duration;

use ip::{Cause, Datagram, Header, IfIndex, Options, Protocol, Report, Tos, Ttl};
use netdev::checksum::Sum;
use netdev::conformance::{self, Record, Subject};
use netdev::{Cast, Direction, Instant, Packet};

use super::Make;
use crate::{ControlMessages, Input, Suppressed};
use ip::conformance::below::{Below, ME, PEER};

/// Control messages under test, on a host with two networks.
pub struct Bench {
    icmp: Box<dyn ControlMessages>,
    below: Below,
    now: Instant,
    pub(super) record: Record,
    /// What the next [`Bench::input`] comes under.
    pub(super) ttl: Ttl,
    pub(super) tos: Tos,
    pub(super) options: Options,
    pub(super) cast: Cast,
}

/// A message that the layer under test sent: its IP header, and its own bytes.
pub(super) struct Sent {
    pub(super) header: Header,
    pub(super) bytes: Vec<u8>,
}

impl conformance::Bench<Make> for Bench {
    fn new(subject: &Subject<Make>) -> Bench {
        let record = subject.record.clone();
        Bench {
            icmp: subject.make(),
            below: Below::new(record.clone()),
            now: Instant::from_secs(1),
            record,
            ttl: Ttl::DEFAULT,
            tos: Tos::default(),
            options: Options::default(),
            cast: Cast::Unicast,
        }
    }
}

/// A message with its checksum filled in.
pub(super) fn message(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(check) = bytes.get_mut(2..4) {
        check.fill(0);
        let check = Sum::default().bytes(&bytes).finish();
        bytes[2..4].copy_from_slice(&check.to_be_bytes());
    }
    bytes
}

/// An echo request with this data.
pub(super) fn echo(data: &[u8]) -> Vec<u8> {
    message(&[&[8, 0, 0, 0, 0x12, 0x34, 0, 7], data].concat())
}

/// The bytes of an IPv4 datagram; `options` are a multiple of four.
pub(super) fn datagram_with(
    (src, dst): (Ipv4Addr, Ipv4Addr),
    protocol: Protocol,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let [high, low] = ((header + payload.len()) as u16).to_be_bytes();
    let mut bytes = vec![0x40 | (header / 4) as u8, 0, high, low, 0x12, 0x34, 0, 0, 3];
    bytes.extend([protocol.0, 0, 0]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(options);
    let check = Sum::default().bytes(&bytes).finish();
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The same without options.
pub(super) fn datagram(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: Protocol,
    payload: &[u8],
) -> Vec<u8> {
    datagram_with((src, dst), protocol, &[], payload)
}

/// A UDP datagram from `src` port 12345 to `dst` port 7777, where nobody listens; without a UDP
/// checksum.
pub(super) fn udp(src: Ipv4Addr, dst: Ipv4Addr, data: &[u8]) -> Vec<u8> {
    let [high, low] = (8 + data.len() as u16).to_be_bytes();
    let mut payload = vec![0x30, 0x39, 0x1e, 0x61, high, low, 0, 0];
    payload.extend(data);
    datagram(src, dst, Protocol::UDP, &payload)
}

impl Bench {
    /// The counters that are not at zero.
    fn values(&self) -> String {
        let counters = self.icmp.counters();
        let counted = counters.iter().filter(|counter| counter.count > 0);
        let text: Vec<String> =
            counted.map(|counter| format!("{}: {}", counter.name, counter.count)).collect();
        text.join(", ")
    }

    /// A message from `src` to `dst`.
    pub(super) fn input(&mut self, src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Input {
        self.input_packet(src, dst, Packet::from_payload(bytes))
    }

    pub(super) fn input_packet(&mut self, src: Ipv4Addr, dst: Ipv4Addr, payload: Packet) -> Input {
        let mut header = Header::new(src.into(), dst.into(), Protocol::ICMP);
        (header.ttl, header.tos, header.options) = (self.ttl, self.tos, self.options);
        let pair = (header.src, header.dst);
        self.record.datagram(self.now, Direction::Rx, pair, Protocol::ICMP.0, &payload);
        let head: Vec<String> = payload.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let what = format!(
            "received {src} to {dst}: {} and {} bytes",
            head.join(" "),
            payload.len().saturating_sub(8)
        );
        let (iface, cast) = (IfIndex(1), self.cast);
        let datagram = Datagram { header, iface, cast, header_len: 0, payload };
        let input = self.icmp.input(self.now, datagram, &mut self.below);
        self.record.step(self.now, format_args!("{what}: {input:?}"), self.values());
        input
    }

    /// A layer says this of a datagram that came in a frame for this host alone.
    pub(super) fn report(&mut self, cause: Cause, about: &[u8]) -> Result<(), Suppressed> {
        self.report_cast(cause, about, Cast::Unicast)
    }

    pub(super) fn report_cast(
        &mut self,
        cause: Cause,
        about: &[u8],
        cast: Cast,
    ) -> Result<(), Suppressed> {
        let report = Report { cause, packet: Packet::from_payload(about), cast };
        let result = self.icmp.report(self.now, report, &mut self.below);
        let what = format!("report \"{cause}\" about {} bytes ({cast:?})", about.len());
        self.record.step(self.now, format_args!("{what}: {result:?}"), self.values());
        result
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.icmp.poll_at().is_some_and(|at| at <= self.now) {
            self.icmp.poll(self.now, &mut self.below);
        }
    }

    /// The one message that was sent since the last look, with a right checksum.
    pub(super) fn expect_sent(&mut self) -> Sent {
        let mut sent = std::mem::take(&mut self.below.sent);
        self.record.expect_eq("messages sent", sent.len(), 1);
        let (header, packet) = sent.remove(0);
        self.record.expect_eq("its protocol", header.protocol, Protocol::ICMP);
        if !Sum::default().bytes(&packet).is_valid() {
            self.record.fail("a checksum that is right", format_args!("{:02x?}", &packet[2..4]));
        }
        Sent { header, bytes: packet.to_vec() }
    }

    /// [`Bench::expect_sent`], an error of this type and code with this second word.
    pub(super) fn expect_error(&mut self, kind: u8, code: u8, word: [u8; 4]) -> Sent {
        let sent = self.expect_sent();
        let seen = (sent.bytes[0], sent.bytes[1]);
        self.record.expect_eq("type and code", seen, (kind, code));
        let seen = sent.bytes.get(4..8).unwrap_or_default().to_vec();
        self.record.expect_eq("bytes 4 to 7", seen, word.to_vec());
        sent
    }

    /// Nothing was sent since the last look.
    pub(super) fn expect_silence(&mut self) {
        self.record.expect_eq("messages sent", self.below.sent.len(), 0);
    }

    /// How many messages were sent since the last look.
    pub(super) fn count_sent(&mut self) -> usize {
        std::mem::take(&mut self.below.sent).len()
    }

    pub(super) fn expect_dropped(&mut self, input: Input) {
        if !matches!(input, Input::Dropped(_)) {
            self.record.fail("the message to be dropped", format_args!("{input:?}"));
        }
        self.expect_silence();
    }

    /// The layer is alive: a good echo request is answered.
    pub(super) fn expect_alive(&mut self) {
        (self.ttl, self.tos, self.cast) = (Ttl::DEFAULT, Tos::default(), Cast::Unicast);
        self.options = Options::default();
        let input = self.input(PEER, ME, &echo(b"alive?"));
        self.record.expect_eq("of a good echo request", input, Input::Consumed);
        let sent = self.expect_sent();
        self.record.expect_eq("the type of the answer", sent.bytes[0], 0);
    }

    pub(super) fn counter_names(&self) -> Vec<&'static str> {
        self.icmp.counters().iter().map(|counter| counter.name).collect()
    }

    /// The sum of all counters.
    pub(super) fn counted(&self) -> u64 {
        self.icmp.counters().iter().map(|counter| counter.count).sum()
    }
}
