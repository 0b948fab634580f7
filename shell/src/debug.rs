//! What the `debug` command switches.

use std::fmt;

/// A part of the stack that can say what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DebugTarget {
    /// Devices.
    Dev,
    /// Ethernet frames.
    L2,
    /// Address resolution.
    Arp,
    /// Datagrams.
    Ip,
    /// Control messages.
    Icmp,
    /// UDP.
    Udp,
    /// Segments.
    Tcp,
    /// Changes of connections' states.
    TcpState,
}

impl DebugTarget {
    /// All of them, from the wire up.
    pub const ALL: [DebugTarget; 8] = [
        DebugTarget::Dev,
        DebugTarget::L2,
        DebugTarget::Arp,
        DebugTarget::Ip,
        DebugTarget::Icmp,
        DebugTarget::Udp,
        DebugTarget::Tcp,
        DebugTarget::TcpState,
    ];

    /// As a person types it.
    pub fn name(self) -> &'static str {
        match self {
            DebugTarget::Dev => "dev",
            DebugTarget::L2 => "l2",
            DebugTarget::Arp => "arp",
            DebugTarget::Ip => "ip",
            DebugTarget::Icmp => "icmp",
            DebugTarget::Udp => "udp",
            DebugTarget::Tcp => "tcp",
            DebugTarget::TcpState => "tcpstate",
        }
    }

    /// The target of that name.
    pub fn named(name: &str) -> Option<DebugTarget> {
        DebugTarget::ALL.into_iter().find(|target| target.name() == name)
    }
}

impl fmt::Display for DebugTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Switches what the parts of the stack say. Whoever installs the logger implements it.
pub trait DebugSwitch: Send + Sync {
    /// Switches `target` on or off.
    fn set(&self, target: DebugTarget, on: bool);

    /// Whether `target` is on.
    fn is_on(&self, target: DebugTarget) -> bool;
}

/// Has no logger: nothing can be switched.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDebug;

impl DebugSwitch for NoDebug {
    fn set(&self, _: DebugTarget, _: bool) {}
    fn is_on(&self, _: DebugTarget) -> bool {
        false
    }
}
