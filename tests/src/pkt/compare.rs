//! What was expected against what came out.

use std::time::Duration;

use ip::{Tos, Ttl};
use netdev::Instant;
use tcp::Flags;

use super::machine::Machine;
use super::report::{Failure, Result, Stop, failed, unsupported};
use super::script::{Body, IpFields, Packet, Segment, TcpOption, TosField};
use super::wire::{Flow, tos_matches};

/// How long is waited, after a packet is overdue, for one to show in its place.
const OVERDUE: Duration = Duration::from_secs(200);

/// One or more packets of the queue that stand for an expected one.
struct Run {
    /// Their places in the queue.
    places: Vec<usize>,
    /// All of them as one.
    segment: Segment,
    /// Of the last of them.
    at: Instant,
    tos: Tos,
    ttl: Ttl,
    /// Whether no other can follow that would belong to it.
    complete: bool,
}

impl Machine<'_> {
    /// Expects a packet between two times.
    pub(super) fn expect(
        &mut self,
        line: u32,
        packet: &Packet,
        from: Instant,
        to: Instant,
    ) -> Result<()> {
        let Body::Tcp(expected) = &packet.body else {
            return Err(unsupported(line, "ICMP messages that come out: there is only a TCP here"));
        };
        let index = self.flow_of(line, packet, false)?;
        if expected.flags.contains(Flags::SYN) {
            self.flows[index].script_isn = expected.seq;
        }
        let (early, latest) = (self.tolerance(from), to + self.tolerance(to));
        let run = loop {
            let run = self.joined(line, index, expected.len)?;
            if run.as_ref().is_some_and(|run| run.complete) || !self.step(line, latest)? {
                break run;
            }
        };
        let Some(mut run) = run else {
            self.now = latest;
            let window = self.window(from, to);
            return Err(self.missing(line, packet, index, &window));
        };
        for place in run.places.iter().rev() {
            self.queue.remove(*place);
        }
        learn_timestamps(&mut self.flows[index], expected, &run.segment);
        in_script_time(&self.flows[index], &mut run.segment);
        let reason = match self.mismatch(packet.ip, expected, &run) {
            Some(what) => format!("a packet is not as expected: {what}"),
            None if run.at + early < from || run.at > latest => {
                "a packet comes at the wrong time".to_string()
            }
            None => return Ok(()),
        };
        let seen = format!("{} > {}", self.clock(run.at), show(packet, &run));
        let difference = Some((format!("{} > {packet}", self.window(from, to)), seen));
        Err(Stop::Failed(Failure { line, reason, difference, trace: Vec::new() }))
    }

    /// Nothing came. Time goes on a little, to show what would have come instead.
    fn missing(&mut self, line: u32, expected: &Packet, index: usize, window: &str) -> Stop {
        let mut seen = "nothing".to_string();
        self.pending = None;
        let limit = self.now + OVERDUE;
        while self.step(line, limit).unwrap_or(false) {
            if let Ok(Some(mut run)) = self.joined(line, index, 0) {
                in_script_time(&self.flows[index], &mut run.segment);
                seen = format!("{} > {}", self.clock(run.at), show(expected, &run));
                break;
            }
        }
        let reason = "a packet does not come".to_string();
        let expected = format!("{window} > {expected}");
        Stop::Failed(Failure { line, reason, difference: Some((expected, seen)), trace: vec![] })
    }

    /// When a packet is expected, as a person reads it.
    fn window(&self, from: Instant, to: Instant) -> String {
        match to {
            Instant::FAR_FUTURE => "any time".to_string(),
            to if to == from => self.clock(from),
            to => format!("{}~{}", self.clock(from), self.clock(to)),
        }
    }

    /// The oldest packets of a connection that together have `len` bytes.
    fn joined(&mut self, line: u32, index: usize, len: usize) -> Result<Option<Run>> {
        let mut run: Option<Run> = None;
        // Of each segment but the last.
        let mut size = 0;
        for place in 0..self.queue.len() {
            let (flow, sent) = &self.queue[place];
            if *flow != index {
                continue;
            }
            let next = self.flows[index].seen(sent).map_err(|what| failed(line, what))?;
            let (at, tos, ttl) = (sent.at, sent.header.tos, sent.header.ttl);
            let next_len = next.len;
            match &mut run {
                None => {
                    size = next.len;
                    // A short segment is a decision of TCP: it stands for itself.
                    let full = size > 0 && size < len && size >= self.sender_mss(line, index)?;
                    let (places, complete) = (vec![place], !full);
                    run = Some(Run { places, segment: next, at, tos, ttl, complete });
                }
                Some(run) => match join(&run.segment, next) {
                    None => run.complete = true,
                    Some(segment) => {
                        run.complete = segment.len >= len || next_len < size;
                        run.places.push(place);
                        (run.segment, run.at, run.tos, run.ttl) = (segment, at, tos, ttl);
                    }
                },
            }
            if run.as_ref().is_some_and(|run| run.complete) {
                break;
            }
        }
        Ok(run)
    }

    /// Bytes of data in a full segment; 0 where that is not known.
    fn sender_mss(&mut self, line: u32, index: usize) -> Result<usize> {
        let (local, remote) = (self.flows[index].local, self.flows[index].remote);
        let (tcp, now, _) = self.parts(line)?;
        let infos = tcp.sockets(now);
        let mut infos = infos.iter().filter(|i| i.peer == remote && i.local.port() == local.port());
        Ok(infos.next().map_or(0, |info| info.snd_mss as usize))
    }

    /// What of a packet is not as expected.
    fn mismatch(&self, ip: IpFields, expected: &Segment, run: &Run) -> Option<String> {
        fn differs<T: PartialEq + std::fmt::Display>(
            field: &str,
            expected: T,
            seen: T,
        ) -> Option<String> {
            (expected != seen).then(|| format!("{field} is {seen}, not {expected}"))
        }
        let seen = &run.segment;
        let compared = match self.options.compare_psh {
            true => Flags::all(),
            false => Flags::all() - Flags::PSH,
        };
        let flags = (expected.flags & compared != seen.flags & compared).then(|| "flags".into());
        flags
            .or_else(|| differs("the sequence number", expected.seq, seen.seq))
            .or_else(|| differs("the length", expected.len, seen.len))
            .or_else(|| differs("the acknowledgment", expected.ack, seen.ack))
            .or_else(|| differs("the window", expected.window?, seen.window?))
            .or_else(|| differs("the urgent pointer", expected.urgent, seen.urgent))
            .or_else(|| self.options_differ(expected.options.as_ref()?, seen.options.as_ref()?))
            .or_else(|| (!tos_matches(ip.tos?, run.tos.0)).then(|| format!("TOS {}", run.tos.0)))
            .or_else(|| differs("the TTL", ip.ttl?, run.ttl.0))
    }

    fn options_differ(&self, expected: &[TcpOption], seen: &[TcpOption]) -> Option<String> {
        let same = expected.len() == seen.len()
            && expected.iter().zip(seen).all(|(expected, seen)| match (expected, seen) {
                (
                    TcpOption::Timestamps { value, echo },
                    TcpOption::Timestamps { value: seen_value, echo: seen_echo },
                ) => {
                    // The tolerance grows with all the time since the start: a clock drifts.
                    let off =
                        u64::from(value.wrapping_sub(*seen_value).cast_signed().unsigned_abs())
                            * u64::from(self.tick);
                    let tolerance = self.tolerance.max(self.since_start(self.now) / 8);
                    let near = Duration::from_micros(off) <= tolerance;
                    self.tick == 0 || near && echo == seen_echo
                }
                (expected, seen) => expected == seen,
            });
        (!same).then(|| "options".to_string())
    }
}

/// Two segments as one: consecutive data, nothing else changed but what only the last can have.
fn join(before: &Segment, next: Segment) -> Option<Segment> {
    const LAST_ONLY: Flags = Flags::PSH.union(Flags::FIN).union(Flags::CWR);
    let follows = next.seq == before.seq.wrapping_add(before.len as u32)
        && next.len > 0
        && next.ack == before.ack
        && next.flags - LAST_ONLY == before.flags - LAST_ONLY;
    follows.then(|| Segment {
        seq: before.seq,
        len: before.len + next.len,
        // RFC 3168 §6.1.2: CWR is on the first new segment.
        flags: next.flags | before.flags & Flags::CWR,
        ..next
    })
}

fn timestamps(segment: &Segment) -> Option<(u32, u32)> {
    segment.options.as_ref()?.iter().find_map(|option| match option {
        TcpOption::Timestamps { value, echo } => Some((*value, *echo)),
        _ => None,
    })
}

/// The script names a timestamp: from now on it stands for the one that was seen.
fn learn_timestamps(flow: &mut Flow, expected: &Segment, seen: &Segment) {
    if let (Some((script, _)), Some((wire, _))) = (timestamps(expected), timestamps(seen)) {
        flow.timestamps.insert(script, wire);
        flow.first_timestamp.get_or_insert((script, wire));
    }
}

fn in_script_time(flow: &Flow, segment: &mut Segment) {
    for option in segment.options.iter_mut().flatten() {
        if let TcpOption::Timestamps { value, .. } = option {
            *value = flow.script_timestamp(*value);
        }
    }
}

/// What was seen, with those fields that the expected packet names.
fn show(expected: &Packet, run: &Run) -> Packet {
    let mut segment = run.segment.clone();
    if let Body::Tcp(expected) = &expected.body {
        segment.window = expected.window.and(segment.window);
    }
    let ip = IpFields {
        tos: expected.ip.tos.map(|tos| match tos {
            TosField::Byte(_) => TosField::Byte(run.tos.0),
            TosField::Ecn(_) | TosField::AnyEct => TosField::Ecn(run.tos.ecn()),
        }),
        ttl: expected.ip.ttl.map(|_| run.ttl.0),
    };
    Packet { ip, ports: expected.ports, body: Body::Tcp(segment) }
}
