//! smoltcp as it is released, on its own TAP device.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

use crate::bench::place::{SERVER, TAP};
use crate::bench::{Job, Row};

/// Bytes of a stream's buffer in each direction: more gained nothing.
const STREAM_BUFFER: usize = 65_535;
/// Datagrams that wait in each direction.
const DATAGRAMS: usize = 256;
/// Bytes that an echo has in hand.
const IN_HAND: usize = 2048;

pub(super) fn serve(job: &Job) -> Result<()> {
    let mut device = TunTapInterface::new(TAP, Medium::Ethernet).context("open the TAP")?;
    let descriptor = device.as_raw_fd();
    let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
    config.random_seed = std::process::id().into();
    let mut interface = Interface::new(config, &mut device, Instant::now());
    interface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(SERVER.into(), 24)).expect("there is room for one");
    });

    let mut sockets = SocketSet::new(Vec::new());
    let mut streams = Vec::new();
    // One that closes is not free at once for the next.
    for _ in 0..job.row.connections() + 4 {
        for port in [7, 9, 19] {
            streams.push((port, sockets.add(stream())));
        }
    }
    let datagrams = sockets.add(datagram_socket());
    sockets.get_mut::<udp::Socket<'_>>(datagrams).bind(7).context("bind UDP port 7")?;

    loop {
        let now = Instant::now();
        interface.poll(now, &mut device, &mut sockets);
        for (port, handle) in &streams {
            serve_stream(sockets.get_mut(*handle), *port).context("serve a stream")?;
        }
        echo_datagrams(&mut sockets, datagrams).context("echo a datagram")?;
        if job.row == Row::RrBusy {
            continue;
        }
        match interface.poll_at(now, &sockets) {
            Some(at) if at <= now => {}
            at => wait(descriptor, at.map(|at| at - now))?,
        }
    }
}

fn stream() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; STREAM_BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    // As by its default features. Tests of ours are built with Reno, and features are united.
    socket.set_congestion_control(tcp::CongestionControl::None);
    socket
}

fn datagram_socket() -> udp::Socket<'static> {
    let buffer = || {
        udp::PacketBuffer::new(
            vec![udp::PacketMetadata::EMPTY; DATAGRAMS],
            vec![0; DATAGRAMS * 1024],
        )
    };
    udp::Socket::new(buffer(), buffer())
}

fn serve_stream(socket: &mut tcp::Socket<'_>, port: u16) -> Result<()> {
    if !socket.is_open() {
        return Ok(socket.listen(port)?);
    }
    match port {
        7 => {
            let mut hand = [0; IN_HAND];
            while socket.can_recv() && socket.can_send() {
                let room = (socket.send_capacity() - socket.send_queue()).min(IN_HAND);
                let len = socket.recv_slice(&mut hand[..room])?;
                socket.send_slice(&hand[..len])?;
            }
        }
        9 => {
            while socket.can_recv() {
                socket.recv(|data| (data.len(), ()))?;
            }
        }
        _ => {
            while socket.can_send() {
                socket.send(|room| (room.len(), ()))?;
            }
        }
    }
    if socket.state() == tcp::State::CloseWait && !socket.can_recv() {
        socket.close();
    }
    Ok(())
}

fn echo_datagrams(sockets: &mut SocketSet<'_>, handle: SocketHandle) -> Result<()> {
    let socket = sockets.get_mut::<udp::Socket<'_>>(handle);
    let mut hand = [0; IN_HAND];
    while socket.can_recv() && socket.can_send() {
        let (len, from) = socket.recv_slice(&mut hand)?;
        socket.send_slice(&hand[..len], from)?;
    }
    Ok(())
}
