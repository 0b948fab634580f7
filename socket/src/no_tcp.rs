use ip::*;
use netdev::*;
use std::net::SocketAddr;
use tcp::*;
pub(crate) struct NoTcp;
type R<T> = Result<T, SocketError>;
const U: SocketError = SocketError::Unsupported;
impl Streams for NoTcp {
    fn open(&mut self) -> R<Handle> {
        Err(U)
    }
    fn bind(&mut self, _: Handle, _: SocketAddr, _: &dyn Output) -> R<()> {
        Err(U)
    }
    fn listen(&mut self, _: Handle, _: usize) -> R<()> {
        Err(U)
    }
    fn accept(&mut self, _: Handle) -> R<(Handle, SocketAddr)> {
        Err(U)
    }
    fn connect(&mut self, _: Instant, _: Handle, _: SocketAddr, _: &mut dyn Output) -> R<()> {
        Err(U)
    }
    fn send(
        &mut self,
        _: Instant,
        _: Handle,
        _: &[u8],
        _: SendFlags,
        _: &mut dyn Output,
    ) -> R<usize> {
        Err(U)
    }
    fn receive(
        &mut self,
        _: Instant,
        _: Handle,
        _: &mut [u8],
        _: ReceiveFlags,
        _: &mut dyn Output,
    ) -> R<usize> {
        Err(U)
    }
    fn shutdown(&mut self, _: Instant, _: Handle, _: Shutdown, _: &mut dyn Output) -> R<()> {
        Err(U)
    }
    fn close(&mut self, _: Instant, _: Handle, _: &mut dyn Output) {}
    fn set(&mut self, _: Instant, _: Handle, _: Setting, _: &mut dyn Output) -> R<()> {
        Err(U)
    }
    fn settings(&self, _: Handle) -> R<Settings> {
        Err(U)
    }
    fn info(&self, _: Instant, _: Handle) -> R<Info> {
        Err(U)
    }
    fn readiness(&self, _: Handle) -> Readiness {
        Readiness::empty()
    }
    fn take_error(&mut self, _: Handle) -> Option<SocketError> {
        None
    }
    fn input(&mut self, _: Instant, _: Datagram, _: &mut dyn Output) -> tcp::Input {
        tcp::Input::Consumed
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
