//! The shell's traceroute.

use std::net::{IpAddr, SocketAddr};

use ip::{Handle, Protocol, Ttl};
use shell::traceroute::{Method, Options, Probe, Step, Trace};
use socket::{Key, RawSetting};

use crate::sim::{Event, Io, Program};

/// Looks for the way to a host, as the command does.
#[derive(Debug)]
pub struct Traceroute {
    peer: IpAddr,
    icmp: bool,
    trace: Trace,
    /// Set when it has begun.
    by: Option<(Method, Handle, Option<Handle>)>,
    /// What is printed.
    pub text: String,
}

impl Traceroute {
    /// The way to `peer`, by echo requests or by datagrams.
    ///
    /// # Panics
    /// Where `peer` is not an address.
    pub fn new(peer: &str, icmp: bool, options: Options) -> Traceroute {
        let peer = peer.parse().expect("an address");
        Traceroute { peer, icmp, trace: Trace::new(options), by: None, text: String::new() }
    }

    fn start(&mut self, io: &mut Io<'_>) {
        let raw = io.raw(Protocol::ICMP).expect("a raw socket");
        self.by = Some(if self.icmp {
            (Method::Icmp { id: 7 }, raw, None)
        } else {
            let socket = io.udp(40_000).expect("a UDP socket");
            (Method::Udp { source: 40_000, base: 33_434 }, raw, Some(socket))
        });
    }

    fn send(&self, Probe { ttl, number }: Probe, io: &mut Io<'_>) {
        let Some((method, raw, udp)) = self.by else { return };
        let message = method.message(number, 60);
        let (now, hops) = (io.now(), Ttl(ttl));
        // What cannot be sent is not answered.
        match (udp, method.port(number)) {
            (Some(socket), Some(port)) => {
                let set = udp::Setting::Ttl(hops);
                io.stack().with_udp(now, |udp, _| udp.set(socket, set)).expect("a TTL");
                let _ = io.send_to(socket, SocketAddr::new(self.peer, port), &message);
            }
            _ => {
                let set = RawSetting::Ttl(hops);
                io.stack().with_raw(now, |all, _| all.set(raw, set)).expect("a TTL");
                let _ = io.send_raw(raw, self.peer, &message);
            }
        }
    }
}

impl Program for Traceroute {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        if event == Event::Start {
            self.start(io);
        }
        let Some((method, raw, _)) = self.by else { return };
        while let Ok(received) = io.receive_raw(raw) {
            let message = &received.packet[received.header_len..];
            if let Some(answer) = method.answer(self.peer, received.from, message) {
                self.trace.answer(received.at, answer);
            }
        }
        loop {
            match self.trace.step(io.now()) {
                Step::Send(probe) => self.send(probe, io),
                Step::Wait(until) => {
                    io.set_alarm(Some(until));
                    break;
                }
                Step::Done => {
                    io.set_alarm(None);
                    break;
                }
            }
        }
        self.text += &self.trace.take_text();
        if self.trace.step(io.now()) == Step::Done {
            io.close(Key::Raw(raw));
        }
    }
}
