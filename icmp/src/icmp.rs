//! The whole of ICMP: answers echoes, sends errors, reads errors.

use std::net::IpAddr;

use ip::{Datagram, Header, Hop, Options, Output, Protocol, Quoted, Report};
use netdev::{Cast, Counter, Counts, Instant, Packet};
use tracing::{debug, trace};

use crate::limit::Limit;
use crate::rules;
use crate::stat::Stat;
use crate::wire::{self, HEADER, Kind};
use crate::{Config, ControlMessages, DropReason, Input, Suppressed};

/// The longest error, IP header included: "as much of the original datagram as possible without
/// the length of the ICMP datagram exceeding 576 bytes" (RFC 1812 §4.3.2.3). Every host takes
/// that (RFC 1122 §3.3.2).
const LONGEST_ERROR: usize = 576;

/// Bytes of a datagram that an error quotes at most.
const LONGEST_QUOTE: usize = LONGEST_ERROR - 20 - HEADER;

/// ICMP as RFC 1122 §3.2.2 wants it of a host and RFC 1812 §4.3 of a router.
#[derive(Debug)]
pub struct Icmp {
    config: Config,
    limit: Limit,
    drops: Counts<DropReason>,
    suppressed: Counts<Suppressed>,
    stats: Counts<Stat>,
}

impl Icmp {
    /// `seed` makes the length of a burst of errors unknown outside.
    pub fn new(config: Config, seed: u64) -> Icmp {
        Icmp {
            limit: Limit::new(&config, seed),
            config,
            drops: Counts::default(),
            suppressed: Counts::default(),
            stats: Counts::default(),
        }
    }

    fn receive(
        &mut self,
        now: Instant,
        datagram: Datagram,
        out: &mut dyn Output,
    ) -> Result<Input, DropReason> {
        match wire::parse(&datagram.payload)? {
            Kind::Echo => {
                self.stats.add(Stat::EchoesIn);
                let reply = wire::echo_reply(&datagram.payload);
                answer(now, self.config.ttl, &datagram, (reply, recorded(&datagram)), out)?;
                self.stats.add(Stat::EchoesOut);
                Ok(Input::Consumed)
            }
            Kind::Timestamp => {
                self.stats.add(Stat::TimestampsIn);
                let reply = wire::timestamp_reply(&datagram.payload, now);
                answer(now, self.config.ttl, &datagram, (reply, recorded(&datagram)), out)?;
                self.stats.add(Stat::TimestampsOut);
                Ok(Input::Consumed)
            }
            Kind::Reply => {
                self.stats.add(Stat::RepliesIn);
                Ok(Input::Consumed)
            }
            Kind::Unanswered => Err(DropReason::Unanswered),
            Kind::Error(cause) => {
                let quoted = quoted(&datagram, out)?;
                self.stats.add(Stat::ErrorsIn);
                let from = datagram.header.src;
                debug!(%from, %cause, src = %quoted.src, dst = %quoted.dst, "error received");
                Ok(Input::Error { from, cause, quoted })
            }
        }
    }

    fn send_error(
        &mut self,
        now: Instant,
        report: &Report,
        out: &mut dyn Output,
    ) -> Result<(), Suppressed> {
        let answer = rules::check(now, report, out)?;
        let quote = &report.packet[..report.packet.len().min(LONGEST_QUOTE)];
        let packet = wire::error(report.cause, quote).ok_or(Suppressed::Unsupported)?;
        if !answer.local && !self.limit.take(now) {
            return Err(Suppressed::RateLimit);
        }
        let mut header = Header::new(answer.from, answer.to, Protocol::ICMP);
        header.ttl = self.config.ttl;
        header.tos = self.config.error_tos;
        out.send(now, &header, packet).map_err(|_| Suppressed::NoRoute)?;
        debug!(to = %answer.to, cause = %report.cause, "error sent");
        Ok(())
    }
}

/// Sends the reply to a query from the address that was asked (RFC 1122 §3.2.2.6, §3.2.2.8), with
/// a TTL of its own: that of the request is nearly used up.
pub(crate) fn answer(
    now: Instant,
    ttl: ip::Ttl,
    datagram: &Datagram,
    (reply, options): (Packet, Option<Options>),
    out: &mut dyn Output,
) -> Result<(), DropReason> {
    if datagram.cast != Cast::Unicast {
        return Err(DropReason::GroupEcho);
    }
    let (peer, own) = (datagram.header.src, datagram.header.dst);
    // An answer to a broadcast address would make many of one (smurf).
    let route = out.route(now, peer, Some(own)).map_err(|_| DropReason::EchoSource)?;
    if !matches!(route.hop, Hop::Neighbour(_)) {
        return Err(DropReason::EchoSource);
    }
    let mut header = Header::new(own, peer, Protocol::ICMP);
    header.ttl = ttl;
    header.tos = datagram.header.tos.with_ecn(ip::Ecn::NotEct);
    if let Some(options) = options {
        header.options = options;
    }
    out.send(now, &header, reply).map_err(|_| DropReason::EchoSource)
}

/// RFC 1122 §3.2.2.6: what records the way goes back with the reply, with this host in it, so that
/// it tells of the whole round trip. IP has told the time already.
fn recorded(datagram: &Datagram) -> Option<Options> {
    match (datagram.header.options.is_empty(), datagram.header.dst) {
        (false, IpAddr::V4(own)) => Some(wire::recordings(&datagram.header.options, own)),
        _ => None,
    }
}

/// The datagram that a received error is about, if it is one of ours.
fn quoted(datagram: &Datagram, out: &dyn Output) -> Result<Quoted, DropReason> {
    let quoted = Quoted::parse(&datagram.payload[HEADER..]).ok_or(DropReason::BadQuote)?;
    if out.is_local(quoted.src) { Ok(quoted) } else { Err(DropReason::ForeignQuote) }
}

impl ControlMessages for Icmp {
    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        self.stats.add(Stat::In);
        trace!(src = %datagram.header.src, dst = %datagram.header.dst, "input");
        self.receive(now, datagram, out).unwrap_or_else(|reason| {
            self.drops.add(reason);
            trace!(%reason, "dropped");
            Input::Dropped(reason)
        })
    }

    fn report(
        &mut self,
        now: Instant,
        report: Report,
        out: &mut dyn Output,
    ) -> Result<(), Suppressed> {
        let sent = self.send_error(now, &report, out);
        match sent {
            Ok(()) => self.stats.add(Stat::ErrorsOut),
            Err(rule) => {
                self.suppressed.add(rule);
                trace!(%rule, cause = %report.cause, "no error");
            }
        }
        sent
    }

    fn poll(&mut self, _now: Instant, _out: &mut dyn Output) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).chain(self.suppressed.rows()).collect()
    }
}
