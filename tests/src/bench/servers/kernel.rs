//! The kernel's own stack, behind the plainest server there is.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use anyhow::Result;

use crate::bench::streams::{Flow, Streams};
use crate::bench::sys::{self, Waited};

pub(super) fn serve() -> Result<()> {
    sys::raise_open_files()?;
    let any = Ipv4Addr::UNSPECIFIED;
    let mut listeners = Vec::new();
    for (port, flow) in [(7, Flow::Echo), (9, Flow::Sink), (19, Flow::Source)] {
        let listener = TcpListener::bind((any, port))?;
        listener.set_nonblocking(true)?;
        listeners.push((listener, flow));
    }
    let datagrams = UdpSocket::bind((any, 7))?;
    datagrams.set_nonblocking(true)?;
    sys::enlarge_buffers(&datagrams)?;
    let mut streams = Streams::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let mut waited: Vec<Waited> =
            listeners.iter().map(|(listener, _)| Waited::readable(listener)).collect();
        waited.push(Waited::readable(&datagrams));
        streams.turn(&mut waited, Duration::MAX)?;
        for ((listener, flow), _) in
            listeners.iter().zip(&waited).filter(|(_, waited)| waited.is_ready())
        {
            while let Ok((stream, _)) = listener.accept() {
                sys::use_cubic(&stream)?;
                streams.add(stream, *flow)?;
            }
        }
        if waited.last().is_some_and(Waited::is_ready) {
            while let Ok((len, from)) = datagrams.recv_from(&mut buffer) {
                // What does not fit is lost, as datagrams are.
                let _ = datagrams.send_to(&buffer[..len], from);
            }
        }
    }
}
