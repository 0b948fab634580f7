//! Both directions at once: standard input to the peer, and the peer to standard output.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket::Pollable;

use super::{Over, Plan};
use crate::input::{Input, ReadResult};
use crate::waiter::{Waited, Waiter};
use crate::{Context, Interrupt};

/// What the two directions are to a peer.
pub(super) trait Peer: Sync {
    /// Bytes of input that are handed over at a time.
    const PIECE: usize;
    /// Bytes of room for what comes.
    const ROOM: usize;
    /// Whether a peer may say that no more comes.
    const ENDS: bool;

    /// Sends all of it; may wait.
    fn send(&self, bytes: &[u8]) -> io::Result<()>;
    /// Takes what is there; [`io::ErrorKind::WouldBlock`] where there is nothing.
    fn receive(&self, bytes: &mut [u8]) -> io::Result<usize>;
    /// No more input comes.
    fn end(&self) -> io::Result<()>;
}

/// What both directions know.
struct Shared {
    state: Mutex<State>,
}

struct State {
    /// When anything was last sent or received.
    active: Instant,
    /// When the input ended, or the peer last spoke after that.
    ended: Option<Instant>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) {
        let (mut state, now) = (self.lock(), Instant::now());
        state.active = now;
        state.ended = state.ended.map(|_| now);
    }

    /// When to give up if nothing happens.
    fn deadline(&self, plan: &Plan) -> Option<Instant> {
        let state = self.lock();
        let idle = plan.idle.and_then(|idle| state.active.checked_add(idle));
        let quiet = plan.after_input.zip(state.ended);
        let quiet = quiet.and_then(|(time, ended)| ended.checked_add(time));
        [idle, quiet].into_iter().flatten().min()
    }
}

/// Moves bytes both ways until it is over: the peer and the input have ended, or, where `waited`
/// for it, the peer alone; or as the plan says.
pub(super) fn run<P: Peer + Pollable>(
    context: &mut Context,
    plan: &Plan,
    peer: &P,
    waited: bool,
) -> anyhow::Result<Over> {
    // Ends the reading of the input, for ^C as for everything else.
    let over = Interrupt::new();
    let all_over = over.clone();
    let _hook = context.interrupt.on_raise(move || all_over.raise());
    let state = State { active: Instant::now(), ended: None };
    let shared = Shared { state: Mutex::new(state) };
    let waiter = Waiter::new(&context.net, peer, &over)?;
    let Context { input, out, interrupt, .. } = context;
    let (sent, received) = std::thread::scope(|scope| {
        let sender = plan.send.then(|| {
            scope.spawn(|| {
                let sent = send(input, plan, peer, &shared, &over);
                // The other direction looks at its deadline again, or ends with an error.
                match &sent {
                    Ok(()) => waiter.wake(),
                    Err(_) => over.raise(),
                }
                sent
            })
        });
        let mut out = out.clone();
        let received = receive(plan, peer, &shared, &waiter, |bytes| {
            if plan.show {
                out.write_all(bytes)?;
                out.flush()?;
            }
            Ok(())
        });
        if waited || !matches!(received, Ok(Ended::Peer)) {
            over.raise();
        }
        let sent = sender.map_or(Ok(()), |sender| {
            sender.join().unwrap_or_else(|_| Err(io::Error::other("the sender panicked")))
        });
        (sent, received)
    });
    if interrupt.is_raised() {
        return Ok(Over::Interrupted);
    }
    sent?;
    received?;
    Ok(Over::Done)
}

/// Input to the peer, to its end.
fn send<P: Peer>(
    input: &mut Input,
    plan: &Plan,
    peer: &P,
    shared: &Shared,
    over: &Interrupt,
) -> io::Result<()> {
    let end = copy(input, over, P::PIECE, |bytes| {
        peer.send(bytes)?;
        shared.lock().active = Instant::now();
        Ok(())
    })?;
    if end == ReadResult::End {
        if plan.half_close {
            peer.end()?;
        }
        shared.lock().ended = Some(Instant::now());
    }
    Ok(())
}

/// Hands pieces of `input` of at most `size` bytes to `send`, which takes each as a whole.
pub(super) fn copy(
    input: &mut Input,
    interrupt: &Interrupt,
    size: usize,
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<ReadResult> {
    let mut buffer = vec![0; size];
    loop {
        match input.read(&mut buffer, interrupt)? {
            ReadResult::Bytes(len) => send(&buffer[..len])?,
            end => return Ok(end),
        }
    }
}

/// Why nothing more is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Peer,
    Silence,
    Interrupted,
}

fn receive<P: Peer>(
    plan: &Plan,
    peer: &P,
    shared: &Shared,
    waiter: &Waiter<'_>,
    mut show: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Ended> {
    let mut buffer = vec![0; P::ROOM];
    loop {
        let deadline = shared.deadline(plan);
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(Ended::Silence);
        }
        match waiter.wait(left)? {
            Waited::Interrupted => return Ok(Ended::Interrupted),
            Waited::TimedOut => continue,
            Waited::Ready => {}
        }
        match peer.receive(&mut buffer) {
            Ok(0) if P::ENDS => return Ok(Ended::Peer),
            Ok(len) => {
                shared.heard();
                show(&buffer[..len])?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn defect_snc_handles_short_writes() {
        /// Takes one byte, then two, then three, as a full send buffer may.
        struct Short(Vec<u8>, usize);
        impl Write for Short {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = self.1 % 3 + 1;
                let len = bytes.len().min(self.1);
                self.0.extend_from_slice(&bytes[..len]);
                Ok(len)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let data: Vec<u8> = (0..50_000u32).map(|at| (at * 7) as u8).collect();
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let mut input = Input::from_fd(reader.into()).unwrap();
        let mut out = Short(Vec::new(), 0);
        let sender = {
            let data = data.clone();
            std::thread::spawn(move || writer.write_all(&data))
        };
        let end = copy(&mut input, &Interrupt::new(), 1000, |bytes| out.write_all(bytes)).unwrap();
        sender.join().unwrap().unwrap();
        assert_eq!(end, ReadResult::End);
        assert!(out.0 == data);
    }
}
