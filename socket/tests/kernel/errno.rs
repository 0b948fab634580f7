//! The errors' numbers.

use std::io;

use ip::SocketError;

/// Each error that has a number, and its number.
const NUMBERS: &[(SocketError, i32)] = &[
    (SocketError::WouldBlock, libc::EAGAIN),
    (SocketError::InProgress, libc::EINPROGRESS),
    (SocketError::BadHandle, libc::EBADF),
    (SocketError::Invalid, libc::EINVAL),
    (SocketError::Unsupported, libc::EOPNOTSUPP),
    (SocketError::AddrInUse, libc::EADDRINUSE),
    (SocketError::AddrNotAvailable, libc::EADDRNOTAVAIL),
    (SocketError::NotConnected, libc::ENOTCONN),
    (SocketError::AlreadyConnected, libc::EISCONN),
    (SocketError::DestinationRequired, libc::EDESTADDRREQ),
    (SocketError::Refused, libc::ECONNREFUSED),
    (SocketError::Reset, libc::ECONNRESET),
    (SocketError::Aborted, libc::ECONNABORTED),
    (SocketError::TimedOut, libc::ETIMEDOUT),
    (SocketError::BrokenPipe, libc::EPIPE),
    (SocketError::HostUnreachable, libc::EHOSTUNREACH),
    (SocketError::NetworkUnreachable, libc::ENETUNREACH),
    (SocketError::ProtocolUnreachable, libc::ENOPROTOOPT),
    (SocketError::MessageTooLong, libc::EMSGSIZE),
    (SocketError::Denied, libc::EACCES),
    (SocketError::NoBuffers, libc::ENOBUFS),
];

/// The error that a number stands for.
pub(crate) fn of_number(number: i32) -> SocketError {
    let found = NUMBERS.iter().find(|(_, known)| *known == number);
    found
        .unwrap_or_else(|| {
            panic!("an error without a name: {}", io::Error::from_raw_os_error(number))
        })
        .0
}

/// The error that the system gave.
pub(crate) fn of(error: &io::Error) -> SocketError {
    of_number(error.raw_os_error().expect("an error of the system"))
}

/// What `std` makes of it.
pub(crate) fn kind(error: SocketError) -> io::ErrorKind {
    let found = NUMBERS.iter().find(|(known, _)| *known == error);
    io::Error::from_raw_os_error(found.expect("an error with a number").1).kind()
}
