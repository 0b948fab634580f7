//! The options of a socket.

use std::sync::Arc;

use ip::{Handle, Output, SocketError};
use netdev::Instant;

use super::{Kind, Tcp};
use crate::output::output;
use crate::tcb::{Context, Signals, Tcb};
use crate::timers::Timer;
use crate::{CONGESTION_CONTROLS, Config, Setting, Settings, State, find};

impl Tcp {
    pub(super) fn change_setting(
        &mut self,
        now: Instant,
        handle: Handle,
        setting: Setting,
        out: &mut dyn Output,
    ) -> Result<(), SocketError> {
        let config = &self.config;
        let socket = self.sockets.get_mut(handle).ok_or(SocketError::BadHandle)?;
        let id = match &mut socket.kind {
            Kind::Fresh { settings, .. } => return apply(Arc::make_mut(settings), setting, config),
            Kind::Listener(listener) => {
                return apply(Arc::make_mut(&mut listener.settings), setting, config);
            }
            Kind::Stream(id) => *id,
        };
        self.with(now, out, id, |tcb, cx| {
            apply(Arc::make_mut(&mut tcb.settings), setting.clone(), cx.config)?;
            act_on(tcb, &setting);
            follow_settings(tcb, cx);
            Ok(())
        })
        .unwrap_or(Err(SocketError::BadHandle))
    }
}

/// Changes one option.
fn apply(settings: &mut Settings, setting: Setting, config: &Config) -> Result<(), SocketError> {
    match setting {
        Setting::NoDelay(on) => settings.no_delay = on,
        Setting::Cork(on) => settings.cork = on,
        Setting::KeepAlive(Some(times)) if !times.are_sound() => return Err(SocketError::Invalid),
        Setting::KeepAlive(keep_alive) => settings.keep_alive = keep_alive,
        Setting::Linger(linger) => settings.linger = linger,
        Setting::ReuseAddr(on) => settings.reuse_addr = on,
        Setting::SendBuffer(bytes) => {
            settings.send_buffer = config.send_buffer.clamp(bytes);
            settings.send_buffer_fixed = true;
        }
        Setting::ReceiveBuffer(bytes) => {
            settings.receive_buffer = config.receive_buffer.clamp(bytes);
            settings.receive_buffer_fixed = true;
        }
        Setting::Ttl(ttl) if ttl.0 > 0 => settings.ttl = ttl,
        Setting::Ttl(_) => return Err(SocketError::Invalid),
        Setting::Tos(tos) => settings.tos = tos,
        Setting::MaxSegment(bytes) if bytes >= config.min_mss => {
            settings.max_segment = Some(bytes);
        }
        Setting::MaxSegment(_) => return Err(SocketError::Invalid),
        Setting::UserTimeout(timeout) => settings.user_timeout = timeout,
        Setting::NotSentLowat(0) => settings.not_sent_lowat = usize::MAX,
        Setting::NotSentLowat(bytes) => settings.not_sent_lowat = bytes,
        Setting::QuickAck(on) => settings.quick_ack = on,
        Setting::Congestion(name) => {
            let part = find(CONGESTION_CONTROLS, &name).ok_or(SocketError::Invalid)?;
            settings.congestion = part.name;
        }
        Setting::Ecn(mode) => settings.ecn = mode,
        Setting::OobInline(on) => settings.oob_inline = on,
        Setting::MtuDiscover(on) => settings.mtu_discover = on,
        Setting::FinWait2Timeout(timeout) => settings.fin_wait2_timeout = timeout,
        Setting::DeferAccept(time) => settings.defer_accept = time,
        Setting::ReceiveErrors(on) => settings.receive_errors = on,
        Setting::Timestamping(on) => settings.timestamping = on,
        Setting::ReportTrouble(on) => settings.report_trouble = on,
        Setting::Tune(tuning) => return settings.tuned.tune(tuning, config),
    }
    Ok(())
}

/// What the change of an option does beside its new value.
fn act_on(tcb: &mut Tcb, setting: &Setting) {
    match setting {
        // As Linux: what Nagle and cork held back goes out now, and cork holds back what follows.
        Setting::NoDelay(true) => tcb.snd.push = tcb.unsent() > 0,
        Setting::Cork(false) => tcb.snd.more = false,
        Setting::QuickAck(on) => {
            tcb.ack.set_always_quick(*on);
            if !on {
                tcb.ack.patient();
            }
        }
        Setting::SendBuffer(_) => tcb.snd.buffer.limit = tcb.settings.send_buffer,
        Setting::ReceiveBuffer(_) => tcb.rcv.limit = tcb.settings.receive_buffer,
        _ => {}
    }
}

/// Makes a connection do what its options say now.
fn follow_settings(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let settings = &tcb.settings;
    if tcb.congestion.name() != settings.congestion
        && let Some(part) = find(CONGESTION_CONTROLS, settings.congestion)
    {
        let (cwnd, ssthresh) = (tcb.congestion.cwnd(), tcb.congestion.ssthresh());
        tcb.congestion = (part.make)(cx.config);
        tcb.congestion.start(tcb.snd.mss, cx.config.initial_window.saturating_mul(tcb.snd.mss));
        tcb.congestion.take_over(cwnd, ssthresh);
    }
    match settings.keep_alive {
        Some(keep_alive) if tcb.state.is_synchronized() && tcb.state != State::TimeWait => {
            tcb.timers.set(Timer::KeepAlive, cx.now + keep_alive.idle);
        }
        _ => tcb.timers.clear(Timer::KeepAlive),
    }
    tcb.signals |= Signals::READY;
    if tcb.state.is_synchronized() && tcb.state != State::TimeWait {
        tcb.update_mss(cx.config);
        output(tcb, cx);
    }
}
