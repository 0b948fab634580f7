//! SEND, RECEIVE, CLOSE and ABORT (RFC 9293 §3.10.2 to §3.10.5).

use std::time::Duration;

use ip::{Handle, Output, SocketError};
use netdev::Instant;

use super::{Kind, Tcp};
use crate::notices::Follow;
use crate::output::output;
use crate::stats::Event;
use crate::tcb::{ConnId, Context, Signals, Standing, Tcb};
use crate::timers::Timer;
use crate::{
    ReceiveFlags, SendFlags, Shutdown, State, autotune, fsm, send_memory, transmit, urgent,
};

impl Tcp {
    pub(super) fn send_on(
        &mut self,
        now: Instant,
        handle: Handle,
        data: &[u8],
        flags: SendFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        let id = self.stream(handle)?;
        self.with(now, out, id, |tcb, cx| {
            if let Some(error) = tcb.error.take() {
                return Err(error);
            }
            if !tcb.may_send() {
                return Err(match tcb.was_established {
                    true => SocketError::BrokenPipe,
                    false => SocketError::NotConnected,
                });
            }
            let affordable = affordable(tcb, cx, data);
            let len = take(tcb, cx, affordable);
            tcb.snd.starved = len < data.len();
            if len == 0 && !data.is_empty() {
                return Err(SocketError::WouldBlock);
            }
            // What is said of the end of the data does not count for a part of it.
            give(
                tcb,
                cx,
                len,
                if len == data.len() { flags } else { flags & SendFlags::ZERO_COPY },
            );
            Ok(len)
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }

    pub(super) fn receive_from(
        &mut self,
        now: Instant,
        handle: Handle,
        buffer: &mut [u8],
        flags: ReceiveFlags,
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        let id = self.stream(handle)?;
        self.with(now, out, id, |tcb, cx| {
            let (inline, peek) = (tcb.settings.oob_inline, flags.contains(ReceiveFlags::PEEK));
            if flags.contains(ReceiveFlags::URGENT) {
                return urgent::take(&mut tcb.rcv, inline, buffer, peek);
            }
            if buffer.is_empty() {
                return Ok(0);
            }
            let len = urgent::read(&mut tcb.rcv, inline, buffer, peek);
            if len == 0 {
                return end_of_stream(tcb);
            }
            if !peek {
                autotune::receive_buffer(tcb, cx.now, cx.config, cx.pressure);
                update_window(tcb, cx);
            }
            Ok(len)
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }

    pub(super) fn shut_down(
        &mut self,
        now: Instant,
        handle: Handle,
        how: Shutdown,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let id = self.stream(handle)?;
        self.with(now, out, id, |tcb, cx| {
            if tcb.state == State::Closed {
                return Err(SocketError::NotConnected);
            }
            if matches!(how, Shutdown::Read | Shutdown::Both) {
                let room = tcb.rcv.shut();
                tcb.signals |= Signals::READY;
                if room {
                    update_window(tcb, cx);
                }
            }
            if matches!(how, Shutdown::Write | Shutdown::Both) {
                queue_fin(tcb, cx, "shutdown");
            }
            Ok(())
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }

    pub(super) fn close_socket(&mut self, now: Instant, handle: Handle, out: &mut dyn Output) {
        let Some(socket) = self.sockets.remove(handle) else { return };
        if let Some(port) = socket.bound {
            self.table.unbind(port, handle);
        }
        match socket.kind {
            Kind::Fresh { .. } => {}
            Kind::Listener(listener) => {
                for id in listener.half_open.into_values().chain(listener.ready) {
                    self.disown(id);
                    self.with(now, out, id, |tcb, cx| {
                        if tcb.state != State::Closed {
                            transmit::reset(tcb, cx);
                            tcb.end(None, "listener closed");
                        }
                        tcb.signals |= Signals::CLOSED;
                    });
                }
            }
            Kind::Stream(id) => self.close_stream(now, id, out),
        }
    }

    /// A connection has no socket any more.
    fn disown(&mut self, id: ConnId) {
        if let Some(tcb) = self.connections.get_mut(id.0) {
            (tcb.socket, tcb.listener, tcb.standing) = (None, None, Standing::Orphan);
            self.orphans += 1;
        }
    }

    fn close_stream(&mut self, now: Instant, id: ConnId, out: &mut dyn Output) {
        let Some(tcb) = self.connections.get(id.0) else { return };
        let state = tcb.state;
        if state == State::TimeWait {
            self.time_wait.forget_socket(&tcb.tuple);
        }
        self.disown(id);
        if matches!(state, State::TimeWait | State::Closed) {
            self.remove(id);
            return;
        }
        let too_many = self.orphans > self.config.max_orphans;
        self.with(now, out, id, |tcb, cx| {
            // RFC 2525 §2.17: data that was received and not read is lost, and the peer must not
            // think otherwise. Linger of zero asks for the same (RFC 9293 §3.9.1.6, ABORT).
            let unread = !tcb.rcv.buffer.is_empty() || !tcb.rcv.reassembly.is_empty();
            if tcb.state == State::SynSent {
                tcb.end(None, "close");
            } else if unread || too_many || tcb.settings.linger == Some(Duration::ZERO) {
                if too_many {
                    cx.events.add(Event::OrphansReset);
                }
                transmit::reset(tcb, cx);
                tcb.end(None, "close with a reset");
            } else {
                tcb.timers.clear(Timer::KeepAlive);
                queue_fin(tcb, cx, "close");
                fsm::start_fin_wait2_timer(tcb, cx.now);
            }
        });
    }
}

/// What is taken of `data` where memory has run out: the least that a send buffer may hold, so
/// that every connection gets on.
fn affordable<'a>(tcb: &mut Tcb, cx: &Context<'_>, data: &'a [u8]) -> &'a [u8] {
    if !cx.exhausted {
        return data;
    }
    let room = cx.config.send_buffer.min.saturating_sub(tcb.snd.buffer.len());
    tcb.snd.short = room < data.len();
    &data[..room.min(data.len())]
}

/// Takes as many bytes as the send buffer has room for, and TCP_NOTSENT_LOWAT lets in.
fn take(tcb: &mut Tcb, cx: &mut Context<'_>, data: &[u8]) -> usize {
    let burst = send_memory::burst_unsent(tcb);
    let mut taken = 0;
    while taken < data.len() {
        let unsent = tcb.unsent();
        let mut tail = (tcb.snd.tail as usize).min(unsent);
        if tail == 0 || tail >= burst {
            tail = 0;
            if send_memory::is_full(tcb, cx.config) || unsent >= tcb.settings.not_sent_lowat {
                break;
            }
        }
        let end = data.len().min(taken + burst - tail);
        tcb.snd.buffer.append(&data[taken..end]);
        tcb.snd.tail = (tail + end - taken) as u32;
        taken = end;
        if taken < data.len() {
            tcb.snd.more = true;
            output(tcb, cx);
        }
    }
    taken
}

/// SEND: `len` bytes more are in the buffer (RFC 9293 §3.10.2).
fn give(tcb: &mut Tcb, cx: &mut Context<'_>, len: usize, flags: SendFlags) {
    let end = tcb.snd.buffer.end();
    tcb.snd.more = flags.contains(SendFlags::MORE);
    if flags.contains(SendFlags::END_OF_RECORD) && len > 0 {
        tcb.snd.buffer.records.end_at(end);
        tcb.snd.tail = 0;
    }
    let urgent = flags.contains(SendFlags::URGENT) && len > 0;
    if urgent {
        tcb.snd.buffer.records.urgent_at(end);
    }
    let mut what = Follow::empty();
    what.set(Follow::TIMES, tcb.settings.timestamping);
    what.set(Follow::RELEASE, flags.contains(SendFlags::ZERO_COPY));
    if !what.is_empty() && len > 0 {
        let offset = tcb.acked_offset() + tcb.snd.buffer.len() as u64;
        let followed = tcb.notices.get_or_insert_default().follow(end, offset, what);
        let lost = if what.contains(Follow::TIMES) { 3 } else { 1 };
        cx.events.add_many(Event::NoticesDropped, lost * u64::from(!followed));
    }
    output(tcb, cx);
    if urgent && tcb.snd.nxt.lt(end) && tcb.snd.wnd == 0 && tcb.state.is_synchronized() {
        // The peer has to hear of it though it has no room: it may be what makes it read.
        transmit::ack(tcb, cx);
    }
}

/// What a read gives when there is nothing to read.
fn end_of_stream(tcb: &mut Tcb) -> Result<usize, SocketError> {
    if let Some(error) = tcb.error.take() {
        return Err(error);
    }
    if tcb.rcv.closed || tcb.rcv.shut || tcb.state == State::TimeWait {
        return Ok(0);
    }
    match tcb.state {
        State::Closed if tcb.was_established => Ok(0),
        State::Closed => Err(SocketError::NotConnected),
        _ => Err(SocketError::WouldBlock),
    }
}

/// The user made room.
fn update_window(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let open = tcb.may_receive() && tcb.state.is_synchronized();
    if open && tcb.rcv.update_is_due(cx.pressure) {
        transmit::ack(tcb, cx);
    }
}

/// CLOSE (RFC 9293 §3.10.4): a FIN follows what was given to send.
fn queue_fin(tcb: &mut Tcb, cx: &mut Context<'_>, cause: &'static str) {
    if tcb.snd.fin_queued {
        return;
    }
    tcb.snd.fin_queued = true;
    match tcb.state {
        State::Established => tcb.enter(State::FinWait1, cause),
        State::CloseWait => tcb.enter(State::LastAck, cause),
        // "Queue for processing after entering ESTABLISHED state."
        _ => {}
    }
    output(tcb, cx);
}
