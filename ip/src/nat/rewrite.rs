//! Other endpoints in a datagram, with checksums that follow (RFC 1624, RFC 3022 §4.1).

use netdev::checksum::{Sum, update};
use netdev::{Checksum, Packet};

use super::content::{Endpoint, ICMP_HEADER, Kind};

/// Where the addresses and the checksum stand in an IP header.
const ID: usize = 4;
const IP_CHECKSUM: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// The endpoints that a datagram gets in the place of its own; `None`: it keeps that one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) src: Option<Endpoint>,
    pub(crate) dst: Option<Endpoint>,
}

/// What becomes of a datagram that crosses the translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rewrite {
    /// Of what kind it is. An ICMP error has no identifier, only its addresses change.
    pub(crate) kind: Kind,
    pub(crate) ends: Ends,
    /// For an ICMP error: of what kind the datagram in it is, and what becomes of that.
    pub(crate) quoted: Option<(Kind, Ends)>,
}

impl Rewrite {
    /// Exchanges the endpoints in `packet`, which begins with an IP header of `header_len` bytes.
    pub(crate) fn apply(&self, packet: &mut Packet, header_len: usize) {
        // No device sums ICMP, but nothing forbids to ask one; and what a device is to sum has to
        // be what follows the IP header.
        let partial = match packet.checksum() {
            Checksum::Partial { start, .. } if start == header_len && self.kind != Kind::Icmp => {
                true
            }
            Checksum::Partial { .. } => {
                packet.complete_checksum();
                false
            }
            Checksum::None | Checksum::Verified => false,
        };
        let ports = if self.quoted.is_some() { Ports::Keep } else { Ports::Change };
        exchange(packet, header_len, self.kind, self.ends, ports, partial);
        if let Some((kind, ends)) = self.quoted {
            exchange_quoted(&mut packet[header_len..], kind, ends);
        }
    }
}

/// Gives a datagram another identification.
pub(crate) fn renumber(packet: &mut [u8], id: u16) {
    let mut header = Change::default();
    header.put(packet, ID, id);
    header.tell(packet, IP_CHECKSUM);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    Change,
    Keep,
}

/// Words that changed, as the sums of what they were and of what they are.
#[derive(Clone, Copy, Default)]
struct Change {
    old: Sum,
    new: Sum,
}

impl Change {
    /// Writes a word, if it is there.
    fn put(&mut self, bytes: &mut [u8], at: usize, word: u16) {
        let Some(place) = bytes.get_mut(at..at + 2) else { return };
        self.old = self.old.word(u16::from_be_bytes([place[0], place[1]]));
        self.new = self.new.word(word);
        place.copy_from_slice(&word.to_be_bytes());
    }

    /// The checksum after the change (RFC 1624 §3, equation 3, for all words at once).
    fn after(self, check: u16) -> u16 {
        update(check, self.old.folded(), self.new.folded())
    }

    fn tell(self, bytes: &mut [u8], at: usize) {
        if let Some(place) = bytes.get_mut(at..at + 2) {
            let check = self.after(u16::from_be_bytes([place[0], place[1]]));
            place.copy_from_slice(&check.to_be_bytes());
        }
    }
}

/// Exchanges the endpoints of a datagram, or of as much of one as there is.
fn exchange(
    bytes: &mut [u8],
    header_len: usize,
    kind: Kind,
    ends: Ends,
    ports: Ports,
    partial: bool,
) {
    let mut addresses = Change::default();
    for (at, end) in [(SOURCE, ends.src), (DESTINATION, ends.dst)] {
        let Some(Endpoint { addr, .. }) = end else { continue };
        let [a, b, c, d] = addr.octets();
        addresses.put(bytes, at, u16::from_be_bytes([a, b]));
        addresses.put(bytes, at + 2, u16::from_be_bytes([c, d]));
    }
    addresses.tell(bytes, IP_CHECKSUM);

    let Some(transport) = bytes.get_mut(header_len..) else { return };
    // Of these the transport's checksum has to know: the pseudo header's, except ICMP's, which has
    // none; and the ports.
    let mut summed = if kind == Kind::Icmp { Change::default() } else { addresses };
    let (source, destination, checksum) = match kind {
        Kind::Icmp => (4, 4, 2),
        Kind::Tcp => (0, 2, 16),
        Kind::Udp => (0, 2, 6),
    };
    if ports == Ports::Change {
        for (at, end) in [(source, ends.src), (destination, ends.dst)] {
            if let Some(Endpoint { port, .. }) = end {
                summed.put(transport, at, port);
            }
        }
    }
    let Some(place) = transport.get_mut(checksum..checksum + 2) else { return };
    let check = u16::from_be_bytes([place[0], place[1]]);
    let check = match kind {
        // The field holds the pseudo header's sum, not inverted; the device sums the ports.
        _ if partial => !addresses.after(!check),
        // RFC 768: zero says that there is none, and stays; a sum of zero is sent as all ones.
        Kind::Udp if check == 0 => 0,
        Kind::Udp => Some(summed.after(check)).filter(|check| *check != 0).unwrap_or(0xffff),
        Kind::Tcp | Kind::Icmp => summed.after(check),
    };
    place.copy_from_slice(&check.to_be_bytes());
}

/// As [`exchange`] for the datagram in an ICMP error, whose own checksum follows.
fn exchange_quoted(icmp: &mut [u8], kind: Kind, ends: Ends) {
    let Some(quote) = icmp.get_mut(ICMP_HEADER..) else { return };
    let header_len = quote.first().map_or(0, |byte| usize::from(byte & 0xf) * 4);
    // Nothing changes behind TCP's checksum. The piece ends at an even place, or with the packet.
    let touched = quote.len().min(header_len + 18);
    let old = Sum::default().bytes(&quote[..touched]);
    exchange(quote, header_len, kind, ends, Ports::Change, false);
    let new = Sum::default().bytes(&quote[..touched]);
    Change { old, new }.tell(icmp, 2);
}
