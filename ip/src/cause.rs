//! Why a datagram did not arrive, in the words of ICMP.

use std::fmt;
use std::net::IpAddr;

/// What an ICMP error says of a datagram (RFC 792, RFC 1122 §3.2.2, RFC 1812 §5.2.7), whether
/// this host found it out itself, is about to tell it, or was told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// 3/0: no route.
    NetworkUnreachable,
    /// 3/1: the last hop does not answer.
    HostUnreachable,
    /// 3/2: nobody speaks the protocol there.
    ProtocolUnreachable,
    /// 3/3: nobody listens at the port.
    PortUnreachable,
    /// 3/4: too long for a link of `mtu` bytes, and DF is set. An mtu of 0 is that of a router
    /// older than RFC 1191.
    FragmentationNeeded {
        /// Bytes, IP header included.
        mtu: u16,
    },
    /// 3/5: a source route could not be followed.
    SourceRouteFailed,
    /// 3/9, 3/10, 3/13: forbidden on the way.
    Prohibited,
    /// Another code of type 3.
    Unreachable {
        /// The code.
        code: u8,
    },
    /// 4/0: obsolete (RFC 6633), only parsed.
    SourceQuench,
    /// 5/0 to 5/3: a better first hop; the datagram was forwarded.
    Redirect {
        /// The better hop.
        gateway: IpAddr,
        /// Whether for the one destination (code 1), not its whole network (code 0).
        host: bool,
    },
    /// 11/0: the TTL ran out on the way.
    TtlExceeded,
    /// 11/1: fragments were missing.
    ReassemblyTimeout,
    /// 12/0: a header field makes no sense.
    ParameterProblem {
        /// Which byte of the datagram.
        pointer: u8,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NetworkUnreachable => f.write_str("network unreachable"),
            Cause::HostUnreachable => f.write_str("host unreachable"),
            Cause::ProtocolUnreachable => f.write_str("protocol unreachable"),
            Cause::PortUnreachable => f.write_str("port unreachable"),
            Cause::FragmentationNeeded { mtu } => write!(f, "fragmentation needed (mtu {mtu})"),
            Cause::SourceRouteFailed => f.write_str("source route failed"),
            Cause::Prohibited => f.write_str("communication prohibited"),
            Cause::Unreachable { code } => write!(f, "destination unreachable, code {code}"),
            Cause::SourceQuench => f.write_str("source quench"),
            Cause::Redirect { gateway, host: true } => write!(f, "redirect host to {gateway}"),
            Cause::Redirect { gateway, host: false } => write!(f, "redirect network to {gateway}"),
            Cause::TtlExceeded => f.write_str("time to live exceeded"),
            Cause::ReassemblyTimeout => f.write_str("fragment reassembly time exceeded"),
            Cause::ParameterProblem { pointer } => write!(f, "parameter problem at byte {pointer}"),
        }
    }
}
