//! A [`Filter`] held against packets.

use std::net::Ipv4Addr;

use netdev::{EtherType, Medium};

use super::{Expr, Filter, Joint, Kind, NetKind, PortKind, Primitive, Side};

/// Bytes of an Ethernet header, and of IPv6's.
const ETHERNET: usize = 14;
const IPV6: usize = 40;

const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// The header of an IPv6 fragment (RFC 8200 §4.5).
const FRAGMENT: u8 = 44;

impl Filter {
    /// Whether a packet is meant; for any bytes at all.
    pub fn matches(&self, medium: Medium, packet: &[u8]) -> bool {
        let view = View::new(medium, packet);
        self.0.as_ref().is_none_or(|expr| expr.holds(&view))
    }
}

impl Expr {
    fn holds(&self, view: &View<'_>) -> bool {
        match self {
            Expr::Is(primitive) => primitive.holds(view),
            Expr::Not(expr) => !expr.holds(view),
            Expr::Chain { first, rest } => {
                rest.iter().fold(first.holds(view), |so_far, (joint, expr)| match joint {
                    Joint::And => so_far && expr.holds(view),
                    Joint::Or => so_far || expr.holds(view),
                })
            }
        }
    }
}

impl Primitive {
    fn holds(&self, view: &View<'_>) -> bool {
        match *self {
            Primitive::Kind(kind) => view.is(kind),
            Primitive::Proto(proto) => view.ip.is_some() && view.protocol == Some(proto),
            Primitive::Net { of, side, addr, prefix } => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                let inside = |other: &Ipv4Addr| u32::from(*other) & mask == u32::from(addr);
                view.addresses(of).is_some_and(|ends| side.any(&ends, inside))
            }
            Primitive::Port { of, side, first, last } => {
                let inside = |port: &u16| (first..=last).contains(port);
                view.ports(of).is_some_and(|ends| side.any(&ends, inside))
            }
            Primitive::Ether(side, mac) => view.ether.is_some_and(|header| {
                let ends = [&header[6..12], &header[..6]];
                side.any(&ends, |end| **end == mac.0)
            }),
            Primitive::Flag(flag) => {
                let flags = view.of(TCP).and_then(|header| header.get(13));
                flags.is_some_and(|flags| flags >> flag as u8 & 1 != 0)
            }
            Primitive::Less(len) => view.len <= len as usize,
            Primitive::Greater(len) => view.len >= len as usize,
        }
    }
}

impl Side {
    /// Whether an end that is meant, of source and destination, is as it should be.
    fn any<T>(self, [src, dst]: &[T; 2], is: impl Fn(&T) -> bool) -> bool {
        match self {
            Side::Src => is(src),
            Side::Dst => is(dst),
            Side::Either => is(src) || is(dst),
        }
    }
}

/// What the questions are about, found once for a packet.
struct View<'a> {
    len: usize,
    ether: Option<&'a [u8; ETHERNET]>,
    arp: Option<&'a [u8]>,
    ip: Option<&'a [u8]>,
    ip6: Option<&'a [u8]>,
    protocol: Option<u8>,
    /// What follows the IP header, unless it is a fragment other than the first.
    transport: Option<&'a [u8]>,
}

impl<'a> View<'a> {
    fn new(medium: Medium, packet: &'a [u8]) -> View<'a> {
        let mut view = View {
            len: packet.len(),
            ether: None,
            arp: None,
            ip: None,
            ip6: None,
            protocol: None,
            transport: None,
        };
        let (ethertype, content) = match medium {
            Medium::Ethernet => {
                let Some((header, content)) = packet.split_first_chunk::<ETHERNET>() else {
                    return view;
                };
                view.ether = Some(header);
                (EtherType(u16::from_be_bytes([header[12], header[13]])), content)
            }
            Medium::Ip => match packet.first().map(|first| first >> 4) {
                Some(4) => (EtherType::IPV4, packet),
                Some(6) => (EtherType::IPV6, packet),
                _ => return view,
            },
        };
        match ethertype {
            EtherType::ARP => view.arp = Some(content),
            EtherType::IPV4 => view.read_ip(content),
            EtherType::IPV6 => view.read_ip6(content),
            _ => {}
        }
        view
    }

    fn read_ip(&mut self, ip: &'a [u8]) {
        self.ip = Some(ip);
        self.protocol = ip.get(9).copied();
        let Some(&[first, _, _, _, _, _, high, low]) = ip.first_chunk() else { return };
        // RFC 791 §3.1: thirteen bits of offset.
        if u16::from_be_bytes([high, low]) & 0x1fff == 0 {
            self.transport = ip.get(usize::from(first & 0xf) * 4..);
        }
    }

    fn read_ip6(&mut self, ip: &'a [u8]) {
        self.ip6 = Some(ip);
        self.protocol = ip.get(6).copied();
        if self.protocol == Some(FRAGMENT) {
            // What it is the fragment's own header says; its ports are not looked for.
            self.protocol = ip.get(IPV6).copied();
        } else {
            self.transport = ip.get(IPV6..);
        }
    }

    fn is(&self, kind: Kind) -> bool {
        match kind {
            Kind::Ip => self.ip.is_some(),
            Kind::Ip6 => self.ip6.is_some(),
            Kind::Arp => self.arp.is_some(),
            Kind::Tcp => self.protocol == Some(TCP),
            Kind::Udp => self.protocol == Some(UDP),
            Kind::Icmp => self.ip.is_some() && self.protocol == Some(ICMP),
            Kind::Igmp => self.ip.is_some() && self.protocol == Some(IGMP),
        }
    }

    /// The header of a transport.
    fn of(&self, protocol: u8) -> Option<&'a [u8]> {
        self.transport.filter(|_| self.protocol == Some(protocol))
    }

    /// Source and destination; of ARP the sender's and the target's.
    fn addresses(&self, of: Option<NetKind>) -> Option<[Ipv4Addr; 2]> {
        let read = |bytes: Option<&[u8]>, places: [usize; 2]| {
            let bytes = bytes?;
            let at = |place: usize| Some(Ipv4Addr::from(*bytes.get(place..)?.first_chunk::<4>()?));
            Some([at(places[0])?, at(places[1])?])
        };
        let ip = || read(self.ip, [12, 16]);
        let arp = || read(self.arp, [14, 24]);
        match of {
            Some(NetKind::Ip) => ip(),
            Some(NetKind::Arp) => arp(),
            None => ip().or_else(arp),
        }
    }

    fn ports(&self, of: Option<PortKind>) -> Option<[u16; 2]> {
        let header = match of {
            Some(PortKind::Tcp) => self.of(TCP),
            Some(PortKind::Udp) => self.of(UDP),
            None => self.of(TCP).or_else(|| self.of(UDP)),
        }?;
        let [a, b, c, d] = *header.first_chunk()?;
        Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
    }
}
