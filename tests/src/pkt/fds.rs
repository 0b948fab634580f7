//! The descriptors of a script.

use std::collections::BTreeMap;

use ip::Handle;
use tcp::KeepAlive;

/// What a descriptor stands for.
#[derive(Debug)]
pub(super) enum Fd {
    Socket(Socket),
    Epoll(Vec<Interest>),
}

/// A socket, with what a kernel keeps of it above TCP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub handle: Handle,
    pub nonblocking: bool,
    /// A connect was begun and its end not yet told.
    pub connecting: bool,
    /// TCP_INQ.
    pub inq: bool,
    /// SO_TIMESTAMPING, and the byte of the stream that counts as the first.
    pub timestamping: i64,
    pub first_key: u64,
    /// The times of keep-alive, set while it may still be off.
    pub keep_alive: Option<KeepAlive>,
}

impl Socket {
    pub(super) fn new(handle: Handle, nonblocking: bool) -> Socket {
        Socket {
            handle,
            nonblocking,
            connecting: false,
            inq: false,
            timestamping: 0,
            first_key: 0,
            keep_alive: None,
        }
    }
}

/// What an epoll descriptor waits for.
#[derive(Debug)]
pub(super) struct Interest {
    pub fd: i64,
    pub events: i64,
    /// What the user wants to be told of it.
    pub data: i64,
    /// For edge-triggered ones: whether something has changed since it was last told.
    pub changed: bool,
}

/// The descriptors, by the numbers that the script gives them.
#[derive(Debug, Default)]
pub(super) struct Fds {
    open: BTreeMap<i64, Fd>,
}

impl Fds {
    pub(super) fn insert(&mut self, number: i64, fd: Fd) {
        self.open.insert(number, fd);
    }

    pub(super) fn remove(&mut self, number: i64) -> Option<Fd> {
        // A closed descriptor leaves every epoll.
        for fd in self.open.values_mut() {
            if let Fd::Epoll(interests) = fd {
                interests.retain(|interest| interest.fd != number);
            }
        }
        self.open.remove(&number)
    }

    pub(super) fn socket(&self, number: i64) -> Option<&Socket> {
        match self.open.get(&number) {
            Some(Fd::Socket(socket)) => Some(socket),
            _ => None,
        }
    }

    pub(super) fn socket_mut(&mut self, number: i64) -> Option<&mut Socket> {
        match self.open.get_mut(&number) {
            Some(Fd::Socket(socket)) => Some(socket),
            _ => None,
        }
    }

    pub(super) fn epoll_mut(&mut self, number: i64) -> Option<&mut Vec<Interest>> {
        match self.open.get_mut(&number) {
            Some(Fd::Epoll(interests)) => Some(interests),
            _ => None,
        }
    }

    pub(super) fn contains(&self, number: i64) -> bool {
        self.open.contains_key(&number)
    }

    /// The socket that was opened or accepted last.
    pub(super) fn newest_socket(&self) -> Option<&Socket> {
        self.open.values().rev().find_map(|fd| match fd {
            Fd::Socket(socket) => Some(socket),
            Fd::Epoll(_) => None,
        })
    }

    /// A socket's readiness may have changed.
    pub(super) fn mark_changed(&mut self, handle: Handle) {
        let numbers: Vec<i64> = self
            .open
            .iter()
            .filter(|(_, fd)| matches!(fd, Fd::Socket(socket) if socket.handle == handle))
            .map(|(number, _)| *number)
            .collect();
        for fd in self.open.values_mut() {
            if let Fd::Epoll(interests) = fd {
                for interest in interests.iter_mut().filter(|i| numbers.contains(&i.fd)) {
                    interest.changed = true;
                }
            }
        }
    }
}
