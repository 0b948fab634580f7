//! netcat over TCP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use socket::{ConnectOptions, Pollable, Socket, TcpListener, TcpStream};

use super::pump::{self, Peer};
use super::{Over, Plan};
use crate::Context;
use crate::waiter::{self, Waited, Waiter};

/// Bytes that are in hand at a time.
const BUFFER: usize = 64 * 1024;

/// A connection; a write waits, a read does only where nobody has seen that there is something.
struct Connection(TcpStream);

impl Peer for Connection {
    const PIECE: usize = BUFFER;
    const ROOM: usize = BUFFER;
    const ENDS: bool = true;

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(bytes)
    }

    fn end(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

impl Pollable for Connection {
    fn socket(&self) -> &Arc<Socket> {
        self.0.socket()
    }
}

/// Connects; `None` where ^C came first.
pub(super) fn open(
    context: &Context,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    timeout: Option<Duration>,
) -> anyhow::Result<Option<TcpStream>> {
    let options = ConnectOptions { local, timeout, ..ConnectOptions::default() };
    waiter::connect(&context.net, peer, &options, &context.interrupt)
        .with_context(|| format!("cannot connect to {peer}"))
}

pub(super) fn connect(
    context: &mut Context,
    plan: &Plan,
    peer: SocketAddr,
    local: Option<SocketAddr>,
) -> anyhow::Result<Over> {
    let Some(stream) = open(context, peer, local, plan.idle)? else { return Ok(Over::Interrupted) };
    if plan.verbose {
        context.err.line(&format!("Connection to {} {} port succeeded!", peer.ip(), peer.port()));
    }
    join(context, plan, stream, false)
}

pub(super) fn listen(
    context: &mut Context,
    plan: &Plan,
    local: SocketAddr,
    again: bool,
) -> anyhow::Result<Over> {
    let net = context.net.clone();
    let listener =
        TcpListener::bind(&net, local).with_context(|| format!("cannot listen at {local}"))?;
    listener.set_nonblocking(true)?;
    if plan.verbose {
        context.err.line(&format!("Listening on {} {}", local.ip(), local.port()));
    }
    loop {
        let stream = {
            let waiter = Waiter::new(&net, &listener, &context.interrupt)?;
            loop {
                if waiter.wait(None)? == Waited::Interrupted {
                    return Ok(Over::Interrupted);
                }
                match listener.accept() {
                    Ok((stream, _)) => break stream,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        };
        stream.set_nonblocking(false)?;
        if plan.verbose {
            let peer = stream.peer_addr()?;
            context.err.line(&format!("Connection received on {} {}", peer.ip(), peer.port()));
        }
        if again {
            // One peer's reset is no reason to send the next one away.
            match join(context, plan, stream, true) {
                Ok(Over::Done) => {}
                Ok(Over::Interrupted) => return Ok(Over::Interrupted),
                Err(error) => context.err.line(&format!("nc: {error:#}")),
            }
            continue;
        }
        drop(listener);
        return join(context, plan, stream, true);
    }
}

fn join(
    context: &mut Context,
    plan: &Plan,
    stream: TcpStream,
    waited: bool,
) -> anyhow::Result<Over> {
    // ^C wakes a write that waits.
    let other = stream.try_clone()?;
    let _hook = context.interrupt.on_raise(move || drop(other.shutdown(Shutdown::Both)));
    pump::run(context, plan, &Connection(stream), waited)
}
