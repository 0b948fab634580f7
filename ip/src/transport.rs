//! What every transport shares at its upper interface: handles, readiness, and the errors that a
//! socket call gives (RFC 1122 §4.1.4, RFC 9293 §3.9).

use crate::Cause;

/// Names a socket of one transport. A handle is never used again for another socket while
/// somebody could still hold it: the generation tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Handle {
    /// The place in the transport's table.
    pub index: u32,
    /// How often the place was given away before.
    pub generation: u32,
}

bitflags::bitflags! {
    /// What a socket is ready for. Readiness is data: a transport keeps it, whoever waits reads it.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Readiness: u8 {
        /// A receive or an accept gives something: data, a connection, the end, or an error.
        const READABLE = 1;
        /// A send takes at least a byte, or gives an error; a connect has ended.
        const WRITABLE = 2;
        /// Urgent data is there (RFC 6093).
        const URGENT = 4;
        /// The peer will send no more.
        const READ_CLOSED = 8;
        /// Nothing can be sent any more.
        const WRITE_CLOSED = 16;
        /// An error waits to be taken.
        const ERROR = 32;
    }
}

/// Why a socket call did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// It would have to wait; the readiness tells when to call again.
    #[error("operation would block")]
    WouldBlock,
    /// A connect has begun; the socket becomes writable when it has ended.
    #[error("connection in progress")]
    InProgress,
    /// The handle is not that of an open socket.
    #[error("bad socket")]
    BadHandle,
    /// The call does not fit the socket's state or the arguments make no sense.
    #[error("invalid argument")]
    Invalid,
    /// This implementation cannot do it.
    #[error("not supported by this implementation")]
    Unsupported,
    /// Somebody else has the port.
    #[error("address already in use")]
    AddrInUse,
    /// Not an address of this host, or no ephemeral port is left.
    #[error("cannot assign requested address")]
    AddrNotAvailable,
    /// There is no connection.
    #[error("not connected")]
    NotConnected,
    /// There is one already.
    #[error("already connected")]
    AlreadyConnected,
    /// A datagram without a destination.
    #[error("destination address required")]
    DestinationRequired,
    /// The peer answered with a reset, or the port is unreachable.
    #[error("connection refused")]
    Refused,
    /// The peer ended the connection with a reset.
    #[error("connection reset by peer")]
    Reset,
    /// This side ended it.
    #[error("connection aborted")]
    Aborted,
    /// The peer did not answer in time.
    #[error("connection timed out")]
    TimedOut,
    /// The sending direction is shut.
    #[error("broken pipe")]
    BrokenPipe,
    /// No neighbour or router answered for the host.
    #[error("no route to host")]
    HostUnreachable,
    /// No route.
    #[error("network is unreachable")]
    NetworkUnreachable,
    /// The host does not speak the protocol.
    #[error("protocol not available")]
    ProtocolUnreachable,
    /// The datagram is longer than the protocol or the path allows.
    #[error("message too long")]
    MessageTooLong,
    /// Broadcast without permission, or a hop forbids it.
    #[error("permission denied")]
    Denied,
    /// A limit on sockets or memory.
    #[error("no buffer space available")]
    NoBuffers,
}

impl From<Cause> for SocketError {
    /// As RFC 1122 §4.1.3.3 and §4.2.3.9 let a transport pass ICMP errors on, with the numbers
    /// that Linux gives them.
    fn from(cause: Cause) -> SocketError {
        match cause {
            Cause::NetworkUnreachable => SocketError::NetworkUnreachable,
            Cause::PortUnreachable => SocketError::Refused,
            Cause::ProtocolUnreachable => SocketError::ProtocolUnreachable,
            Cause::FragmentationNeeded { .. } => SocketError::MessageTooLong,
            Cause::ParameterProblem { .. } => SocketError::Invalid,
            Cause::HostUnreachable
            | Cause::SourceRouteFailed
            | Cause::Prohibited
            | Cause::Unreachable { .. }
            | Cause::SourceQuench
            | Cause::Redirect { .. }
            | Cause::TtlExceeded
            | Cause::ReassemblyTimeout => SocketError::HostUnreachable,
        }
    }
}
