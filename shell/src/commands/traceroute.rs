//! `traceroute`: the way to a host.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use ip::Protocol;
use socket::{Net, RawSocket, UdpSocket};

use super::names::Host;
use super::{Command, seconds};
use crate::traceroute::{Answer, Method, Options, Patience, Probe, Step, Trace, What};
use crate::waiter::{Waited, Waiter};
use crate::{Context, ExitStatus};

/// Destination unreachable, host (RFC 792).
const HOST_UNREACHABLE: u8 = 1;
const NET_UNREACHABLE: u8 = 0;

/// `traceroute`.
pub(super) struct Traceroute;

impl Command for Traceroute {
    fn name(&self) -> &'static str {
        "traceroute"
    }

    fn grammar(&self) -> clap::Command {
        let number = |name: &'static str, short, default: &'static str, help: &'static str| {
            Arg::new(name)
                .short(short)
                .value_name("N")
                .default_value(default)
                .value_parser(value_parser!(u8).range(1..))
                .help(help)
        };
        clap::Command::new(self.name())
            .about("Show the routers on the way to a host")
            .arg(
                Arg::new("icmp")
                    .short('I')
                    .long("icmp")
                    .action(ArgAction::SetTrue)
                    .help("Echo requests instead of UDP datagrams"),
            )
            .arg(number("first", 'f', "1", "Hops of the first probe"))
            .arg(number("hops", 'm', "30", "Hops of the last probe, 254 at most"))
            .arg(
                number("queries", 'q', "3", "Probes with as many hops, 10 at most")
                    .value_parser(value_parser!(u8).range(1..=10)),
            )
            .arg(
                Arg::new("wait")
                    .short('w')
                    .value_name("SECONDS")
                    .default_value("5")
                    .value_parser(|text: &str| seconds(text, Duration::from_millis(1)))
                    .help("How long to wait for an answer at most; where others came, less"),
            )
            .arg(
                Arg::new("port")
                    .short('p')
                    .value_name("PORT")
                    .default_value("33434")
                    .value_parser(value_parser!(u16).range(1..=60_000))
                    .help("The port of the first datagram; each goes to the next one"),
            )
            .arg(
                Arg::new("numeric")
                    .short('n')
                    .action(ArgAction::SetTrue)
                    .help("Numbers instead of names (it is always so)"),
            )
            .arg(
                Arg::new("host")
                    .value_name("HOST")
                    .required(true)
                    .value_parser(|text: &str| text.parse::<Host>())
                    .help("The host's IPv4 address or name"),
            )
            .arg(
                Arg::new("size")
                    .value_name("BYTES")
                    .default_value("60")
                    .value_parser(value_parser!(u16).range(28..))
                    .help("Bytes of each datagram, headers included"),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let host = arguments.get_one::<Host>("host").context("no address")?;
        let Some(peer) = host.addr(context)? else { return Ok(ExitStatus::INTERRUPTED) };
        let number = |name: &str| arguments.get_one::<u8>(name).copied().context("no number");
        let options = Options {
            first: number("first")?,
            hops: number("hops")?,
            queries: number("queries")?,
            patience: Patience {
                most: *arguments.get_one("wait").context("no time")?,
                // As traceroute(8): three times as long as here, ten times as long as before.
                here: 3,
                near: 10,
            },
        };
        ensure!(options.first <= options.hops, "the first hop (-f) is beyond the last (-m)");
        let size = usize::from(*arguments.get_one::<u16>("size").context("no size")?);
        let base = *arguments.get_one::<u16>("port").context("no port")?;
        let base = (!arguments.get_flag("icmp")).then_some(base);
        if let Err(cause) = context.net.with(|stack, now| stack.route(now, peer.into())) {
            anyhow::bail!("{peer}: {cause}; `route` lists the ways");
        }
        let mut sockets = Sockets::open(&context.net, peer, base, size)?;
        context.out.line(&format!(
            "traceroute to {host} ({peer}), {} hops max, {size} byte packets",
            options.hops
        ));
        let mut trace = Trace::new(options);
        sockets.run(context, &mut trace)?;
        Ok(match trace.arrived() {
            _ if context.interrupt.is_raised() => ExitStatus::INTERRUPTED,
            true => ExitStatus::SUCCESS,
            false => ExitStatus::FAILURE,
        })
    }
}

/// What probes go out by, and what comes back.
struct Sockets {
    peer: IpAddr,
    size: usize,
    method: Method,
    /// Hears every ICMP message: errors come from hosts on the way.
    hearing: RawSocket,
    sending: Sending,
}

/// Connected, since only that is told what goes wrong in this host.
enum Sending {
    Udp(UdpSocket),
    Icmp(RawSocket),
}

impl Sockets {
    fn open(net: &Net, peer: Ipv4Addr, base: Option<u16>, size: usize) -> anyhow::Result<Sockets> {
        let peer = IpAddr::V4(peer);
        let hearing = RawSocket::new(net, Some(Protocol::ICMP))?;
        hearing.set_nonblocking(true)?;
        let (method, sending) = match base {
            Some(base) => {
                let socket = UdpSocket::bind(net, (Ipv4Addr::UNSPECIFIED, 0))?;
                socket.set_nonblocking(true)?;
                let source = socket.local_addr()?.port();
                (Method::Udp { source, base }, Sending::Udp(socket))
            }
            None => {
                let socket = RawSocket::new(net, Some(Protocol::ICMP))?;
                socket.set_nonblocking(true)?;
                socket.connect(peer)?;
                // Two runs at a time must not take each other's answers.
                let id = RandomState::new().hash_one(0) as u16;
                (Method::Icmp { id }, Sending::Icmp(socket))
            }
        };
        Ok(Sockets { peer, size, method, hearing, sending })
    }

    fn run(&mut self, context: &mut Context, trace: &mut Trace) -> anyhow::Result<()> {
        let (net, interrupt) = (context.net.clone(), context.interrupt.clone());
        let waiter = Waiter::new(&net, &self.hearing, &interrupt)?;
        match &self.sending {
            Sending::Udp(socket) => waiter.also(socket)?,
            Sending::Icmp(socket) => waiter.errors_of(socket)?,
        }
        let mut number = 0;
        loop {
            let step = trace.step(net.now());
            match step {
                Step::Send(probe) => {
                    number = probe.number;
                    if let Err(error) = self.send(probe) {
                        self.refused(&net, trace, number, &error)?;
                    }
                }
                Step::Wait(until) => {
                    let left = until - net.now();
                    if waiter.wait(Some(left))? == Waited::Interrupted {
                        context.out.line("");
                        return Ok(());
                    }
                    self.hear(&net, trace, number)?;
                }
                Step::Done => {}
            }
            context.out.write_all(trace.take_text().as_bytes())?;
            context.out.flush()?;
            if step == Step::Done {
                return Ok(());
            }
        }
    }

    fn send(&self, Probe { ttl, number }: Probe) -> io::Result<()> {
        let message = self.method.message(number, self.size);
        match &self.sending {
            Sending::Udp(socket) => {
                socket.set_ttl(ttl.into())?;
                let port = self.method.port(number).unwrap_or_default();
                socket.connect(SocketAddr::new(self.peer, port))?;
                socket.send(&message).map(drop)
            }
            Sending::Icmp(socket) => {
                socket.set_ttl(ttl.into())?;
                socket.send(&message).map(drop)
            }
        }
    }

    /// Takes everything that came in.
    fn hear(&self, net: &Net, trace: &mut Trace, number: u16) -> anyhow::Result<()> {
        // Asked for first: an error that came over the wire is in both sockets by now.
        let local = match &self.sending {
            Sending::Udp(socket) => {
                let error = socket.take_error()?;
                // Somebody listens there after all.
                while socket.recv(&mut [0; 64]).is_ok() {
                    let (from, what) = (self.peer, What::Arrived);
                    trace.answer(net.now(), Answer { from, number, what });
                }
                error
            }
            Sending::Icmp(socket) => {
                let error = socket.take_error()?;
                // It has copies of what the other one hears.
                while socket.receive().is_ok() {}
                error
            }
        };
        let mut explained = false;
        loop {
            let received = match self.hearing.receive() {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let message = &received.packet[received.header_len..];
            if let Some(answer) = self.method.answer(self.peer, received.from, message) {
                explained = true;
                trace.answer(received.at, answer);
            }
        }
        match local {
            Some(error) if !explained => self.refused(net, trace, number, &error),
            _ => Ok(()),
        }
    }

    /// This host itself could not send a probe, or its neighbour does not answer.
    fn refused(
        &self,
        net: &Net,
        trace: &mut Trace,
        number: u16,
        error: &io::Error,
    ) -> anyhow::Result<()> {
        let code = match error.kind() {
            io::ErrorKind::HostUnreachable => HOST_UNREACHABLE,
            io::ErrorKind::NetworkUnreachable => NET_UNREACHABLE,
            // What an earlier probe has met, and told the other socket.
            io::ErrorKind::ConnectionRefused => return Ok(()),
            _ => anyhow::bail!("{}: {error}", self.peer),
        };
        let route = net.with(|stack, now| stack.route(now, self.peer));
        let from = route.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |route| route.source);
        trace.answer(net.now(), Answer { from, number, what: What::Refused(code) });
        Ok(())
    }
}
