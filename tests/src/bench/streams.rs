//! Any number of the kernel's TCP streams, driven by one thread without sleeping in any of them.
//!
//! The client uses it for every row of bulk, and so does the kernel where it is measured as a
//! stack: one thread a hundred streams, as in a program that was made for it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::sys::{self, Waited};

/// Bytes that a stream takes or gives at a time: they stay in the processor's cache.
const PORTION: usize = 256 * 1024;

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

/// The streams.
pub(super) struct Streams {
    open: Vec<Stream>,
    portion: Vec<u8>,
    taken: u64,
}

struct Stream {
    socket: TcpStream,
    flow: Flow,
    /// What an echo could not send yet.
    owed: Vec<u8>,
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
        self.open.push(Stream { socket, flow, owed: Vec::new() });
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
        let mut waited: Vec<Waited> = self.open.iter().map(Stream::waits_for).collect();
        let streams = waited.len();
        waited.extend(others.iter().map(Waited::again));
        sys::wait(&mut waited, timeout)?;
        for (other, ready) in others.iter_mut().zip(waited.drain(streams..)) {
            *other = ready;
        }
        let mut ready = waited.iter().map(Waited::is_ready);
        let (portion, taken) = (&mut self.portion, &mut self.taken);
        self.open.retain_mut(|stream| {
            !ready.next().unwrap_or(false) || stream.step(portion, taken).is_ok()
        });
        Ok(())
    }
}

impl Stream {
    fn waits_for(&self) -> Waited {
        if self.flow == Flow::Source || !self.owed.is_empty() {
            Waited::writable(&self.socket)
        } else {
            Waited::readable(&self.socket)
        }
    }

    fn step(&mut self, portion: &mut [u8], taken: &mut u64) -> io::Result<()> {
        let done = match self.flow {
            Flow::Source => self.socket.write(portion),
            Flow::Sink => {
                sys::throw_away(&self.socket, portion).inspect(|len| *taken += *len as u64)
            }
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
            done => or_later(done).map(drop),
        }
    }
}

fn or_later(done: io::Result<usize>) -> io::Result<usize> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        done => done,
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
