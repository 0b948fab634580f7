//! A link over a Unix socket: two stacks, or a stack and a QEMU guest, without privileges.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::debug;

use crate::ethernet::too_long;
use crate::framing::{FrameReader, FrameWriter, Incoming};
use crate::{
    Capabilities, Device, DropReason, Instant, Interest, LinkState, Medium, Packet, Stats,
};

/// Between two tries of an end that connects to reach one that listens, when its peer has left.
const RETRY: Duration = Duration::from_secs(1);

/// How often [`UnixLink::open`] starts again when another process is quicker.
const OPEN_TRIES: usize = 5;

/// One end of an Ethernet link over a Unix stream socket.
///
/// The frames are carried as QEMU does it (a length of four bytes in network byte order, then the
/// frame), so a guest joins with
/// `-netdev stream,id=n0,addr.type=unix,addr.path=PATH,server=off -device e1000,netdev=n0`.
///
/// One end listens, the other one connects. A listening end takes one peer at a time, and the
/// next when that has left; a connecting end whose peer has left tries again each second. Frames
/// sent while nobody is there are counted as [`DropReason::NoPeer`].
#[derive(Debug)]
pub struct UnixLink {
    name: String,
    role: Role,
    peer: Option<Peer>,
    capabilities: Capabilities,
    stats: Stats,
}

/// Why a link could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixLinkError {
    /// There is something else at the path.
    #[error(
        "{} is there already and is no socket: choose another path, or remove the file",
        .path.display()
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Connecting failed.
    #[error(
        "cannot connect to {}: {cause} (is the other end running, and the socket yours to open?)",
        .path.display()
    )]
    Connect {
        /// The path.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// Listening failed.
    #[error(
        "cannot listen at {}: {cause} (the directory must exist and be yours to write to, and \
         the whole path shorter than 100 bytes or so)",
        .path.display()
    )]
    Listen {
        /// The path.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// The system gave no socket.
    #[error("cannot make a pair of Unix sockets: {0}")]
    Pair(io::Error),
}

/// Where the next peer comes from.
#[derive(Debug)]
enum Role {
    /// From the socket file that we made.
    Listens { listener: UnixListener, path: PathBuf, id: FileId },
    /// From the one that somebody else made; looked for again at `retry_at`.
    Connects { path: PathBuf, retry_at: Option<Instant> },
    /// There will be no other.
    Pair,
}

#[derive(Debug)]
struct Peer {
    stream: UnixStream,
    reader: FrameReader,
    writer: FrameWriter,
}

/// What tells a file from another one that took its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FileId {
    device: u64,
    inode: u64,
}

impl UnixLink {
    /// Joins the link at `path`: connects where somebody listens there, and otherwise listens. A
    /// socket file that a dead process has left is removed.
    pub fn open(path: impl AsRef<Path>) -> Result<UnixLink, UnixLinkError> {
        let path = path.as_ref();
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match UnixLink::connect(path) {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            match &error {
                UnixLinkError::Connect { cause, .. } => match cause.kind() {
                    io::ErrorKind::NotFound => {}
                    io::ErrorKind::ConnectionRefused => remove_stale(path)?,
                    _ => return Err(error),
                },
                _ => return Err(error),
            }
            match UnixLink::listen(path) {
                // Somebody was quicker: look again who it is.
                Err(UnixLinkError::Listen { cause, .. })
                    if cause.kind() == io::ErrorKind::AddrInUse && tries < OPEN_TRIES => {}
                result => return result,
            }
        }
    }

    /// Connects to the one who listens at `path`. That is done at once, but for a listener with
    /// more than a hundred others waiting, for which the system makes us wait too.
    pub fn connect(path: impl AsRef<Path>) -> Result<UnixLink, UnixLinkError> {
        let path = path.as_ref().to_path_buf();
        match connect(&path) {
            Ok(peer) => Ok(UnixLink::new(Role::Connects { path, retry_at: None }, Some(peer))),
            Err(cause) => Err(UnixLinkError::Connect { path, cause }),
        }
    }

    /// Listens at `path`, where nothing may be. The socket file is removed on drop.
    pub fn listen(path: impl AsRef<Path>) -> Result<UnixLink, UnixLinkError> {
        let path = path.as_ref().to_path_buf();
        let listen = || {
            let listener = UnixListener::bind(&path)?;
            listener.set_nonblocking(true)?;
            Ok((listener, FileId::of(&path)?))
        };
        match listen() {
            Ok((listener, id)) => Ok(UnixLink::new(Role::Listens { listener, path, id }, None)),
            Err(cause) => Err(UnixLinkError::Listen { path, cause }),
        }
    }

    /// Two ends that are connected to each other, without a file.
    pub fn pair() -> Result<(UnixLink, UnixLink), UnixLinkError> {
        let (a, b) = UnixStream::pair().map_err(UnixLinkError::Pair)?;
        Ok((UnixLink::over(a)?, UnixLink::over(b)?))
    }

    /// The end of a link over a stream that is connected already: of a socket that another process
    /// has handed over, or one of a pair. When its peer has left there will be no other.
    pub fn over(stream: UnixStream) -> Result<UnixLink, UnixLinkError> {
        let peer = Peer::new(stream).map_err(UnixLinkError::Pair)?;
        Ok(UnixLink::new(Role::Pair, Some(peer)))
    }

    /// The same link by another name than `unix0`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> UnixLink {
        self.name = name.into();
        self
    }

    fn new(role: Role, peer: Option<Peer>) -> UnixLink {
        UnixLink {
            name: "unix0".to_string(),
            role,
            peer,
            capabilities: Capabilities::plain(Medium::Ethernet, 1500),
            stats: Stats::default(),
        }
    }

    /// The peer, if there is one or one has come by now.
    fn peer(&mut self, now: Instant) -> Option<&mut Peer> {
        if self.peer.is_none() {
            let arrived = match &mut self.role {
                Role::Listens { listener, .. } => listener.accept().and_then(|(s, _)| Peer::new(s)),
                Role::Connects { path, retry_at } => {
                    if retry_at.is_some_and(|at| now < at) {
                        return None;
                    }
                    *retry_at = Some(now + RETRY);
                    connect(path)
                }
                Role::Pair => return None,
            };
            // WouldBlock and the like: nobody is there yet.
            self.peer = arrived.ok();
            if self.peer.is_some() {
                debug!(device = self.name, "peer arrived");
            }
        }
        self.peer.as_mut()
    }

    /// Lets the peer go, and counts what it did not get any more.
    fn leave(&mut self, now: Instant, cause: &str) {
        let Some(peer) = self.peer.take() else { return };
        debug!(device = self.name, cause, "peer left");
        self.stats.drops.add_many(DropReason::NoPeer, peer.writer.waiting() as u64);
        if let Role::Connects { retry_at, .. } = &mut self.role {
            *retry_at = Some(now + RETRY);
        }
    }
}

impl Device for UnixLink {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        if packet.is_empty() || too_long(&packet, &self.capabilities) {
            let reason = if packet.is_empty() { DropReason::Runt } else { DropReason::TooLong };
            self.stats.drops.add(reason);
            return Ok(());
        }
        if self.peer.as_ref().is_some_and(|peer| peer.writer.is_full()) {
            self.flush(now);
        }
        let Some(peer) = self.peer(now) else {
            self.stats.drops.add(DropReason::NoPeer);
            return Ok(());
        };
        if peer.writer.is_full() {
            return Err(packet);
        }
        peer.writer.push(&packet);
        self.stats.sent(packet.len());
        Ok(())
    }

    fn receive(&mut self, now: Instant) -> Option<Packet> {
        loop {
            let peer = self.peer(now)?;
            match peer.reader.next(&mut peer.stream) {
                Incoming::Frame(packet) => {
                    self.stats.received(packet.len());
                    return Some(packet);
                }
                Incoming::Wait => return None,
                Incoming::Closed { torn } => {
                    self.stats.rx_errors += u64::from(torn);
                    self.leave(now, "closed");
                }
                Incoming::Broken { len } => {
                    debug!(device = self.name, len, "length prefix out of range");
                    self.stats.drops.add(DropReason::Framing);
                    self.leave(now, "framing");
                }
            }
        }
    }

    fn flush(&mut self, _now: Instant) {
        let Some(peer) = self.peer.as_mut() else { return };
        // When the peer is gone, what it sent before is still to be read: receive() finds the end.
        if peer.writer.write_to(&mut peer.stream).is_err() {
            self.stats.tx_errors += 1;
            self.stats.drops.add_many(DropReason::NoPeer, peer.writer.waiting() as u64);
            peer.writer = FrameWriter::default();
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        match &self.role {
            Role::Connects { retry_at, .. } if self.peer.is_none() => *retry_at,
            _ => None,
        }
    }

    fn interest(&self) -> Option<Interest<'_>> {
        match (&self.peer, &self.role) {
            (Some(peer), _) => {
                Some(Interest { fd: peer.stream.as_fd(), write: !peer.writer.is_empty() })
            }
            (None, Role::Listens { listener, .. }) => {
                Some(Interest { fd: listener.as_fd(), write: false })
            }
            (None, Role::Connects { .. } | Role::Pair) => None,
        }
    }

    fn pending(&self) -> usize {
        self.peer.as_ref().map_or(0, |peer| usize::from(!peer.writer.is_empty()))
    }

    fn link(&self) -> LinkState {
        if self.peer.is_some() {
            return LinkState::Up;
        }
        LinkState::Down(match &self.role {
            Role::Listens { path, .. } => format!("nobody is connected to {}", path.display()),
            Role::Connects { path, .. } => format!("nobody listens at {}", path.display()),
            Role::Pair => "the other end is gone".to_string(),
        })
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }

    fn set_mtu(&mut self, mtu: usize) -> bool {
        let fits = (crate::api::LEAST_MTU..=65535).contains(&mtu);
        if fits {
            self.capabilities.mtu = mtu;
        }
        fits
    }
}

impl Drop for UnixLink {
    fn drop(&mut self) {
        if let Role::Listens { path, id, .. } = &self.role {
            // Another process may have put its own socket there by now.
            if FileId::of(path).is_ok_and(|there| there == *id) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Peer {
    fn new(stream: UnixStream) -> io::Result<Peer> {
        stream.set_nonblocking(true)?;
        Ok(Peer { stream, reader: FrameReader::new(), writer: FrameWriter::default() })
    }
}

impl FileId {
    fn of(path: &Path) -> io::Result<FileId> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(FileId { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Unix sockets connect at once: the connection waits in the listener's backlog.
fn connect(path: &Path) -> io::Result<Peer> {
    UnixStream::connect(path).and_then(Peer::new)
}

/// Removes a socket file that nobody listens at.
fn remove_stale(path: &Path) -> Result<(), UnixLinkError> {
    let path = path.to_path_buf();
    match fs::symlink_metadata(&path) {
        // A file that is no socket refuses connections just the same.
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(UnixLinkError::NotASocket { path })
        }
        Ok(_) => match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(UnixLinkError::Listen { path, cause })
            }
            _ => Ok(()),
        },
        // It has gone meanwhile, or bind() will say what is wrong.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
