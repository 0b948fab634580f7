//! Looking names up over the stack's own sockets.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::lookup::{Lookup, Step, Via};
use super::names::Stat;
use super::{Answer, Data, Error, Kind};
use crate::{ConnectOptions, Interest, Mode, Net, Poller, TcpStream, UdpSocket};

impl Net {
    /// The IPv4 addresses of a name, or the address that the text is. Waits until the servers have
    /// answered or were given up: seconds, where none does.
    ///
    /// # Errors
    /// With a [`dns::Error`](Error) inside, which says what was wrong.
    pub fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(addr) = name.parse() {
            return Ok(vec![addr]);
        }
        let answer = Resolving::name(self, name, Kind::A)?.wait(|| false)?;
        let addrs =
            answer.into_iter().flat_map(|answer| answer.data).filter_map(|data| match data {
                Data::A(addr) => Some(addr.into()),
                Data::Aaaa(addr) => Some(addr.into()),
                Data::Cname(_) | Data::Ptr(_) => None,
            });
        Ok(addrs.collect())
    }
}

/// A name that is being looked up, with the sockets for it. [`Resolving::wait`] waits for the end;
/// who has something else to wait for calls [`Resolving::advance`] whenever
/// [`Resolving::poller`] has an event or [`Resolving::timeout`] is over.
#[derive(Debug)]
pub struct Resolving {
    net: Net,
    lookup: Lookup,
    channel: Channel,
    poller: Arc<Poller>,
    wait: std::time::Duration,
}

/// How the question is out.
#[derive(Debug)]
enum Channel {
    None,
    Datagram(UdpSocket, SocketAddr),
    Stream { stream: TcpStream, server: SocketAddr, unsent: Vec<u8>, received: Vec<u8> },
}

impl Resolving {
    /// Begins to look up a name; nothing is sent yet.
    pub fn name(net: &Net, name: &str, kind: Kind) -> io::Result<Resolving> {
        Resolving::new(net, net.with(|stack, _| stack.names().lookup(name, kind)))
    }

    /// Begins to look up the name of an address.
    pub fn addr(net: &Net, addr: IpAddr) -> io::Result<Resolving> {
        Resolving::new(net, net.with(|stack, _| stack.names().reverse(addr)))
    }

    fn new(net: &Net, lookup: Result<Lookup, Error>) -> io::Result<Resolving> {
        Ok(Resolving {
            lookup: lookup.map_err(io::Error::from)?,
            poller: Arc::new(Poller::new(net)?),
            net: net.clone(),
            channel: Channel::None,
            wait: std::time::Duration::ZERO,
        })
    }

    /// What tells that [`Resolving::advance`] has something to do.
    pub fn poller(&self) -> &Arc<Poller> {
        &self.poller
    }

    /// How long nothing happens, unless the poller has an event.
    pub fn timeout(&self) -> std::time::Duration {
        self.wait
    }

    /// Waits for the answer. When something notifies the poller, `stop` says whether to go on;
    /// `None` where it did not.
    pub fn wait(mut self, stop: impl Fn() -> bool) -> io::Result<Option<Answer>> {
        loop {
            if stop() {
                return Ok(None);
            }
            if let Some(result) = self.advance()? {
                return Ok(Some(result?));
            }
            self.poller.wait(&mut Vec::new(), Some(self.wait))?;
        }
    }

    /// Does what can be done without waiting; gives the result when there is one. `Err` only where
    /// the stack has ended.
    pub fn advance(&mut self) -> io::Result<Option<Result<Answer, Error>>> {
        loop {
            self.receive();
            let lookup = &mut self.lookup;
            let step = self.net.with(|stack, now| {
                let names = stack.names();
                let step = lookup.poll(now, &mut names.cache);
                names.stats.add_many(Stat::Ignored, lookup.take_ignored());
                match &step {
                    Step::Datagram(..) => names.stats.add(Stat::Questions),
                    Step::Stream(..) => names.stats.add(Stat::Streams),
                    Step::Done(Ok(_)) => names.stats.add(Stat::Found),
                    Step::Done(Err(Error::NotFound | Error::NoData)) => {
                        names.stats.add(Stat::NotFound);
                    }
                    Step::Done(Err(_)) => names.stats.add(Stat::Unanswered),
                    Step::Wait(_) => {}
                }
                (step, now)
            });
            match step {
                (Step::Wait(until), now) => {
                    self.wait = until.since(now);
                    return Ok(None);
                }
                (Step::Done(result), _) => {
                    self.channel = Channel::None;
                    return Ok(Some(result));
                }
                (Step::Datagram(server, message), _) => {
                    if !self.net.is_running() {
                        return Err(crate::error::stopped());
                    }
                    self.channel = Channel::None;
                    match self.send(server, &message) {
                        Ok(socket) => self.channel = Channel::Datagram(socket, server),
                        Err(_) => self.lookup.unreachable(Via::Datagram),
                    }
                }
                (Step::Stream(server, unsent), _) => {
                    self.channel = Channel::None;
                    match self.connect(server) {
                        Ok(stream) => {
                            let received = Vec::new();
                            self.channel = Channel::Stream { stream, server, unsent, received };
                        }
                        Err(_) => self.lookup.unreachable(Via::Stream),
                    }
                }
            }
        }
    }

    /// A socket of its own for each question: its port is one more number to guess.
    fn send(&self, server: SocketAddr, message: &[u8]) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(&self.net, (Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(server)?;
        self.poller.add(&socket, 0, Interest::READABLE, Mode::Level)?;
        socket.send(message)?;
        Ok(socket)
    }

    fn connect(&self, server: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_nonblocking(&self.net, server, &ConnectOptions::default())?;
        self.poller.add(&stream, 0, Interest::BOTH, Mode::Level)?;
        Ok(stream)
    }

    /// Takes everything that has come.
    fn receive(&mut self) {
        let Resolving { net, lookup, channel, poller, .. } = self;
        let mut input = |via, from, message: &[u8]| {
            net.with(|stack, now| {
                lookup.input(now, via, from, message, &mut stack.names().cache);
            });
        };
        match channel {
            Channel::None => {}
            Channel::Datagram(socket, server) => loop {
                match socket.receive() {
                    Ok(received) => input(Via::Datagram, received.from, &received.data),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Err(error) => {
                        tracing::debug!(%server, %error, "dns");
                        return lookup.unreachable(Via::Datagram);
                    }
                }
            },
            Channel::Stream { stream, server, unsent, received } => {
                match exchange(stream, unsent, received) {
                    Ok(Some(message)) => {
                        input(Via::Stream, *server, &message);
                        // Whatever else comes there is not waited for: one answer a connection.
                        lookup.unreachable(Via::Stream);
                    }
                    // Writable all the time it would wake for nothing.
                    Ok(None) if unsent.is_empty() => {
                        let _ = poller.modify(stream, 0, Interest::READABLE, Mode::Level);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(%server, %error, "dns over TCP");
                        lookup.unreachable(Via::Stream);
                    }
                }
            }
        }
    }
}

/// Sends what is unsent, and gives the answer when it is whole (RFC 7766 §8: two bytes of length,
/// then the message).
fn exchange(
    stream: &mut TcpStream,
    unsent: &mut Vec<u8>,
    received: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    let not_yet = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
    };
    while !unsent.is_empty() {
        match stream.write(unsent) {
            Ok(sent) => drop(unsent.drain(..sent)),
            Err(error) if not_yet(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    loop {
        if let Some((len, rest)) = received.split_first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(*len));
            if let Some(message) = rest.get(..len) {
                return Ok(Some(message.to_vec()));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => received.extend_from_slice(&buffer[..len]),
            Err(error) if not_yet(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
