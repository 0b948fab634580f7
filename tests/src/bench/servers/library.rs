//! Our stack, linked into a server of one thread that waits for all of its sockets at once.

use std::collections::HashMap;
use std::io;

use anyhow::{Context as _, Result};
use netdev::{Tap, TapOptions};
use socket::{Interest, ListenOptions, Mode, Net, Poller, TcpListener, TcpStream, UdpSocket};

use crate::bench::place::{SERVER, TAP};
use crate::bench::streams::{Flow, PORTION, Service};
use crate::virtual_net::{attach, rfc9293, stack};

const SERVICES: [(u16, Flow); 3] = [(9, Flow::Sink), (19, Flow::Source), (7, Flow::Echo)];
/// The keys below are the listeners'.
const DATAGRAMS: usize = SERVICES.len();

pub(super) fn serve() -> Result<()> {
    let tap = Tap::open(TapOptions { name: Some(TAP.into()), ..TapOptions::default() })?;
    let mut stack = stack(rfc9293, std::process::id().into());
    attach(&mut stack, tap, 1, &format!("{SERVER}/24"), None);
    let net = Net::start(stack).context("start the event loop")?;
    let mut server = Server {
        poller: Poller::new(&net)?,
        streams: HashMap::new(),
        next: DATAGRAMS + 1,
        portion: vec![b'.'; PORTION],
    };
    let options = ListenOptions { backlog: 4096, ..ListenOptions::default() };
    let mut listeners = Vec::new();
    for (key, (port, _)) in SERVICES.iter().enumerate() {
        let listener = TcpListener::bind_with(&net, (SERVER, *port), &options)?;
        listener.set_nonblocking(true)?;
        server.poller.add(&listener, key, Interest::READABLE, Mode::Level)?;
        listeners.push(listener);
    }
    let datagrams = UdpSocket::bind(&net, (SERVER, 7))?;
    datagrams.set_nonblocking(true)?;
    server.poller.add(&datagrams, DATAGRAMS, Interest::READABLE, Mode::Level)?;
    let mut events = Vec::new();
    loop {
        events.clear();
        server.poller.wait(&mut events, None)?;
        for event in &events {
            match event.key {
                DATAGRAMS => server.echo(&datagrams),
                key if key < DATAGRAMS => server.accept(&listeners[key], SERVICES[key].1)?,
                key => server.step(key)?,
            }
        }
    }
}

struct Server {
    poller: Poller,
    streams: HashMap<usize, Service<TcpStream>>,
    next: usize,
    portion: Vec<u8>,
}

impl Server {
    fn accept(&mut self, listener: &TcpListener, flow: Flow) -> io::Result<()> {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let service = Service::new(stream, flow);
            self.poller.add(&service.socket, self.next, wanted(&service), Mode::Level)?;
            self.streams.insert(self.next, service);
            self.next += 1;
        }
        Ok(())
    }

    fn step(&mut self, key: usize) -> io::Result<()> {
        let Some(service) = self.streams.get_mut(&key) else { return Ok(()) };
        let before = wanted(service);
        if service.step(&mut self.portion).is_err() {
            // Dropping it is closing it, and its registration goes with it.
            self.streams.remove(&key);
            return Ok(());
        }
        let after = wanted(service);
        if after == before {
            return Ok(());
        }
        self.poller.modify(&service.socket, key, after, Mode::Level)
    }

    fn echo(&mut self, datagrams: &UdpSocket) {
        while let Ok((len, from)) = datagrams.recv_from(&mut self.portion) {
            // What does not fit is lost, as datagrams are.
            let _ = datagrams.send_to(&self.portion[..len], from);
        }
    }
}

fn wanted(service: &Service<TcpStream>) -> Interest {
    if service.wants_to_write() { Interest::WRITABLE } else { Interest::READABLE }
}
