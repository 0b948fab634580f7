//! Any number of TCP streams, driven by one thread without sleeping in any of them.
//!
//! The client uses it for every row of bulk, and so does the kernel where it is measured as a
//! stack; what one of them does is the same over a stream of ours.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::sys::{self, Waited};

/// Bytes that a stream takes or gives at a time: they stay in the processor's cache.
pub(super) const PORTION: usize = 256 * 1024;

/// What one end does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    /// Sends without end.
    Source,
    /// Takes whatever comes.
    Sink,
    /// Sends back whatever comes.
    Echo,
}

/// A stream that never waits: the kernel's, or one of our stack.
pub(super) trait Stream: Read + Write {
    /// Takes bytes that nobody looks at, by the cheapest way that there is.
    fn throw_away(&mut self, room: &mut [u8]) -> io::Result<usize>;
}

impl Stream for TcpStream {
    fn throw_away(&mut self, room: &mut [u8]) -> io::Result<usize> {
        sys::throw_away(self, room)
    }
}

impl Stream for socket::TcpStream {
    fn throw_away(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.read(room)
    }
}

/// One stream, and what is done with it.
pub(super) struct Service<S> {
    pub(super) socket: S,
    flow: Flow,
    /// What an echo could not send yet.
    owed: Vec<u8>,
}

impl<S: Stream> Service<S> {
    /// Of a stream that has nothing behind it.
    pub(super) fn new(socket: S, flow: Flow) -> Service<S> {
        Service { socket, flow, owed: Vec::new() }
    }

    /// Whether it waits for room; for data otherwise.
    pub(super) fn wants_to_write(&self) -> bool {
        self.flow == Flow::Source || !self.owed.is_empty()
    }

    /// Does one thing; gives the bytes that a sink took. `portion` is what a source sends, and room
    /// for what the others receive.
    ///
    /// # Errors
    /// That the stream has ended, in order or not.
    pub(super) fn step(&mut self, portion: &mut [u8]) -> io::Result<usize> {
        let done = match self.flow {
            Flow::Source => self.socket.write(portion),
            Flow::Sink => self.socket.throw_away(portion),
            Flow::Echo if self.owed.is_empty() => self.socket.read(portion).and_then(|len| {
                let sent = or_later(self.socket.write(&portion[..len]))?;
                self.owed.extend_from_slice(&portion[sent..len]);
                Ok(len)
            }),
            Flow::Echo => {
                self.socket.write(&self.owed).inspect(|sent| drop(self.owed.drain(..*sent)))
            }
        };
        match done {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            done => or_later(done).map(|len| if self.flow == Flow::Sink { len } else { 0 }),
        }
    }
}

fn or_later(done: io::Result<usize>) -> io::Result<usize> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        done => done,
    }
}

/// Streams of the kernel's.
pub(super) struct Streams {
    open: Vec<Service<TcpStream>>,
    portion: Vec<u8>,
    taken: u64,
}

impl Streams {
    /// None yet.
    pub(super) fn new() -> Streams {
        Streams { open: Vec::new(), portion: vec![b'.'; PORTION], taken: 0 }
    }

    /// One more.
    pub(super) fn add(&mut self, socket: TcpStream, flow: Flow) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        self.open.push(Service::new(socket, flow));
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Bytes that sinks have taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Waits until something can be done, for `timeout` at most, and lets each stream do one
    /// thing. Those that have ended are gone after it. `others` are waited for as well.
    pub(super) fn turn(&mut self, others: &mut [Waited], timeout: Duration) -> io::Result<()> {
        // One list, since it is one system call.
        let mut waited: Vec<Waited> = self.open.iter().map(waits_for).collect();
        let streams = waited.len();
        waited.extend(others.iter().map(Waited::again));
        sys::wait(&mut waited, timeout)?;
        for (other, ready) in others.iter_mut().zip(waited.drain(streams..)) {
            *other = ready;
        }
        let mut ready = waited.iter().map(Waited::is_ready);
        let (portion, taken) = (&mut self.portion, &mut self.taken);
        self.open.retain_mut(|service| {
            !ready.next().unwrap_or(false)
                || service.step(portion).map(|len| *taken += len as u64).is_ok()
        });
        Ok(())
    }
}

fn waits_for(service: &Service<TcpStream>) -> Waited {
    match service.wants_to_write() {
        true => Waited::writable(&service.socket),
        false => Waited::readable(&service.socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// The two ends of a connection.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    #[test]
    fn a_sink_counts_what_a_source_sends() {
        let mut streams = Streams::new();
        let (one, other) = pair();
        streams.add(one, Flow::Source).unwrap();
        streams.add(other, Flow::Sink).unwrap();
        while streams.taken() < 3_000_000 {
            streams.turn(&mut [], Duration::from_secs(5)).unwrap();
        }
        assert_eq!(streams.len(), 2);
    }

    #[test]
    fn an_echo_gives_back_every_byte_to_a_slow_reader() {
        let mut streams = Streams::new();
        let (mut one, other) = pair();
        streams.add(other, Flow::Echo).unwrap();
        let data = crate::payload(1, 5_000_000);
        let (ours, mut back) = (data.clone(), vec![0; data.len()]);
        let mut reader = one.try_clone().unwrap();
        let writing = std::thread::spawn(move || one.write_all(&ours).unwrap());
        let reading = std::thread::spawn(move || {
            reader.read_exact(&mut back).unwrap();
            back
        });
        while !reading.is_finished() {
            streams.turn(&mut [], Duration::from_millis(20)).unwrap();
        }
        assert!(reading.join().unwrap() == data, "other bytes came back");
        writing.join().unwrap();
    }

    #[test]
    fn one_that_has_ended_is_gone() {
        let mut streams = Streams::new();
        let (one, other) = pair();
        streams.add(other, Flow::Echo).unwrap();
        drop(one);
        streams.turn(&mut [], Duration::from_secs(5)).unwrap();
        assert_eq!(streams.len(), 0);
    }
}
