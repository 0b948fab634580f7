//! A TCP that agrees to every call and does nothing keeps no case: none is a matter of course.

use std::net::SocketAddr;

use ip::{Cause, Datagram, Handle, Output, Quoted, Readiness, SocketError};
use netdev::conformance::grade;
use netdev::{Counter, Instant};
use tcp::conformance::{KIT, Make};
use tcp::{
    Config, DropReason, Info, Input, ReceiveFlags, SendFlags, Setting, Settings, Shutdown, State,
    Streams,
};

#[derive(Default)]
struct Nothing {
    opened: u32,
}

const NOWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl Streams for Nothing {
    fn open(&mut self) -> Result<Handle, SocketError> {
        self.opened += 1;
        Ok(Handle { index: self.opened, generation: 0 })
    }

    fn bind(&mut self, _: Handle, _: SocketAddr, _: &dyn Output) -> Result<(), SocketError> {
        Ok(())
    }

    fn listen(&mut self, _: Handle, _: usize) -> Result<(), SocketError> {
        Ok(())
    }

    fn accept(&mut self, _: Handle) -> Result<(Handle, SocketAddr), SocketError> {
        Err(SocketError::WouldBlock)
    }

    fn connect(
        &mut self,
        _: Instant,
        _: Handle,
        _: SocketAddr,
        _: &mut dyn Output,
    ) -> Result<(), SocketError> {
        Err(SocketError::InProgress)
    }

    fn send(
        &mut self,
        _: Instant,
        _: Handle,
        data: &[u8],
        _: SendFlags,
        _: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        Ok(data.len())
    }

    fn receive(
        &mut self,
        _: Instant,
        _: Handle,
        _: &mut [u8],
        _: ReceiveFlags,
        _: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        Err(SocketError::WouldBlock)
    }

    fn shutdown(
        &mut self,
        _: Instant,
        _: Handle,
        _: Shutdown,
        _: &mut dyn Output,
    ) -> Result<(), SocketError> {
        Ok(())
    }

    fn close(&mut self, _: Instant, _: Handle, _: &mut dyn Output) {}

    fn set(
        &mut self,
        _: Instant,
        _: Handle,
        _: Setting,
        _: &mut dyn Output,
    ) -> Result<(), SocketError> {
        Ok(())
    }

    fn settings(&self, _: Handle) -> Result<Settings, SocketError> {
        Ok(Config::default().settings())
    }

    fn info(&self, _: Instant, socket: Handle) -> Result<Info, SocketError> {
        Ok(Info::new(Some(socket), State::Closed, NOWHERE, NOWHERE))
    }

    fn readiness(&self, _: Handle) -> Readiness {
        Readiness::empty()
    }

    fn take_error(&mut self, _: Handle) -> Option<SocketError> {
        None
    }

    fn input(&mut self, _: Instant, _: Datagram, _: &mut dyn Output) -> Input {
        Input::Dropped(DropReason::NoConnection)
    }

    fn error(&mut self, _: Instant, _: Cause, _: &Quoted, _: &mut dyn Output) {}

    fn poll(&mut self, _: Instant, _: &mut dyn Output) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn changed(&mut self) -> Option<Handle> {
        None
    }

    fn sockets(&self, _: Instant) -> Vec<Info> {
        Vec::new()
    }

    fn counters(&self) -> Vec<Counter> {
        Vec::new()
    }
}

#[test]
fn keeps_no_case() {
    let make: Make = |_seed| Box::new(Nothing::default());
    let grade = grade("nothing", KIT, make);
    let kept: Vec<_> =
        grade.marks.iter().filter(|mark| mark.failure.is_none()).map(|mark| &mark.case).collect();
    assert!(kept.is_empty(), "kept though nothing is done: {kept:?}");
}
