//! The descriptors of a script.

use std::collections::BTreeMap;
use std::time::Duration;

use ip::{Handle, Readiness};
use tcp::KeepAlive;

/// What a descriptor stands for.
#[derive(Debug)]
pub(super) enum Fd {
    Socket(Socket),
    Epoll(Vec<Interest>),
    /// An open file of zeros: how long it is, and where reading stands.
    File {
        len: usize,
        at: usize,
    },
    /// The end of a pipe that is read from, and the one that is written to: its number.
    PipeOut(usize),
    PipeIn(usize),
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
    /// SO_ZEROCOPY.
    pub zero_copy: bool,
    /// SO_RCVLOWAT: how many bytes a receive waits for.
    pub receive_lowat: usize,
    /// SO_RCVTIMEO and SO_SNDTIMEO; `None`: as long as it takes.
    pub receive_timeout: Option<Duration>,
    pub send_timeout: Option<Duration>,
    /// The times of keep-alive, set while it may still be off.
    pub keep_alive: Option<KeepAlive>,
    /// Linux's SOCK_NOSPACE: somebody found it full, and is to be told when it is not.
    pub no_space: bool,
    /// How it was found last.
    pub seen: Seen,
}

/// What of a socket makes an edge when it changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub readiness: Readiness,
    /// Bytes that came, or connections that wait.
    pub received: u64,
    /// Bytes that arrived at the peer: of these the error queue tells.
    pub acked: u64,
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
            zero_copy: false,
            receive_lowat: 1,
            receive_timeout: None,
            send_timeout: None,
            keep_alive: None,
            no_space: true,
            seen: Seen { readiness: Readiness::empty(), received: 0, acked: 0 },
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
    /// For edge-triggered ones: the events that have come up since it was last told.
    pub edges: i64,
}

/// The descriptors, by the numbers that the script gives them.
#[derive(Debug, Default)]
pub(super) struct Fds {
    open: BTreeMap<i64, Fd>,
    /// Bytes in each pipe.
    pub pipes: Vec<usize>,
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

    pub(super) fn get(&self, number: i64) -> Option<&Fd> {
        self.open.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: i64) -> Option<&mut Fd> {
        self.open.get_mut(&number)
    }

    /// The numbers of all sockets.
    pub(super) fn sockets(&self) -> Vec<i64> {
        let sockets = self.open.iter().filter(|(_, fd)| matches!(fd, Fd::Socket(_)));
        sockets.map(|(number, _)| *number).collect()
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
            _ => None,
        })
    }

    /// Somebody has found no room to write.
    pub(super) fn missed_room(&mut self, handle: Handle) {
        for fd in self.open.values_mut() {
            if let Fd::Socket(socket) = fd {
                socket.no_space |= socket.handle == handle;
            }
        }
    }

    /// Events have come up on a socket.
    pub(super) fn edge(&mut self, number: i64, events: i64) {
        for fd in self.open.values_mut() {
            if let Fd::Epoll(interests) = fd {
                for interest in interests.iter_mut().filter(|i| i.fd == number) {
                    interest.edges |= events;
                }
            }
        }
    }
}
