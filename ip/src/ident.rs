//! The identification field (RFC 6864).

use std::hash::Hasher;
use std::net::Ipv4Addr;

use siphasher::sip::SipHasher13;

use crate::Protocol;

/// RFC 7739 §5.3 thinks of a table like this: an observer of one destination learns nothing of
/// how much is sent to another, unless the two share a counter by chance.
const COUNTERS: usize = 1024;

/// Counters that are chosen by a keyed hash of source, destination and protocol, the three that an
/// ID must be unique with (RFC 6864 §4.3).
#[derive(Debug)]
pub(crate) struct Ident {
    key: (u64, u64),
    next: Box<[u16]>,
}

impl Ident {
    pub(crate) fn new(seed: u64) -> Ident {
        let key = (seed, seed.rotate_left(32) ^ 0x6970_5f69_6465_6e74);
        let start = |index: usize| {
            let mut hasher = SipHasher13::new_with_keys(key.0, key.1);
            hasher.write_u64(index as u64);
            hasher.finish() as u16
        };
        Ident { key, next: (0..COUNTERS).map(start).collect() }
    }

    /// The first of `count` IDs in a row: a packet that is cut into segments later takes one for
    /// each.
    pub(crate) fn take(
        &mut self,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        protocol: Protocol,
        count: usize,
    ) -> u16 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write_u32(src.into());
        hasher.write_u32(dst.into());
        hasher.write_u8(protocol.0);
        let next = &mut self.next[hasher.finish() as usize % COUNTERS];
        let id = *next;
        *next = id.wrapping_add(count as u16);
        id
    }
}
