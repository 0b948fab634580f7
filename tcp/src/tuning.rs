//! What a socket may have otherwise than its stack.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ip::SocketError;

use crate::{Config, LOSS_RECOVERIES, find};

/// One of the stack's defaults ([`Config`]), for one socket. It is meant for a connection that is
/// yet to be opened; accepted ones have their listener's. Of an open one it changes what is looked
/// at again, such as how often something is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tuning {
    /// See [`Config::timestamps`].
    Timestamps(bool),
    /// See [`Config::sack`].
    SelectiveAcks(bool),
    /// See [`Config::dsack`].
    DuplicateSacks(bool),
    /// See [`Config::window_scaling`].
    WindowScaling(bool),
    /// See [`Config::default_mss`].
    DefaultMss(u16),
    /// See [`Config::initial_window`]; 1 to 1000 segments.
    InitialWindow(u32),
    /// See [`Config::hystart`].
    HyStart(bool),
    /// See [`Config::window_validation`].
    WindowValidation(bool),
    /// See [`Config::slow_start_after_idle`].
    SlowStartAfterIdle(bool),
    /// See [`Config::recovery`], by name.
    LossRecovery(Cow<'static, str>),
    /// See [`Config::reordering`]; 1 to 300 segments.
    Reordering(u32),
    /// See [`Config::frto`].
    Frto(bool),
    /// See [`Config::tail_loss_probe`].
    TailLossProbe(bool),
    /// See [`Config::rto_initial`]; at most [`Config::rto_max`].
    RtoInitial(Duration),
    /// See [`Config::rto_min`] (TCP_RTO_MIN_US).
    RtoMin(Duration),
    /// See [`Config::rto_max`] (TCP_RTO_MAX_MS); a second at least.
    RtoMax(Duration),
    /// See [`Config::delayed_ack`]: the least and the most (TCP_DELACK_MAX_US), which is under half
    /// a second (RFC 9293 §3.8.6.3, MUST-40).
    DelayedAck(Duration, Duration),
    /// See [`Config::syn_retries`] (TCP_SYNCNT); 1 to 127.
    SynRetries(u32),
    /// See [`Config::syn_ack_retries`].
    SynAckRetries(u32),
    /// See [`Config::retries`].
    Retries(u32),
    /// See [`Config::black_hole`].
    BlackHole(u32),
}

impl Tuning {
    /// Changes it, or says that it cannot be so.
    fn apply(self, config: &mut Config) -> Result<(), SocketError> {
        let within = |is_so: bool| if is_so { Ok(()) } else { Err(SocketError::Invalid) };
        match self {
            Tuning::Timestamps(on) => config.timestamps = on,
            Tuning::SelectiveAcks(on) => config.sack = on,
            Tuning::DuplicateSacks(on) => config.dsack = on,
            Tuning::WindowScaling(on) => config.window_scaling = on,
            Tuning::DefaultMss(mss) => {
                within(mss >= config.min_mss)?;
                config.default_mss = mss;
            }
            Tuning::InitialWindow(segments) => {
                within((1..=1000).contains(&segments))?;
                config.initial_window = segments;
            }
            Tuning::HyStart(on) => config.hystart = on,
            Tuning::WindowValidation(on) => config.window_validation = on,
            Tuning::SlowStartAfterIdle(on) => config.slow_start_after_idle = on,
            Tuning::LossRecovery(name) => {
                config.recovery = find(LOSS_RECOVERIES, &name).ok_or(SocketError::Invalid)?;
            }
            Tuning::Reordering(segments) => {
                within((1..=300).contains(&segments))?;
                config.reordering = segments;
            }
            Tuning::Frto(on) => config.frto = on,
            Tuning::TailLossProbe(on) => config.tail_loss_probe = on,
            Tuning::RtoInitial(first) => {
                within(!first.is_zero() && first <= config.rto_max)?;
                config.rto_initial = first;
            }
            Tuning::RtoMin(least) => {
                within(!least.is_zero() && least <= config.rto_max)?;
                config.rto_min = least;
            }
            Tuning::RtoMax(most) => {
                within(most >= Duration::from_secs(1) && most >= config.rto_min)?;
                config.rto_max = most;
            }
            Tuning::DelayedAck(least, most) => {
                within(least <= most && most < Duration::from_millis(500))?;
                config.delayed_ack = (least, most);
            }
            Tuning::SynRetries(times) => {
                within((1..=127).contains(&times))?;
                config.syn_retries = times;
            }
            Tuning::SynAckRetries(times) => config.syn_ack_retries = times,
            Tuning::Retries(times) => config.retries = times,
            Tuning::BlackHole(times) => config.black_hole = times,
        }
        Ok(())
    }
}

/// The defaults of a socket: its stack's, unless something was tuned. Two of them are equal where
/// nothing was, or where one was inherited from the other.
#[derive(Clone, Default)]
pub struct Tuned(Option<Arc<Config>>);

impl Tuned {
    /// What counts for the socket; `stack`: what its stack has.
    pub fn or<'a>(&'a self, stack: &'a Config) -> &'a Config {
        self.0.as_deref().unwrap_or(stack)
    }

    pub(crate) fn tune(&mut self, tuning: Tuning, stack: &Config) -> Result<(), SocketError> {
        let mut config = self.or(stack).clone();
        tuning.apply(&mut config)?;
        self.0 = Some(Arc::new(config));
        Ok(())
    }
}

impl PartialEq for Tuned {
    fn eq(&self, other: &Tuned) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Eq for Tuned {}

impl fmt::Debug for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "its own" } else { "the stack's" })
    }
}
