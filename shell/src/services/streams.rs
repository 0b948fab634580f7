//! Accepts connections and gives each a thread.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use socket::{Net, TcpListener, TcpStream};

use super::StreamService;
use super::workers::Workers;
use crate::Interrupt;
use crate::waiter::{Waited, Waiter};

/// Connections at a time; those beyond wait in the backlog.
const MAX_CONNECTIONS: usize = 4096;

/// A listening service.
pub(crate) struct StreamServer {
    net: Net,
    listener: TcpListener,
    service: Arc<dyn StreamService>,
}

impl StreamServer {
    /// Listens at `addr`; from then on connections are taken, though not served before
    /// [`StreamServer::run`].
    pub(crate) fn bind(
        net: &Net,
        addr: SocketAddr,
        service: Arc<dyn StreamService>,
    ) -> io::Result<StreamServer> {
        let listener = TcpListener::bind(net, addr)?;
        listener.set_nonblocking(true)?;
        Ok(StreamServer { net: net.clone(), listener, service })
    }

    /// Serves until `stop` is raised; then ends every connection.
    pub(crate) fn run(self, stop: &Interrupt) -> io::Result<()> {
        let waiter = Waiter::new(&self.net, &self.listener, stop)?;
        let open = Arc::new(Open::default());
        let all = open.clone();
        let _hook = stop.on_raise(move || all.shut());
        let workers = Workers::default();
        while !stop.is_raised() {
            match self.listener.accept() {
                Ok((stream, peer)) => self.start(&workers, &open, stream, peer)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if waiter.wait(None)? == Waited::Interrupted {
                        break;
                    }
                }
                // The link or the stack is gone for good: it would say so again and again.
                Err(error) if error.kind() == io::ErrorKind::NetworkDown => {
                    open.shut();
                    return Err(error);
                }
                // The connection was reset while it waited: the next one may be well.
                Err(error) => tracing::debug!(%error, "accept"),
            }
            open.wait_below(MAX_CONNECTIONS, stop);
        }
        open.shut();
        open.wait_below(1, &Interrupt::new());
        workers.end();
        Ok(())
    }

    fn start(
        &self,
        workers: &Workers,
        open: &Arc<Open>,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        let entry = open.add(stream.try_clone()?);
        let service = self.service.clone();
        let spawned = workers.start(move || {
            if let Err(error) = service.serve(stream) {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(entry);
        });
        if let Err(error) = spawned {
            // The connection was dropped with the closure, and so closed.
            tracing::warn!(%peer, %error, "no thread for a connection");
        }
        Ok(())
    }
}

/// The connections that are being served.
#[derive(Default)]
struct Open {
    streams: Mutex<Streams>,
    changed: Condvar,
}

#[derive(Default)]
struct Streams {
    next: u64,
    by_number: HashMap<u64, TcpStream>,
}

impl Open {
    fn add(self: &Arc<Open>, stream: TcpStream) -> Entry {
        let mut streams = self.lock();
        let number = streams.next;
        streams.next += 1;
        streams.by_number.insert(number, stream);
        Entry { of: self.clone(), number }
    }

    /// Wakes every thread that waits for its peer.
    fn shut(&self) {
        for stream in self.lock().by_number.values() {
            // One that has ended meanwhile needs no waking.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    /// Waits while `limit` connections are open, until `stop`.
    fn wait_below(&self, limit: usize, stop: &Interrupt) {
        let mut streams = self.lock();
        while streams.by_number.len() >= limit && !stop.is_raised() {
            streams = self.changed.wait(streams).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among the open ones.
struct Entry {
    of: Arc<Open>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let stream = self.of.lock().by_number.remove(&self.number);
        // Closed outside of the lock: that may wait for the stack.
        drop(stream);
        self.of.changed.notify_all();
    }
}
