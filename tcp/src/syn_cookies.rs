//! SYN cookies (RFC 4987 §3.6): a listener whose SYN queue is full goes on without one.
//!
//! The answer to a SYN is remembered nowhere: what has to be remembered is in its sequence number,
//! which the peer's acknowledgment brings back, and in its timestamp, which is echoed. The
//! sequence number is the peer's own plus
//!
//! ```text
//!  31       27 26   24 23                     0
//! +-----------+-------+------------------------+
//! | time slot |  MSS  | keyed hash of it all   |
//! +-----------+-------+------------------------+
//! ```
//!
//! What that costs: of the MSS only a row of [`MSS_TABLE`] is known, options have to fit beside the
//! timestamp or are not used, text on the SYN has to be sent again, and a SYN-ACK that is lost is
//! sent again only when the SYN is. So cookies are for a full queue and nothing else.

use std::time::Duration;

use netdev::Instant;

use crate::SeqNum;
use crate::hash::SeededState;
use crate::segment::{Flags, Segment};
use crate::table::Tuple;

/// What a cookie can say of the peer's MSS; it says the greatest that the peer's is not below.
/// RFC 791's minimum and TCP's default, common tunnels, PPPoE, Ethernet, and jumbo frames.
const MSS_TABLE: [u16; 8] = [216, 536, 1220, 1340, 1400, 1440, 1460, 8960];

/// How long a time slot lasts. A cookie is good in its own and the next.
const SLOT: Duration = Duration::from_secs(64);

/// Low bits of a SYN-ACK's timestamp that say what the peer offered.
const CARRIED_BITS: u32 = 6;
/// Four bits of window scale; this is none.
const NO_SCALE: u32 = 15;
const SACK: u32 = 1 << 4;
const ECN: u32 = 1 << 5;

/// Makes cookies, and knows its own.
pub(crate) struct SynCookies {
    key: SeededState,
}

/// What a timestamp carries: the options of the SYN, as far as they are in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack: bool,
    pub(crate) ecn: bool,
}

impl SynCookies {
    /// How long after the last one was sent a cookie can come back.
    pub(crate) const LIFETIME: Duration = Duration::from_secs(2 * SLOT.as_secs());

    pub(crate) fn new(seed: u64) -> SynCookies {
        SynCookies { key: SeededState::new(seed, "SYN cookies") }
    }

    /// The sequence number of the SYN-ACK that answers a SYN with `irs` and `mss`; `None` where
    /// the MSS is less than a cookie can say.
    pub(crate) fn make(
        &self,
        now: Instant,
        tuple: &Tuple,
        irs: SeqNum,
        mss: u16,
    ) -> Option<SeqNum> {
        let row = MSS_TABLE.iter().rposition(|&row| row <= mss)?;
        Some(self.cookie(slot(now), tuple, irs, row as u32))
    }

    /// The MSS that the cookie says; `None` where it is none of ours, or too old.
    pub(crate) fn check(
        &self,
        now: Instant,
        tuple: &Tuple,
        irs: SeqNum,
        cookie: SeqNum,
    ) -> Option<u16> {
        let row = (cookie - irs) >> 24 & 7;
        let current = slot(now);
        let known = [current, current.wrapping_sub(1)]
            .into_iter()
            .any(|slot| self.cookie(slot, tuple, irs, row) == cookie);
        known.then(|| MSS_TABLE[row as usize])
    }

    fn cookie(&self, slot: u32, tuple: &Tuple, irs: SeqNum, row: u32) -> SeqNum {
        let hash = self.key.of(&(slot, tuple, irs.0, row)) as u32 & 0x00ff_ffff;
        irs + ((slot & 31) << 27 | row << 24 | hash)
    }
}

fn slot(now: Instant) -> u32 {
    (now.millis() / SLOT.as_millis() as u64) as u32
}

impl Carried {
    /// The latest timestamp up to `value` whose low bits say this. The clock must not be ahead of
    /// itself, or later segments would look old (RFC 7323 §5).
    pub(crate) fn timestamp(self, value: u32) -> u32 {
        let bits = u32::from(self.window_scale.map_or(NO_SCALE as u8, |shift| shift))
            | if self.sack { SACK } else { 0 }
            | if self.ecn { ECN } else { 0 };
        let mask = (1 << CARRIED_BITS) - 1;
        let stamp = value & !mask | bits;
        if bits > value & mask { stamp.wrapping_sub(1 << CARRIED_BITS) } else { stamp }
    }

    /// What an echoed timestamp says.
    pub(crate) fn from_echo(echo: u32) -> Carried {
        let scale = echo & NO_SCALE;
        Carried {
            window_scale: (scale != NO_SCALE).then_some(scale as u8),
            sack: echo & SACK != 0,
            ecn: echo & ECN != 0,
        }
    }
}

/// The SYN that an acknowledgment with a good cookie lets one conclude: what SYN-RECEIVED knows
/// of the peer.
pub(crate) fn syn_of(ack: &Segment, mss: u16) -> Segment {
    let mut flags = Flags::SYN;
    let mut syn = Segment::new(ack.src_port, ack.dst_port, ack.seq - 1, SeqNum(0), flags);
    syn.options.mss = Some(mss);
    if let Some(timestamps) = ack.options.timestamps {
        let carried = Carried::from_echo(timestamps.echo);
        syn.options.timestamps = Some(timestamps);
        syn.options.window_scale = carried.window_scale;
        syn.options.sack_permitted = carried.sack;
        flags.set(Flags::ECE | Flags::CWR, carried.ecn);
        syn.flags = flags;
    }
    syn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(port: u16) -> Tuple {
        Tuple::new("10.0.0.1:80".parse().unwrap(), ([10, 0, 0, 2], port).into())
    }

    #[test]
    fn a_cookie_says_the_mss_to_its_own_connection_only() {
        let cookies = SynCookies::new(1);
        let (now, irs) = (Instant::from_secs(1000), SeqNum(u32::MAX - 5));
        for (mss, said) in [(216, 216), (1459, 1440), (1460, 1460), (9000, 8960), (65_535, 8960)] {
            let cookie = cookies.make(now, &tuple(5), irs, mss).unwrap();
            assert_eq!(cookies.check(now, &tuple(5), irs, cookie), Some(said));
            assert_eq!(cookies.check(now, &tuple(6), irs, cookie), None);
            assert_eq!(cookies.check(now, &tuple(5), irs + 1, cookie), None);
            assert_eq!(cookies.check(now, &tuple(5), irs, cookie + (1 << 24)), None, "forged MSS");
            assert_eq!(SynCookies::new(2).check(now, &tuple(5), irs, cookie), None);
        }
        assert_eq!(cookies.make(now, &tuple(5), irs, 215), None);
    }

    #[test]
    fn a_cookie_is_good_for_one_to_two_slots() {
        let cookies = SynCookies::new(1);
        let made = Instant::from_secs(64 * 5 + 60);
        let cookie = cookies.make(made, &tuple(5), SeqNum(7), 1460).unwrap();
        let check = |at| cookies.check(at, &tuple(5), SeqNum(7), cookie);
        assert_eq!(check(made + SLOT), Some(1460));
        assert_eq!(check(made + SynCookies::LIFETIME), None);
        // The slot's number is back after 32 of them.
        assert_eq!(check(made + 32 * SLOT), None);
    }

    #[test]
    fn a_timestamp_carries_the_options_and_is_never_ahead_of_the_clock() {
        for window_scale in (0..=14).map(Some).chain([None]) {
            for (sack, ecn) in [(false, false), (true, false), (false, true), (true, true)] {
                let carried = Carried { window_scale, sack, ecn };
                for value in [0, 5, 63, 64, 1000, u32::MAX] {
                    let stamp = carried.timestamp(value);
                    assert_eq!(Carried::from_echo(stamp), carried);
                    assert!(value.wrapping_sub(stamp) < 64, "{stamp} at {value}");
                }
            }
        }
    }

    /// Guessing: of 2^32 numbers at most 16 are good at a time.
    #[test]
    fn guesses_do_not_fit() {
        let cookies = SynCookies::new(1);
        let now = Instant::from_secs(1000);
        let good = (0..100_000u32)
            .filter(|guess| {
                let cookie = SeqNum(guess.wrapping_mul(2_654_435_761));
                cookies.check(now, &tuple(5), SeqNum(7), cookie).is_some()
            })
            .count();
        assert_eq!(good, 0);
    }
}
