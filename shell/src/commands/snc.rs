//! `snc`: netcat, one way at a time.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches};
use socket::{TcpListener, TcpStream, UdpSocket};

use super::Command;
use super::debug::On;
use super::names::HostPort;
use crate::input::{Input, ReadResult};
use crate::waiter::{self, Waited, Waiter};
use crate::{Context, DebugTarget, ExitStatus, Interrupt};

/// Bytes that are in hand at a time.
const BUFFER: usize = 64 * 1024;
/// Bytes of input in one datagram at most: what an Ethernet frame takes after 20 bytes of IP and 8
/// of UDP.
const DATAGRAM: usize = 1472;
/// The largest UDP datagram over IPv4 in bytes.
const MAX_DATAGRAM: usize = 65_507;
/// How long a peer may be silent after our end before the connection is closed under it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// `snc`.
pub(super) struct Snc;

impl Command for Snc {
    fn name(&self) -> &'static str {
        "snc"
    }

    fn grammar(&self) -> clap::Command {
        let addr = |name: &'static str, short| {
            Arg::new(name).short(short).value_name("ADDR:PORT").value_parser(super::ipv4_and_port)
        };
        clap::Command::new(self.name())
            .about("One-way netcat: -b prints what arrives, -c sends standard input")
            .arg(
                Arg::new("debug")
                    .short('d')
                    .action(ArgAction::SetTrue)
                    .help("Show what the transport does meanwhile"),
            )
            .arg(Arg::new("udp").short('u').action(ArgAction::SetTrue).help("UDP instead of TCP"))
            .arg(addr("bind", 'b').help("Wait there, and print what arrives"))
            .arg(
                Arg::new("connect")
                    .short('c')
                    .value_name("HOST:PORT")
                    .value_parser(|text: &str| text.parse::<HostPort>())
                    .help("Connect there, and send standard input"),
            )
            .group(clap::ArgGroup::new("direction").args(["bind", "connect"]).required(true))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let udp = arguments.get_flag("udp");
        let _on = arguments.get_flag("debug").then(|| match udp {
            true => On::new(context, &[DebugTarget::Udp]),
            false => On::new(context, &[DebugTarget::Tcp, DebugTarget::TcpState]),
        });
        let bind = arguments.get_one::<SocketAddrV4>("bind").map(|addr| (*addr).into());
        let connect = match arguments.get_one::<HostPort>("connect") {
            Some(peer) => match peer.addr(context)? {
                Some(addr) => Some(addr),
                None => return Ok(ExitStatus::INTERRUPTED),
            },
            None => None,
        };
        let interrupted = match (bind, connect) {
            (Some(addr), _) if udp => print_datagrams(context, addr)?,
            (Some(addr), _) => print_stream(context, addr)?,
            (_, Some(addr)) if udp => send_datagrams(context, addr)?,
            (_, Some(addr)) => send_stream(context, addr)?,
            (None, None) => return Ok(ExitStatus::USAGE),
        };
        Ok(if interrupted { ExitStatus::INTERRUPTED } else { ExitStatus::SUCCESS })
    }
}

/// Prints what one connection brings, up to its end. Says whether ^C came first.
fn print_stream(context: &mut Context, addr: SocketAddr) -> anyhow::Result<bool> {
    let listener = TcpListener::bind(&context.net, addr)
        .with_context(|| format!("cannot listen at {addr}"))?;
    listener.set_nonblocking(true)?;
    let waiter = Waiter::new(&context.net, &listener, &context.interrupt)?;
    let mut stream = loop {
        if waiter.wait(None)? == Waited::Interrupted {
            return Ok(true);
        }
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    };
    drop((waiter, listener));
    let _hook = shut_on_interrupt(&stream, &context.interrupt)?;
    stream.set_nonblocking(false)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let len = match io::Read::read(&mut stream, &mut buffer) {
            _ if context.interrupt.is_raised() => return Ok(true),
            Ok(0) => return Ok(false),
            Ok(len) => len,
            Err(error) => return Err(error.into()),
        };
        context.out.write_all(&buffer[..len])?;
        context.out.flush()?;
    }
}

/// Prints what datagrams bring, up to ^C.
fn print_datagrams(context: &mut Context, addr: SocketAddr) -> anyhow::Result<bool> {
    let socket =
        UdpSocket::bind(&context.net, addr).with_context(|| format!("cannot receive at {addr}"))?;
    socket.set_nonblocking(true)?;
    let waiter = Waiter::new(&context.net, &socket, &context.interrupt)?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    while waiter.wait(None)? != Waited::Interrupted {
        match socket.recv_from(&mut buffer) {
            Ok((len, _)) => {
                context.out.write_all(&buffer[..len])?;
                context.out.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Nothing else ends it: that is success.
    Ok(false)
}

/// Sends standard input over a connection, and ends it behind the last byte.
fn send_stream(context: &mut Context, addr: SocketAddr) -> anyhow::Result<bool> {
    let connected = waiter::connect(&context.net, addr, &context.interrupt)
        .with_context(|| format!("cannot connect to {addr}"))?;
    let Some(mut stream) = connected else { return Ok(true) };
    let _hook = shut_on_interrupt(&stream, &context.interrupt)?;
    let sent =
        pump(&mut context.input, &context.interrupt, BUFFER, |bytes| stream.write_all(bytes));
    if context.interrupt.is_raised() || sent? == ReadResult::Interrupted {
        return Ok(true);
    }
    stream.shutdown(Shutdown::Write)?;
    // One way: what the peer says is not shown. But were it left unread, closing would be a reset
    // (RFC 2525 §2.17), and that may take from the peer what is still on its way to it.
    stream.set_read_timeout(Some(LAST_WORDS))?;
    let mut buffer = vec![0; BUFFER];
    while matches!(io::Read::read(&mut stream, &mut buffer), Ok(1..)) {}
    Ok(context.interrupt.is_raised())
}

/// Sends standard input in datagrams: each what a read gave, a line of a terminal.
fn send_datagrams(context: &mut Context, addr: SocketAddr) -> anyhow::Result<bool> {
    let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
    let socket = UdpSocket::bind(&context.net, unspecified)?;
    socket.connect(addr).with_context(|| format!("cannot send to {addr}"))?;
    let end = pump(&mut context.input, &context.interrupt, DATAGRAM, |bytes| {
        socket.send(bytes).map(drop)
    })?;
    Ok(end == ReadResult::Interrupted)
}

/// Hands pieces of `input` of at most `size` bytes to `send`, which takes each as a whole.
fn pump(
    input: &mut Input,
    interrupt: &Interrupt,
    size: usize,
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<ReadResult> {
    let mut buffer = vec![0; size];
    loop {
        match input.read(&mut buffer, interrupt)? {
            ReadResult::Bytes(len) => send(&buffer[..len])?,
            end => return Ok(end),
        }
    }
}

/// ^C wakes a read and a write that wait.
fn shut_on_interrupt(
    stream: &TcpStream,
    interrupt: &Interrupt,
) -> io::Result<crate::interrupt::Hook> {
    let stream = stream.try_clone()?;
    Ok(interrupt.on_raise(move || drop(stream.shutdown(Shutdown::Both))))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn defect_snc_handles_short_writes() {
        /// Takes one byte, then two, then three, as a full send buffer may.
        struct Short(Vec<u8>, usize);
        impl Write for Short {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = self.1 % 3 + 1;
                let len = bytes.len().min(self.1);
                self.0.extend_from_slice(&bytes[..len]);
                Ok(len)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let data: Vec<u8> = (0..50_000u32).map(|at| (at * 7) as u8).collect();
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let mut input = Input::from_fd(reader.into()).unwrap();
        let mut out = Short(Vec::new(), 0);
        let sender = {
            let data = data.clone();
            std::thread::spawn(move || writer.write_all(&data))
        };
        let end = pump(&mut input, &Interrupt::new(), 1000, |bytes| out.write_all(bytes)).unwrap();
        sender.join().unwrap().unwrap();
        assert_eq!(end, ReadResult::End);
        assert!(out.0 == data);
    }
}
