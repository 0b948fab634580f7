//! What comes from below: segments, ICMP errors, and the passing of time.

use std::net::SocketAddr;

use ip::{Cause, Datagram, Handle, Output, Quoted};
use netdev::Instant;
use tracing::trace;

use super::{Kind, Tcp, opening};
use crate::api::Input;
use crate::fsm::{self, Arrival};
use crate::output::output;
use crate::segment::{Flags, Segment};
use crate::stats::Event;
use crate::table::{Owner, Tuple};
use crate::tcb::ConnId;
use crate::timeouts::timeouts;
use crate::timers::TimerQueue;
use crate::{DropReason, SeqNum, State, icmp, listen, time_wait, transmit};

impl Tcp {
    pub(super) fn segment_arrives(
        &mut self,
        now: Instant,
        mut datagram: Datagram,
        out: &mut dyn Output,
    ) -> Input {
        self.events.add(Event::SegmentsIn);
        let dropped = match Segment::parse(&mut datagram) {
            Err(reason) => Some(reason),
            Ok(segment) => {
                let (src, dst) = (datagram.header.src, datagram.header.dst);
                trace!(%src, %dst, ?segment, "in");
                let local = SocketAddr::new(dst, segment.dst_port);
                let tuple = Tuple::new(local, SocketAddr::new(src, segment.src_port));
                match self.table.owner(&tuple) {
                    Some(Owner::Connection(id)) => {
                        self.for_connection(now, id, &datagram, segment, out)
                    }
                    Some(Owner::TimeWait) => {
                        self.for_time_wait(now, tuple, &datagram, segment, out)
                    }
                    None => self.for_listener(now, tuple, &datagram, segment, None, out),
                }
            }
        };
        match dropped {
            Some(reason) => {
                self.drops.add(reason);
                Input::Dropped(reason)
            }
            None => Input::Consumed,
        }
    }

    fn for_connection(
        &mut self,
        now: Instant,
        id: ConnId,
        datagram: &Datagram,
        segment: Segment,
        out: &mut dyn Output,
    ) -> Option<DropReason> {
        let arrival = Arrival::of(segment, datagram);
        self.with(now, out, id, |tcb, cx| fsm::segment_arrives(tcb, cx, arrival).err())?
    }

    fn for_time_wait(
        &mut self,
        now: Instant,
        tuple: Tuple,
        datagram: &Datagram,
        segment: Segment,
        out: &mut dyn Output,
    ) -> Option<DropReason> {
        let remains = *self.time_wait.get(&tuple)?;
        match remains.segment_arrives(&segment) {
            time_wait::Verdict::Drop(reason) => Some(reason),
            time_wait::Verdict::Reuse if self.table.listener(tuple.local()).is_some() => {
                self.events.add(Event::TimeWaitReused);
                self.time_wait.remove(&tuple);
                self.time_wait_over(tuple, &remains);
                self.for_listener(now, tuple, datagram, segment, Some(remains.snd_nxt), out)
            }
            time_wait::Verdict::Reuse => {
                self.acknowledge_again(now, tuple, &segment, out);
                Some(DropReason::UnexpectedSyn)
            }
            time_wait::Verdict::Acknowledge(reason) => {
                self.acknowledge_again(now, tuple, &segment, out);
                Some(reason)
            }
        }
    }

    /// "The only thing that can arrive in this state is a retransmission of the remote FIN.
    /// Acknowledge it, and restart the 2 MSL timeout."
    fn acknowledge_again(
        &mut self,
        now: Instant,
        tuple: Tuple,
        segment: &Segment,
        out: &mut dyn Output,
    ) {
        let Some(remains) = self.time_wait.get_mut(&tuple) else { return };
        if segment.flags.contains(Flags::FIN) {
            let remains = *remains;
            self.events.add(Event::SegmentsOut);
            transmit::time_wait_ack(now, out, &tuple, &remains);
            self.time_wait.restart(now, tuple);
        } else if self.challenges.allow(now, &mut remains.challenge) {
            let remains = *remains;
            self.events.add(Event::SegmentsOut);
            self.events.add(Event::ChallengeAcks);
            transmit::time_wait_ack(now, out, &tuple, &remains);
        } else {
            self.events.add(Event::ChallengesLimited);
        }
    }

    fn for_listener(
        &mut self,
        now: Instant,
        tuple: Tuple,
        datagram: &Datagram,
        segment: Segment,
        beyond: Option<SeqNum>,
        out: &mut dyn Output,
    ) -> Option<DropReason> {
        let found = self.table.listener(tuple.local());
        let listener = found.and_then(|handle| match &self.sockets.get(handle)?.kind {
            Kind::Listener(listener) => Some((handle, &**listener)),
            _ => None,
        });
        let Some((handle, listener)) = listener else {
            self.reset_stray(now, datagram, &segment, out);
            return Some(match segment.flags.contains(Flags::RST) {
                true => DropReason::StrayReset,
                false => DropReason::NoConnection,
            });
        };
        match listener.segment_arrives(now, &segment, &self.config) {
            listen::Verdict::Drop(reason) => Some(reason),
            listen::Verdict::Reset(reason) => {
                self.reset_stray(now, datagram, &segment, out);
                Some(reason)
            }
            listen::Verdict::Open => {
                self.open_passively(now, tuple, datagram, segment, handle, beyond, out)
            }
            listen::Verdict::Recycle => {
                self.recycle(now, handle, out);
                self.open_passively(now, tuple, datagram, segment, handle, beyond, out)
            }
            // A cookie cannot be made to lie beyond old numbers.
            listen::Verdict::SendCookie if beyond.is_some() => {
                self.recycle(now, handle, out);
                self.open_passively(now, tuple, datagram, segment, handle, beyond, out)
            }
            listen::Verdict::SendCookie => self.send_cookie(now, tuple, &segment, handle, out),
            listen::Verdict::TakeCookie => {
                self.take_cookie(now, tuple, datagram, segment, handle, out)
            }
        }
    }

    pub(super) fn reset_stray(
        &mut self,
        now: Instant,
        datagram: &Datagram,
        segment: &Segment,
        out: &mut dyn Output,
    ) {
        if transmit::stray_reset(now, out, datagram, segment) {
            self.events.add(Event::SegmentsOut);
            self.events.add(Event::ResetsOut);
        }
    }

    /// LISTEN to SYN-RECEIVED. The new sequence numbers lie beyond those of a connection of the
    /// same four-tuple that was in TIME-WAIT (RFC 9293 §3.6.1, MAY-2).
    #[allow(clippy::too_many_arguments)]
    fn open_passively(
        &mut self,
        now: Instant,
        tuple: Tuple,
        datagram: &Datagram,
        segment: Segment,
        handle: Handle,
        beyond: Option<SeqNum>,
        out: &mut dyn Output,
    ) -> Option<DropReason> {
        let mut iss = self.isn.next(now, &tuple);
        if let Some(old) = beyond {
            iss = opening::beyond(iss, old);
        }
        let id = match self.new_half_open(now, tuple, handle, iss) {
            Ok(id) => id,
            Err(reason) => return Some(reason),
        };
        let offset = self.isn.timestamp_offset(&tuple);
        self.with(now, out, id, |tcb, cx| {
            tcb.totals.segs_in = tcb.totals.segs_in.wrapping_add(1);
            let scaled = listen::synchronize(tcb, cx, &segment, &datagram.payload, offset);
            transmit::syn_ack(tcb, cx, scaled);
            tcb.restart_retransmit_timer(now);
        });
        None
    }

    /// An ICMP error came back. RFC 5927 §4.1: it counts where the quoted segment is in flight.
    pub(super) fn icmp_error(
        &mut self,
        now: Instant,
        cause: Cause,
        quoted: &Quoted,
        out: &mut dyn Output,
    ) {
        let Some((tuple, seq)) = icmp::quoted_segment(quoted) else {
            self.events.add(Event::IcmpIgnored);
            return;
        };
        let known = match self.table.owner(&tuple) {
            Some(Owner::Connection(id)) => self.with(now, out, id, |tcb, cx| {
                let fits = seq.ge(tcb.snd.una) && seq.lt(tcb.snd.nxt);
                if fits {
                    icmp::error(tcb, cx, cause, quoted.total_len);
                }
                fits
            }),
            _ => None,
        };
        self.events.add(match known {
            Some(true) => Event::IcmpErrors,
            _ => Event::IcmpIgnored,
        });
    }

    /// Timers that are due, then what the batch of input left to be sent.
    pub(super) fn time_passes(&mut self, now: Instant, out: &mut dyn Output) {
        while let Some((at, id)) = self.timers.pop(now) {
            if let Some(tcb) = self.connections.get_mut(id.0) {
                TimerQueue::looked_at(at, &mut tcb.timers);
                if tcb.timers.next().is_some_and(|(_, due)| due <= now) {
                    self.with(now, out, id, timeouts);
                } else {
                    self.timers.schedule(id, &mut tcb.timers);
                }
            }
        }
        let connections = &self.connections;
        self.timers.compact(connections.len(), |at, id| {
            connections.get(id.0).is_some_and(|tcb| tcb.timers.queued() == Some(at))
        });
        while let Some((tuple, remains)) = self.time_wait.expire(now) {
            self.time_wait_over(tuple, &remains);
        }
        for _ in 0..self.work.len() {
            let Some(id) = self.work.pop_front() else { break };
            self.with(now, out, id, |tcb, cx| {
                tcb.has_work = false;
                if tcb.state != State::Closed && tcb.state != State::TimeWait {
                    output(tcb, cx);
                }
            });
        }
    }
}
