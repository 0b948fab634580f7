//! A network that agrees to every call and does nothing keeps no case: none is a matter of course.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ip::{Readiness, SocketError};
use netdev::Instant;
use netdev::conformance::grade;
use socket::conformance::{Host, KIT, Kind, Make, Message, Network, Queues, Setting, Socket};
use socket::{Interest, Mode};
use tcp::{ReceiveFlags, SendFlags, Shutdown};

#[derive(Default)]
struct Nothing {
    opened: u32,
    now: Instant,
}

type Result<T> = std::result::Result<T, SocketError>;

impl Network for Nothing {
    fn open(&mut self, _: Host, _: Kind) -> Result<Socket> {
        self.opened += 1;
        Ok(Socket(self.opened))
    }

    fn bind(&mut self, _: Socket, _: SocketAddr) -> Result<()> {
        Ok(())
    }

    fn listen(&mut self, _: Socket, _: usize) -> Result<()> {
        Ok(())
    }

    fn accept(&mut self, _: Socket) -> Result<(Socket, SocketAddr)> {
        Err(SocketError::WouldBlock)
    }

    fn connect(&mut self, _: Socket, _: Option<SocketAddr>) -> Result<()> {
        Ok(())
    }

    fn send(
        &mut self,
        _: Socket,
        _: Option<SocketAddr>,
        data: &[u8],
        _: SendFlags,
    ) -> Result<usize> {
        Ok(data.len())
    }

    fn receive(&mut self, _: Socket, _: &mut [u8], _: ReceiveFlags) -> Result<Message> {
        Err(SocketError::WouldBlock)
    }

    fn shutdown(&mut self, _: Socket, _: Shutdown) -> Result<()> {
        Ok(())
    }

    fn close(&mut self, _: Socket) -> Result<()> {
        Ok(())
    }

    fn set(&mut self, _: Socket, _: Setting) -> Result<()> {
        Ok(())
    }

    fn get(&mut self, _: Socket, _: Setting) -> Result<Setting> {
        Err(SocketError::Unsupported)
    }

    fn local(&mut self, _: Socket) -> Result<SocketAddr> {
        Ok(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    fn peer(&mut self, _: Socket) -> Result<SocketAddr> {
        Err(SocketError::NotConnected)
    }

    fn queues(&mut self, _: Socket) -> Result<Queues> {
        Ok(Queues { unread: 0, unacknowledged: 0 })
    }

    fn at_mark(&mut self, _: Socket) -> Result<bool> {
        Ok(false)
    }

    fn take_error(&mut self, _: Socket) -> Result<Option<SocketError>> {
        Ok(None)
    }

    fn readiness(&mut self, _: Socket) -> Result<Readiness> {
        Ok(Readiness::empty())
    }

    fn kind(&self, _: SocketError) -> io::ErrorKind {
        io::ErrorKind::Other
    }

    fn watch(&mut self, _: Socket, _: Interest, _: Mode) -> io::Result<()> {
        Ok(())
    }

    fn watch_again(&mut self, _: Socket, _: Interest, _: Mode) -> io::Result<()> {
        Ok(())
    }

    fn unwatch(&mut self, _: Socket) -> io::Result<()> {
        Ok(())
    }

    fn events(&mut self) -> io::Result<Vec<(Socket, Readiness)>> {
        Ok(Vec::new())
    }

    fn lose(&mut self, _: bool) {}

    fn now(&self) -> Instant {
        self.now
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn wait(&mut self, _: Socket, _: Readiness, at_most: Duration) -> bool {
        self.pass(at_most);
        false
    }
}

#[test]
fn who_does_nothing_keeps_nothing() {
    let make: Make = |_seed| Box::new(Nothing::default());
    let grade = grade("nothing", KIT, make);
    assert!(grade.of() > 300, "{} points: is this the whole kit?", grade.of());
    let kept: Vec<_> =
        grade.marks.iter().filter(|mark| mark.failure.is_none()).map(|mark| &mark.case).collect();
    assert!(kept.is_empty(), "nothing was done, and yet: {kept:?}");
}
