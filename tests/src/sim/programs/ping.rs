//! Echo requests (RFC 792).

use std::net::IpAddr;
use std::time::Duration;

use ip::{Handle, Protocol};
use netdev::Instant;
use socket::Key;

use crate::sim::{Event, Io, Program};
use crate::virtual_net::echo_request;

/// What each request carries.
const DATA: &[u8] = b"is anybody there, and how far is it?";

/// Sends echo requests at an interval, and notes when each was answered.
#[derive(Debug)]
pub struct Pinger {
    dst: IpAddr,
    count: u16,
    interval: Duration,
    socket: Option<Handle>,
    sent: Vec<Instant>,
    /// The round trip of each request by its number; `None` where no answer came (yet).
    pub times: Vec<Option<Duration>>,
    /// Answers that came again.
    pub duplicates: u64,
}

impl Pinger {
    /// `count` requests to `dst`.
    ///
    /// # Panics
    /// Where `dst` is not an address.
    pub fn new(dst: &str, count: u16, interval: Duration) -> Pinger {
        let (sent, times) = (Vec::new(), Vec::new());
        let dst = dst.parse().expect("an address");
        Pinger { dst, count, interval, socket: None, sent, times, duplicates: 0 }
    }

    /// How many were answered.
    pub fn answered(&self) -> usize {
        self.times.iter().flatten().count()
    }

    fn ask(&mut self, socket: Handle, io: &mut Io<'_>) {
        let seq = self.sent.len() as u16;
        self.sent.push(io.now());
        self.times.push(None);
        // What cannot be sent is not answered, which is what is measured.
        let _ = io.send_raw(socket, self.dst, &echo_request(ident(socket), seq, DATA));
        if self.sent.len() < usize::from(self.count) {
            io.set_alarm(Some(io.now() + self.interval));
        }
    }

    fn note(&mut self, ident: u16, message: &[u8], at: Instant) {
        // An echo reply to one of ours, whole.
        let Some(([0, 0, _, _, i0, i1, s0, s1], DATA)) = message.split_first_chunk() else {
            return;
        };
        let seq = usize::from(u16::from_be_bytes([*s0, *s1]));
        if u16::from_be_bytes([*i0, *i1]) != ident || seq >= self.sent.len() {
            return;
        }
        if self.times[seq].replace(at - self.sent[seq]).is_some() {
            self.duplicates += 1;
        }
    }
}

/// Two pingers of a host have two sockets, and see each other's answers.
fn ident(socket: Handle) -> u16 {
    socket.index as u16
}

impl Program for Pinger {
    fn on(&mut self, event: Event, io: &mut Io<'_>) {
        match event {
            Event::Start => {
                let socket = io.raw(Protocol::ICMP).expect("a raw socket");
                self.socket = Some(socket);
                self.ask(socket, io);
            }
            Event::Alarm => self.socket.into_iter().for_each(|socket| self.ask(socket, io)),
            Event::Ready(Key::Raw(socket)) => {
                while let Ok(received) = io.receive_raw(socket) {
                    self.note(ident(socket), &received.packet[received.header_len..], received.at);
                }
            }
            Event::Ready(_) => {}
        }
    }
}
