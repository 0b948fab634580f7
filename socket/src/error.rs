//! What a socket call gives to a program: `std::io::Error` with the kinds of `std::net`.

use std::io::{Error, ErrorKind};

use ip::SocketError;

/// The error that a program which knows `std::net` expects; the [`SocketError`] is its source.
pub(crate) fn io(error: SocketError) -> Error {
    Error::new(kind(error), error)
}

fn kind(error: SocketError) -> ErrorKind {
    match error {
        SocketError::WouldBlock | SocketError::InProgress => ErrorKind::WouldBlock,
        SocketError::BadHandle | SocketError::Invalid | SocketError::DestinationRequired => {
            ErrorKind::InvalidInput
        }
        SocketError::Unsupported | SocketError::ProtocolUnreachable => ErrorKind::Unsupported,
        SocketError::AddrInUse => ErrorKind::AddrInUse,
        SocketError::AddrNotAvailable => ErrorKind::AddrNotAvailable,
        SocketError::NotConnected => ErrorKind::NotConnected,
        SocketError::AlreadyConnected => ErrorKind::AlreadyExists,
        SocketError::Refused => ErrorKind::ConnectionRefused,
        SocketError::Reset => ErrorKind::ConnectionReset,
        SocketError::Aborted => ErrorKind::ConnectionAborted,
        SocketError::TimedOut => ErrorKind::TimedOut,
        SocketError::BrokenPipe => ErrorKind::BrokenPipe,
        SocketError::HostUnreachable => ErrorKind::HostUnreachable,
        SocketError::NetworkUnreachable => ErrorKind::NetworkUnreachable,
        SocketError::Denied => ErrorKind::PermissionDenied,
        SocketError::NoBuffers => ErrorKind::OutOfMemory,
        SocketError::MessageTooLong => ErrorKind::InvalidInput,
        // The set may grow; what it grows by has no better kind yet.
        _ => ErrorKind::Other,
    }
}

/// A link that is gone.
pub(crate) fn link_down() -> Error {
    Error::new(ErrorKind::NetworkDown, "the network link is down")
}

/// A stack that has ended.
pub(crate) fn stopped() -> Error {
    Error::new(ErrorKind::NetworkDown, "the network stack has been shut down")
}

/// A timeout of zero, which `std::net` refuses too.
pub(crate) fn zero_timeout() -> Error {
    Error::new(ErrorKind::InvalidInput, "a timeout cannot be zero")
}
