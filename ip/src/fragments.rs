//! Cutting a datagram into fragments (RFC 791 §3.2).

use netdev::Packet;

use crate::wire::Ipv4Fields;
use crate::{Options, options};

/// Cuts `packet`, a datagram or a fragment from its header `ip` on, into fragments of at most
/// `mtu` bytes (68 at least) and gives each to `emit`, in order.
pub(crate) fn fragment(
    ip: &Ipv4Fields,
    packet: &mut Packet,
    mtu: usize,
    mut emit: impl FnMut(Packet),
) {
    // The sum runs over the whole payload, which no fragment has.
    packet.complete_checksum();
    let payload = &packet[ip.header_len()..];
    let later = Options::from_wire(&options::copied(ip.options.as_wire())).unwrap_or_default();
    let mut at = 0;
    while at < payload.len() {
        let mut header = Ipv4Fields { offset: ip.offset + at, ..ip.clone() };
        if at > 0 {
            header.options = later;
        }
        // RFC 791 §3.2: all but the last carry a multiple of eight bytes.
        let room = (mtu - header.header_len()) & !7;
        let len = room.min(payload.len() - at);
        let last = at + len == payload.len();
        header.total_len = header.header_len() + len;
        // A fragment of a fragment that was not the last one is not the last one either.
        header.more_fragments = !last || ip.more_fragments;
        let mut piece = Packet::from_payload(&payload[at..at + len]);
        header.write(piece.prepend(header.header_len()));
        emit(piece);
        at += len;
    }
}
