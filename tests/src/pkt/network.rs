//! What lies below the TCP of a script: one address, one link, and a list of what was sent.

use std::net::{IpAddr, Ipv4Addr};

use ip::{Cause, Header, Hop, IfIndex, Offload, Output, Route, SendError};
use netdev::{Instant, Packet};

pub(super) const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
pub(super) const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const PORT: u16 = 8080;

/// The least path MTU that an ICMP message can set, as `ip` and Linux have it.
const MIN_PATH_MTU: usize = 552;

/// A host's link.
#[derive(Debug)]
pub(super) struct Network {
    /// Of the path to everybody, in bytes.
    pub mtu: usize,
    pub sent: Vec<Sent>,
}

/// A packet that came out.
#[derive(Debug)]
pub(super) struct Sent {
    pub at: Instant,
    pub header: Header,
    pub packet: Packet,
}

impl Network {
    /// A router says that datagrams are too long; IP remembers it (RFC 1191), before TCP is told.
    pub(super) fn lower_mtu(&mut self, mtu: u16) {
        self.mtu = self.mtu.min(usize::from(mtu).max(MIN_PATH_MTU));
    }
}

impl Output for Network {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        Ok(Route {
            source: LOCAL.into(),
            iface: IfIndex(1),
            hop: Hop::Neighbour(dst),
            mtu: self.mtu,
            local: self.is_local(dst),
            // Segments are compared one by one: nobody below cuts them up.
            offload: Offload::default(),
        })
    }

    fn send(&mut self, now: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        let mut header = header.clone();
        if header.src.is_unspecified() {
            header.src = LOCAL.into();
        }
        self.sent.push(Sent { at: now, header, packet });
        Ok(())
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr == LOCAL
    }
}
