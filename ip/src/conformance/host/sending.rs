//! What is sent, and by which way.

use std::fmt;

use netdev::Packet;

use super::{Below, Host, LO, Sent, addr};
use crate::{Cause, Header, Hop, IfIndex, Route};

impl Host {
    /// Sends, and gives what left, copies for the host itself too.
    #[track_caller]
    pub fn sends(&mut self, header: &Header, data: &[u8]) -> Vec<Sent> {
        self.sends_packet(header, Packet::from_payload(data))
    }

    /// The same of a packet.
    #[track_caller]
    pub fn sends_packet(&mut self, header: &Header, packet: Packet) -> Vec<Sent> {
        let mut below = Below::default();
        let len = packet.len();
        let result = self.ip.send(self.now, header, packet, &mut below);
        self.note(Sending(header, len), "");
        let sent = self.took(below);
        if let Err(error) = result {
            self.record.fail("sent", format_args!("refused: {}", error.cause));
        }
        sent
    }

    /// Sends one datagram, which leaves whole by a link.
    #[track_caller]
    pub fn sends_one(&mut self, header: &Header, data: &[u8]) -> Sent {
        let mut sent = self.sends(header, data);
        sent.retain(|sent| sent.iface != LO);
        self.record.expect_eq("datagrams sent", sent.len(), 1);
        sent.remove(0)
    }

    /// The sender is refused, with its packet back as it was given, and nothing leaves.
    #[track_caller]
    pub fn cannot_send(&mut self, header: &Header, data: &[u8]) -> Cause {
        let mut below = Below::default();
        let result = self.ip.send(self.now, header, Packet::from_payload(data), &mut below);
        self.note(Sending(header, data.len()), "");
        let sent = self.took(below);
        self.nothing_sent(&sent);
        let Err(error) = result else { self.record.fail("refused to its sender", "sent") };
        self.same_bytes("the packet as it was given", &error.packet, data);
        error.cause
    }

    /// The way to `dst`.
    #[track_caller]
    pub fn route(&mut self, dst: &str) -> Route {
        match self.ask(dst, None) {
            Ok(route) => route,
            Err(cause) => self.record.fail(format_args!("a way to {dst}"), cause),
        }
    }

    /// What it says of the way to `dst`, from `src`.
    pub fn ask(&mut self, dst: &str, src: Option<&str>) -> Result<Route, Cause> {
        let route = self.ip.route(self.now, addr(dst), src.map(addr));
        let from = src.map(|src| format!(" from {src}")).unwrap_or_default();
        let answer = match &route {
            Ok(Route { source, iface, hop, mtu, .. }) => {
                format!("{iface} to {hop:?}, source {source}, mtu {mtu}")
            }
            Err(cause) => cause.to_string(),
        };
        self.note(format_args!("route to {dst}{from}"), answer);
        route
    }

    /// That the way to `dst` is by this next hop.
    #[track_caller]
    pub fn goes(&mut self, dst: &str, iface: IfIndex, hop: Hop) {
        let route = self.route(dst);
        let what = format!("the way to {dst}");
        self.record.expect_eq(&what, (route.iface, route.hop), (iface, hop));
    }

    /// That there is no way to `dst`.
    #[track_caller]
    pub fn knows_no_way(&mut self, dst: &str) {
        let route = self.ask(dst, None);
        self.record.expect_eq(&format!("the way to {dst}"), route, Err(Cause::NetworkUnreachable));
    }
}

/// What is given to [`Internet::send`], and how many bytes.
struct Sending<'a>(&'a Header, usize);

impl fmt::Display for Sending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sending(header, len) = self;
        let Header { src, dst, protocol, ttl, dont_fragment, .. } = header;
        let df = if *dont_fragment { " DF" } else { "" };
        write!(f, "send {src} > {dst} {protocol:?} ttl {}{df}, {len} bytes", ttl.0)
    }
}
