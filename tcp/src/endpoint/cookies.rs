//! A listener without room in its SYN queue: SYN cookies (RFC 4987 §3.6), or else recycling of the
//! oldest half-open connection (§3.4).

use ip::{Datagram, Handle, Output};
use netdev::Instant;

use super::{Kind, Tcp};
use crate::fsm::{self, Arrival};
use crate::segment::Segment;
use crate::stats::Event;
use crate::syn_cookies::{self, Carried, SynCookies};
use crate::table::Tuple;
use crate::tcb::{ConnId, Context, Signals, Tcb};
use crate::{DropReason, SeqNum, listen, transmit};

impl Tcp {
    /// Answers a SYN and forgets it. The connection is made as every other is, and goes no further
    /// than its SYN-ACK.
    pub(super) fn send_cookie(
        &mut self,
        now: Instant,
        tuple: Tuple,
        segment: &Segment,
        handle: Handle,
        out: &mut dyn Output,
    ) -> Option<DropReason> {
        let mss = segment.options.mss.unwrap_or(self.config.default_mss);
        let Some(iss) = self.cookies.make(now, &tuple, segment.seq, mss) else {
            return Some(DropReason::SynQueue);
        };
        let listener = self.listener_mut(handle)?;
        listener.cookies_until = now + SynCookies::LIFETIME;
        let settings = listener.settings.clone();
        let tuned = settings.tuned.clone();
        let config = tuned.or(&self.config);
        let mut tcb = Tcb::new(config, now, tuple, iss, settings);
        let offset = self.isn.timestamp_offset(&tuple);
        let mut cx = Context {
            now,
            out,
            config,
            events: &mut self.events,
            challenges: &mut self.challenges,
            room_to_accept: true,
            pressure: false,
            exhausted: false,
            route: None,
        };
        let scaled = listen::synchronize(&mut tcb, &mut cx, segment, &[], offset);
        if let Some(clock) = &mut tcb.timestamps {
            let carried = Carried {
                window_scale: segment.options.window_scale.filter(|_| scaled),
                sack: tcb.sack.in_use,
                ecn: tcb.ecn.is_on(),
            };
            let value = clock.value(now);
            clock.offset -= value.wrapping_sub(carried.timestamp(value));
        } else {
            forget_options(&mut tcb);
        }
        let scaled = scaled && tcb.timestamps.is_some();
        transmit::syn_ack(&mut tcb, &mut cx, scaled);
        self.events.add(Event::CookiesSent);
        Some(DropReason::SynQueue)
    }

    /// An acknowledgment at a listener that has sent cookies lately: with one, it opens a
    /// connection and is its first segment; without, it is answered as every stray one.
    pub(super) fn take_cookie(
        &mut self,
        now: Instant,
        tuple: Tuple,
        datagram: &Datagram,
        segment: Segment,
        handle: Handle,
        out: &mut dyn Output,
    ) -> Option<DropReason> {
        let (irs, iss) = (segment.seq - 1, segment.ack - 1);
        let Some(mss) = self.cookies.check(now, &tuple, irs, iss) else {
            self.events.add(Event::CookiesFailed);
            self.reset_stray(now, datagram, &segment, out);
            return Some(DropReason::NoConnection);
        };
        if !self.listener_mut(handle)?.has_room() {
            return Some(DropReason::AcceptQueue);
        }
        let id = match self.new_half_open(now, tuple, handle, iss) {
            Ok(id) => id,
            Err(reason) => return Some(reason),
        };
        self.events.add(Event::CookiesTaken);
        let offset = self.isn.timestamp_offset(&tuple);
        let arrival = Arrival::of(segment, datagram);
        self.with(now, out, id, |tcb, cx| {
            let syn = syn_cookies::syn_of(&segment, mss);
            listen::synchronize(tcb, cx, &syn, &[], offset);
            if tcb.timestamps.is_none() {
                forget_options(tcb);
            }
            tcb.by_cookie = true;
            // What the SYN-ACK offered.
            tcb.rcv.offer_on_syn();
            if let Some(clock) = &mut tcb.timestamps {
                clock.last_ack_sent = tcb.rcv.nxt;
            }
            let refused = fsm::segment_arrives(tcb, cx, arrival).err();
            if !tcb.was_established {
                // Nobody waits for what nothing is known of any more.
                tcb.end(None, "cookie on a segment that does not fit");
                tcb.signals |= Signals::CLOSED;
            }
            refused
        })?
    }

    /// The oldest half-open connection makes room for another: a handshake takes a round trip, so
    /// in a queue that is full the oldest is almost surely forged (RFC 4987 §3.4).
    pub(super) fn recycle(&mut self, now: Instant, handle: Handle, out: &mut dyn Output) {
        let oldest = match self.sockets.get(handle).map(|socket| &socket.kind) {
            Some(Kind::Listener(listener)) => listener.half_open.values().next().copied(),
            _ => None,
        };
        let Some(oldest) = oldest else { return };
        self.events.add(Event::Recycled);
        self.with(now, out, oldest, |tcb, _| tcb.end(None, "recycled"));
    }

    /// A connection in a listener's SYN queue, of which nothing is known yet.
    pub(super) fn new_half_open(
        &mut self,
        now: Instant,
        tuple: Tuple,
        handle: Handle,
        iss: SeqNum,
    ) -> Result<ConnId, DropReason> {
        let full = self.connections.len() >= self.config.max_connections;
        if full || self.memory > self.config.memory {
            return Err(DropReason::Memory);
        }
        let settings = match self.listener_mut(handle) {
            Some(listener) => listener.settings.clone(),
            None => return Err(DropReason::NoConnection),
        };
        let tuned = settings.tuned.clone();
        let mut tcb = Tcb::new(tuned.or(&self.config), now, tuple, iss, settings);
        tcb.listener = Some(handle);
        let id = ConnId(self.connections.insert(Box::new(tcb)));
        self.table.insert(tuple, crate::table::Owner::Connection(id));
        if let Some(listener) = self.listener_mut(handle) {
            let standing = listener.enqueue_half_open(id);
            if let Some(tcb) = self.connections.get_mut(id.0) {
                tcb.standing = standing;
            }
        }
        Ok(id)
    }
}

/// Without timestamps a cookie has no room for options.
fn forget_options(tcb: &mut Tcb) {
    (tcb.snd.scale, tcb.rcv.scale) = (0, 0);
    tcb.sack.in_use = false;
    tcb.ecn.withdraw();
}
