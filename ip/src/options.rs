//! The IP options of received datagrams (RFC 791 §3.1, RFC 1122 §3.2.1.8).

use std::net::Ipv4Addr;
use std::ops::Range;

use netdev::Instant;

use crate::Cause;
use crate::wire::MIN_HEADER;

const END: u8 = 0;
const NOP: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const ROUTER_ALERT: u8 = 148;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// Walks a received header's options; `Err` is what the source is to be told.
pub(crate) fn check(options: &[u8]) -> Result<(), Cause> {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let rest = &options[at..];
        match kind {
            END => return Ok(()),
            NOP => {
                at += 1;
                continue;
            }
            _ => {}
        }
        // RFC 792: the pointer names the byte that makes no sense.
        let problem =
            |byte: usize| Cause::ParameterProblem { pointer: (MIN_HEADER + at + byte) as u8 };
        let len = usize::from(*rest.get(1).ok_or(problem(0))?);
        if len < 2 || len > rest.len() {
            return Err(problem(1));
        }
        if matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE) {
            let pointer = usize::from(*rest[..len].get(2).ok_or(problem(1))?);
            if pointer < 4 {
                return Err(problem(2));
            }
            // RFC 1122 §3.3.5 lets a host refuse to be a hop of a source route; it may still be
            // the end of one, where the pointer is beyond the list.
            if pointer <= len {
                return Err(Cause::SourceRouteFailed);
            }
        }
        match kind {
            RECORD_ROUTE => check_room(&rest[..len], 4, 4).map_err(problem)?,
            TIMESTAMP => {
                let flags = *rest[..len].get(3).ok_or(problem(1))?;
                let entry = match flags & 0xf {
                    TIMES => 4,
                    ADDRESSES_AND_TIMES | GIVEN_ADDRESSES => 8,
                    _ => return Err(problem(3)),
                };
                check_room(&rest[..len], 5, entry).map_err(problem)?;
                // RFC 791 §3.1: "if … the overflow count itself overflows, the original datagram
                // is considered to be in error".
                if usize::from(rest[2]) > len && flags >> 4 == 15 {
                    return Err(problem(3));
                }
            }
            _ => {}
        }
        at += len;
    }
    Ok(())
}

/// RFC 791 §3.1: a pointer stands behind the option's fixed part; and room for less than an entry
/// is an error. `Err` is the byte to name.
fn check_room(option: &[u8], least: u8, entry: usize) -> Result<(), usize> {
    let pointer = *option.get(2).ok_or(1usize)?;
    let full = usize::from(pointer) > option.len();
    if pointer < least || !full && usize::from(pointer) - 1 + entry > option.len() {
        return Err(2);
    }
    Ok(())
}

/// What a timestamp option holds (RFC 791 §3.1).
const TIMES: u8 = 0;
const ADDRESSES_AND_TIMES: u8 = 1;
const GIVEN_ADDRESSES: u8 = 3;

/// In which part a host records itself in a datagram's options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// It sends it: it is no hop, but the first to tell the time (RFC 1122 §3.2.1.8 (e)).
    Origin,
    /// It forwards it (RFC 1812 §5.3.13.5, §5.3.13.6).
    Router,
    /// It is for it. It tells the time (RFC 1122 §3.2.1.8 (e)); that a route goes on from here, only
    /// ICMP can know (§3.2.2.6).
    Destination,
}

/// Fills in "record route" and "timestamp" in options that [`check`] has found good: with `addr`,
/// and for addresses that the sender gave, where they are `ours`. Says whether there was anything
/// to fill in.
pub(crate) fn record(
    options: &mut [u8],
    role: Role,
    addr: Ipv4Addr,
    now: Instant,
    ours: impl Fn(Ipv4Addr) -> bool,
) -> bool {
    // RFC 791 §3.1: what is not counted from midnight UT has its highest bit set, and this layer
    // has no calendar.
    let time = ((now - Instant::ZERO).as_millis() as u32 | 0x8000_0000).to_be_bytes();
    let mut changed = false;
    let mut at = 0;
    while let Some(place) = option_at(options, at) {
        at = place.end;
        let option = &mut options[place];
        changed |= match option[0] {
            RECORD_ROUTE if role == Role::Router => fill(option, &addr.octets()),
            TIMESTAMP => stamp(option, role, addr, time, &ours),
            _ => false,
        };
    }
    changed
}

/// Writes `entry` where the option's pointer says, if there is room.
fn fill(option: &mut [u8], entry: &[u8]) -> bool {
    let Some(&pointer) = option.get(2) else { return false };
    let at = usize::from(pointer).wrapping_sub(1);
    let Some(room) = option.get_mut(at..at.saturating_add(entry.len())) else { return false };
    room.copy_from_slice(entry);
    option[2] = pointer + entry.len() as u8;
    true
}

fn stamp(
    option: &mut [u8],
    role: Role,
    addr: Ipv4Addr,
    time: [u8; 4],
    ours: impl Fn(Ipv4Addr) -> bool,
) -> bool {
    let Some(&[_, _, pointer, flags]) = option.first_chunk() else { return false };
    let full = usize::from(pointer) > option.len();
    let with_addr = |addr: Ipv4Addr| [addr.octets(), time].concat();
    match flags & 0xf {
        GIVEN_ADDRESSES => {
            let at = usize::from(pointer).wrapping_sub(1);
            let given =
                option.get(at..at.saturating_add(4)).and_then(|given| given.try_into().ok());
            let given = given.map(|given: [u8; 4]| Ipv4Addr::from(given));
            given.is_some_and(|given| ours(given) && fill(option, &with_addr(given)))
        }
        // A destination for which there is no room has seen the datagram all the same.
        _ if full && role == Role::Router => {
            option[3] = flags.saturating_add(0x10);
            true
        }
        ADDRESSES_AND_TIMES => fill(option, &with_addr(addr)),
        _ => fill(option, &time),
    }
}

/// Whether a router on the way is to look closer (RFC 2113).
pub(crate) fn has_router_alert(options: &[u8]) -> bool {
    each(options).any(|option| option[0] == ROUTER_ALERT)
}

/// The options that a later fragment carries too: those with the copied flag, the top bit of the
/// kind (RFC 791 §3.1).
pub(crate) fn copied(options: &[u8]) -> Vec<u8> {
    each(options).filter(|option| option[0] & 0x80 != 0).flatten().copied().collect()
}

/// Every option with its bytes, one at least.
fn each(options: &[u8]) -> impl Iterator<Item = &[u8]> {
    let places =
        std::iter::successors(option_at(options, 0), |place| option_at(options, place.end));
    places.map(|place| &options[place])
}

/// Where the option lies that begins at `at`; `None` at the end of the list, and where one runs
/// beyond it.
fn option_at(options: &[u8], at: usize) -> Option<Range<usize>> {
    let len = match *options.get(at)? {
        END => return None,
        NOP => 1,
        _ => usize::from(*options.get(at + 1)?),
    };
    (len > 0 && at + len <= options.len()).then_some(at..at + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1122 §3.2.1.8: a length of zero would never end, and one beyond the list reads what is
    /// not there. Nobody is told of such a list here: that is what [`check`] is for.
    #[test]
    fn a_length_that_leads_nowhere_ends_the_list() {
        let alert = [148, 4, 0, 0];
        for before in [&[7, 0][..], &[7, 0, 0, 0], &[0]] {
            assert!(!has_router_alert(&[before, &alert].concat()), "{before:?}");
        }
        for before in [&[][..], &[1, 1], &[7, 3, 4]] {
            assert!(has_router_alert(&[before, &alert].concat()), "{before:?}");
        }
        assert!(!has_router_alert(&alert[..3]));
        assert!(!has_router_alert(&alert[..1]));
    }

    /// RFC 791 §3.1: the highest bit says that it is not the time of the day; after 2^31
    /// milliseconds, which are 25 days, the count has that bit of its own.
    #[test]
    fn a_time_is_marked_as_one_that_no_calendar_knows() {
        for (days, low) in [(1, 86_400_000), (30, 2_592_000_000_u32 & 0x7fff_ffff)] {
            let now = Instant::from_secs(days * 86_400);
            let mut options = [TIMESTAMP, 8, 5, 0, 0, 0, 0, 0];
            assert!(record(&mut options, Role::Router, Ipv4Addr::LOCALHOST, now, |_| true));
            let time = u32::from_be_bytes([options[4], options[5], options[6], options[7]]);
            assert_eq!((time >> 31, time & 0x7fff_ffff), (1, low), "{days} days");
        }
    }
}
