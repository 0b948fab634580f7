//! Logs: which parts of the stack say what they do, and where it is printed.

use std::sync::{Arc, Mutex, PoisonError};

use shell::{DebugSwitch, DebugTarget, Terminal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Switches `tracing` targets at run time.
#[derive(Clone)]
pub(crate) struct Logs {
    on: Arc<Mutex<Vec<DebugTarget>>>,
    apply: Arc<dyn Fn(Targets) + Send + Sync>,
}

impl Logs {
    /// Installs the process's logger, which writes to `terminal`. Warnings are always printed.
    pub(crate) fn install(terminal: &Terminal) -> Logs {
        let (filter, handle) = reload::Layer::new(targets(&[]));
        let err = terminal.err();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || err.clone())
            .with_ansi(false)
            .without_time();
        tracing_subscriber::registry().with(filter).with(lines).init();
        Logs {
            on: Arc::default(),
            // Fails only where the subscriber is gone, and then nothing is printed anyway.
            apply: Arc::new(move |targets| drop(handle.reload(targets))),
        }
    }
}

impl DebugSwitch for Logs {
    fn set(&self, target: DebugTarget, on: bool) {
        let mut list = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|other| *other != target);
        if on {
            list.push(target);
        }
        (self.apply)(targets(&list));
    }

    fn is_on(&self, target: DebugTarget) -> bool {
        self.on.lock().unwrap_or_else(PoisonError::into_inner).contains(&target)
    }
}

/// What is printed when `on` is switched on. A packet is a `trace!`, a change of state a
/// `debug!`: `tcpstate` alone shows only the latter.
fn targets(on: &[DebugTarget]) -> Targets {
    let mut levels = [LevelFilter::WARN; 5];
    let [netdev, arp, ip, icmp, udp] = &mut levels;
    let mut tcp = LevelFilter::WARN;
    for target in on {
        match target {
            DebugTarget::Dev => *netdev = (*netdev).max(LevelFilter::DEBUG),
            DebugTarget::L2 => *netdev = LevelFilter::TRACE,
            DebugTarget::Arp => *arp = LevelFilter::TRACE,
            DebugTarget::Ip => *ip = LevelFilter::TRACE,
            DebugTarget::Icmp => *icmp = LevelFilter::TRACE,
            DebugTarget::Udp => *udp = LevelFilter::TRACE,
            DebugTarget::Tcp => tcp = LevelFilter::TRACE,
            DebugTarget::TcpState => tcp = tcp.max(LevelFilter::DEBUG),
        }
    }
    let [netdev, arp, ip, icmp, udp] = levels;
    Targets::new().with_default(LevelFilter::WARN).with_targets([
        ("netdev", netdev),
        ("arp", arp),
        ("ip", ip),
        ("icmp", icmp),
        ("udp", udp),
        ("tcp", tcp),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn each_word_opens_its_part() {
        let quiet = targets(&[]);
        assert!(
            quiet.would_enable("tcp", &Level::WARN) && !quiet.would_enable("tcp", &Level::DEBUG)
        );
        let states = targets(&[DebugTarget::TcpState]);
        assert!(states.would_enable("tcp::fsm", &Level::DEBUG));
        assert!(!states.would_enable("tcp::fsm", &Level::TRACE));
        let both = targets(&[DebugTarget::Tcp, DebugTarget::TcpState]);
        assert!(
            both.would_enable("tcp", &Level::TRACE) && !both.would_enable("arp", &Level::DEBUG)
        );
    }
}
