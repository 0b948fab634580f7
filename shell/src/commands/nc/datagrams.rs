//! netcat over UDP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use socket::{Pollable, Socket, UdpSocket};

use super::pump::{self, Peer};
use super::{Over, Plan};
use crate::Context;
use crate::waiter::{Waited, Waiter};

/// Bytes of input in one datagram at most: what an Ethernet frame takes after 20 bytes of IP and 8
/// of UDP.
const DATAGRAM: usize = 1472;
/// The largest UDP datagram over IPv4 in bytes.
const MAX_DATAGRAM: usize = 65_507;

/// A socket that is connected, or that nothing is sent by.
struct Datagrams(UdpSocket);

impl Peer for Datagrams {
    const PIECE: usize = DATAGRAM;
    const ROOM: usize = MAX_DATAGRAM;
    // Datagrams have no end, and an empty one is none.
    const ENDS: bool = false;

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self.0.send(bytes) {
            // There is no room for it now: it is lost, as any may be.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            sent => sent.map(drop),
        }
    }

    fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.recv_from(bytes).map(|(len, _)| len)
    }

    fn end(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Pollable for Datagrams {
    fn socket(&self) -> &Arc<Socket> {
        self.0.socket()
    }
}

pub(super) fn connect(
    context: &mut Context,
    plan: &Plan,
    peer: SocketAddr,
    local: Option<SocketAddr>,
) -> anyhow::Result<Over> {
    let local = local.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
    let socket = UdpSocket::bind(&context.net, local)
        .with_context(|| format!("cannot send from {local}"))?;
    socket.set_broadcast(plan.broadcast)?;
    socket.connect(peer).with_context(|| format!("cannot send to {peer}"))?;
    socket.set_nonblocking(true)?;
    pump::run(context, plan, &Datagrams(socket), false)
}

pub(super) fn listen(
    context: &mut Context,
    plan: &Plan,
    local: SocketAddr,
    again: bool,
) -> anyhow::Result<Over> {
    let net = context.net.clone();
    let socket =
        UdpSocket::bind(&net, local).with_context(|| format!("cannot receive at {local}"))?;
    socket.set_nonblocking(true)?;
    if plan.verbose {
        context.err.line(&format!("Bound on {} {}", local.ip(), local.port()));
    }
    if again {
        // Of everybody; so there is nobody to send to.
        let only_shown = Plan { send: false, ..plan.clone() };
        return pump::run(context, &only_shown, &Datagrams(socket), true);
    }
    let peer = {
        let waiter = Waiter::new(&net, &socket, &context.interrupt)?;
        loop {
            if waiter.wait(None)? == Waited::Interrupted {
                return Ok(Over::Interrupted);
            }
            match socket.peek_from(&mut []) {
                Ok((_, peer)) => break peer,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    };
    // From now on the first one's alone. What others have sent meanwhile is shown with it.
    socket.connect(peer)?;
    if plan.verbose {
        context.err.line(&format!("Connection received on {} {}", peer.ip(), peer.port()));
    }
    pump::run(context, plan, &Datagrams(socket), false)
}
