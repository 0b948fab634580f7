//! Putting fragments together again (RFC 791 §3.2, RFC 1122 §3.3.2).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use netdev::{Cast, Instant, Packet};

use crate::checks::stricter;
use crate::settings::{Config, MAX_DATAGRAM};
use crate::wire::Ipv4Fields;
use crate::{Cause, DropReason, Ecn, Protocol, Report};

/// What one fragment is charged beside its bytes: its place in a list, and the allocator's share.
const FRAGMENT_OVERHEAD: usize = 64;
/// What one incomplete datagram is charged, also while it only remembers that it was refused.
const DATAGRAM_OVERHEAD: usize = 256;

/// Incomplete datagrams.
///
/// Where RFC 815 keeps a list of holes, this keeps the fragments sorted: a hole is where one does
/// not begin at the end of the one before. Their bytes are kept in buffers of just their size, so
/// that a flood of small fragments is charged what it costs.
#[derive(Debug)]
pub(crate) struct Reassembly {
    /// Sorted by source first, so that those of one source are neighbours. An ordered map needs
    /// no secret key to stand against chosen keys.
    incomplete: BTreeMap<Key, Incomplete>,
    /// By age; the timeout is the same for all, so this is the order of the deadlines too.
    by_age: BTreeMap<u64, Key>,
    by_source: BTreeMap<Ipv4Addr, usize>,
    bytes: usize,
    born: u64,
    config: Config,
}

/// RFC 791 §3.2: what the fragments of a datagram have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: Protocol,
    id: u16,
}

#[derive(Debug)]
struct Incomplete {
    born: u64,
    deadline: Instant,
    state: State,
    bytes: usize,
}

#[derive(Debug)]
enum State {
    Collecting(Collected),
    /// RFC 5722 §4: after an overlap the fragments still to come are refused too.
    Refused,
}

#[derive(Debug, Default)]
struct Collected {
    /// Sorted, without overlaps.
    fragments: Vec<Fragment>,
    /// The sum of their lengths.
    len: usize,
    /// The datagram's, known from its last fragment.
    end: Option<usize>,
    /// The header of the fragment at offset 0.
    first: Option<First>,
    /// RFC 3168 §5.3: whether any fragment met congestion.
    congestion: bool,
    /// Whether any fragment came from a sender that does not do ECN.
    not_ect: bool,
    cast: Cast,
}

#[derive(Debug)]
struct First {
    fields: Ipv4Fields,
    bytes: Box<[u8]>,
    cast: Cast,
}

#[derive(Debug)]
struct Fragment {
    start: usize,
    data: Box<[u8]>,
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It waits for others.
    Waits,
    /// It is there already, byte for byte.
    Duplicate,
    /// It was the last one missing: the payload, with the header of the first fragment stripped in
    /// front.
    Whole { fields: Ipv4Fields, cast: Cast, payload: Packet },
}

/// Incomplete datagrams that were given up.
#[derive(Debug, Default)]
pub(crate) struct GivenUp {
    /// How many.
    pub(crate) count: u64,
    /// For those whose first fragment came.
    pub(crate) reports: Vec<Report>,
}

impl Reassembly {
    pub(crate) fn new(config: &Config) -> Reassembly {
        Reassembly {
            incomplete: BTreeMap::new(),
            by_age: BTreeMap::new(),
            by_source: BTreeMap::new(),
            bytes: 0,
            born: 0,
            config: config.clone(),
        }
    }

    /// Takes a fragment, `packet`, from its header `ip` on. `evicted` counts the datagrams that
    /// had to make room.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        ip: &Ipv4Fields,
        cast: Cast,
        packet: &Packet,
        evicted: &mut u64,
    ) -> Result<Outcome, DropReason> {
        let data = &packet[ip.header_len()..];
        let end = ip.offset + data.len();
        // "Ping of death": offset and length that only together are too much.
        if data.is_empty()
            || ip.header_len() + end > MAX_DATAGRAM
            || ip.more_fragments && !data.len().is_multiple_of(8)
        {
            return Err(DropReason::BadFragment);
        }
        let key = Key { src: ip.src, dst: ip.dst, protocol: ip.protocol, id: ip.id };
        let mut entry = self.take(key).unwrap_or_else(|| self.begin(now));
        let result = match &mut entry.state {
            State::Refused => Err(DropReason::Overlap),
            State::Collecting(collected) => {
                collected.add(ip, cast, packet, self.config.reassembly_fragments)
            }
        };
        match result {
            Ok(Placed::Duplicate) => {
                self.put(key, entry);
                Ok(Outcome::Duplicate)
            }
            Ok(Placed::Waits) => {
                entry.bytes += data.len() + FRAGMENT_OVERHEAD;
                self.put(key, entry);
                self.make_room(key, evicted);
                if self.incomplete.contains_key(&key) {
                    Ok(Outcome::Waits)
                } else {
                    // The limits are too small for this one datagram; it is counted by the caller.
                    *evicted -= 1;
                    Err(DropReason::ReassemblyLimit)
                }
            }
            Ok(Placed::Whole(whole)) => Ok(whole),
            Err(reason) => {
                entry.state = State::Refused;
                entry.bytes = DATAGRAM_OVERHEAD;
                self.put(key, entry);
                self.make_room(key, evicted);
                Err(reason)
            }
        }
    }

    /// Gives up what waited too long.
    pub(crate) fn poll(&mut self, now: Instant) -> GivenUp {
        let mut given_up = GivenUp::default();
        while let Some((_, &key)) = self.by_age.first_key_value()
            && self.incomplete.get(&key).is_some_and(|entry| entry.deadline <= now)
            && let Some(entry) = self.take(key)
        {
            let State::Collecting(collected) = entry.state else { continue };
            given_up.count += 1;
            given_up.reports.extend(collected.into_report());
        }
        given_up
    }

    /// When the oldest has waited long enough.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let (_, key) = self.by_age.first_key_value()?;
        self.incomplete.get(key).map(|entry| entry.deadline)
    }

    /// What all incomplete datagrams are charged.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Reassembly {
    fn begin(&mut self, now: Instant) -> Incomplete {
        self.born += 1;
        Incomplete {
            born: self.born,
            // RFC 1122 §3.3.2: from the first fragment on; later ones do not prolong it.
            deadline: now + self.config.reassembly_timeout,
            state: State::Collecting(Collected::default()),
            bytes: DATAGRAM_OVERHEAD,
        }
    }

    /// Takes an entry out of every index, and its bytes off every account.
    fn take(&mut self, key: Key) -> Option<Incomplete> {
        let entry = self.incomplete.remove(&key)?;
        self.by_age.remove(&entry.born);
        self.bytes -= entry.bytes;
        if let Some(bytes) = self.by_source.get_mut(&key.src) {
            *bytes -= entry.bytes;
            if *bytes == 0 {
                self.by_source.remove(&key.src);
            }
        }
        Some(entry)
    }

    fn put(&mut self, key: Key, entry: Incomplete) {
        self.bytes += entry.bytes;
        *self.by_source.entry(key.src).or_default() += entry.bytes;
        self.by_age.insert(entry.born, key);
        self.incomplete.insert(key, entry);
    }

    /// Evicts the oldest until the limits are kept: first those of the source of `key`, so that a
    /// flood from one address costs others nothing.
    fn make_room(&mut self, key: Key, evicted: &mut u64) {
        while self.by_source.get(&key.src).copied().unwrap_or(0)
            > self.config.reassembly_bytes_per_source
        {
            let from = Key { dst: Ipv4Addr::UNSPECIFIED, protocol: Protocol(0), id: 0, ..key };
            let to =
                Key { dst: Ipv4Addr::BROADCAST, protocol: Protocol(u8::MAX), id: u16::MAX, ..key };
            let of_source = self.incomplete.range(from..=to);
            let Some((&oldest, _)) = of_source.min_by_key(|(_, entry)| entry.born) else { break };
            self.evict(oldest, evicted);
        }
        while self.bytes > self.config.reassembly_bytes
            && let Some((_, &oldest)) = self.by_age.first_key_value()
        {
            self.evict(oldest, evicted);
        }
    }

    fn evict(&mut self, key: Key, evicted: &mut u64) {
        let entry = self.take(key);
        *evicted += u64::from(entry.is_some_and(|e| matches!(e.state, State::Collecting(_))));
    }
}

/// As [`Outcome`], for one datagram.
enum Placed {
    Waits,
    Duplicate,
    Whole(Outcome),
}

impl Collected {
    fn add(
        &mut self,
        ip: &Ipv4Fields,
        cast: Cast,
        packet: &Packet,
        limit: usize,
    ) -> Result<Placed, DropReason> {
        let (header, data) = packet.split_at(ip.header_len());
        let (start, end) = (ip.offset, ip.offset + data.len());

        // Where it goes: behind all that begin before it. Fragments mostly come in order, so the
        // search mostly ends at the last one.
        let at = self.fragments.partition_point(|fragment| fragment.start < start);
        if let Some(same) = self.fragments.get(at).filter(|same| same.start == start)
            && *same.data == *data
        {
            return Ok(Placed::Duplicate);
        }
        // RFC 5722 §4, which RFC 8200 §4.5 took over: an overlap is an attack (Teardrop is one), or
        // so broken that nothing good comes of it.
        let over_previous = at.checked_sub(1).is_some_and(|i| self.fragments[i].end() > start);
        let over_next = self.fragments.get(at).is_some_and(|next| end > next.start);
        if over_previous || over_next {
            return Err(DropReason::Overlap);
        }
        let last_end = self.fragments.last().map_or(0, Fragment::end);
        if ip.more_fragments {
            if self.end.is_some_and(|whole| end > whole) {
                return Err(DropReason::BadFragment);
            }
        } else if self.end.is_some_and(|whole| end != whole) || end < last_end {
            return Err(DropReason::BadFragment);
        } else {
            self.end = Some(end);
        }
        if self.fragments.len() >= limit {
            return Err(DropReason::ReassemblyLimit);
        }

        self.fragments.insert(at, Fragment { start, data: data.into() });
        self.len += data.len();
        self.congestion |= ip.tos.ecn() == Ecn::Ce;
        self.not_ect |= ip.tos.ecn() == Ecn::NotEct;
        self.cast = stricter(self.cast, cast);
        if start == 0 {
            self.first = Some(First { fields: ip.clone(), bytes: header.into(), cast });
        }
        // Without overlaps, as many bytes as the end says are all of them.
        if self.end != Some(self.len) {
            return Ok(Placed::Waits);
        }
        self.join()
    }

    fn join(&mut self) -> Result<Placed, DropReason> {
        let First { mut fields, bytes, .. } = self.first.take().ok_or(DropReason::BadFragment)?;
        if bytes.len() + self.len > MAX_DATAGRAM {
            return Err(DropReason::BadFragment);
        }
        // RFC 3168 §5.3: congestion is not to be lost, nor told to who did not ask for it.
        if self.congestion && self.not_ect {
            return Err(DropReason::BadFragment);
        }
        let mut payload = Packet::with_capacity(self.len);
        for fragment in self.fragments.drain(..) {
            payload.append(&fragment.data);
        }
        payload.prepend(bytes.len()).copy_from_slice(&bytes);
        payload.strip(bytes.len());
        if self.congestion {
            fields.tos = fields.tos.with_ecn(Ecn::Ce);
        }
        Ok(Placed::Whole(Outcome::Whole { fields, cast: self.cast, payload }))
    }

    /// RFC 792: without the fragment at offset 0 nothing is sent. It is quoted as it came.
    fn into_report(self) -> Option<Report> {
        let First { bytes, cast, .. } = self.first?;
        let mut packet = Packet::from_payload(&self.fragments.first()?.data);
        packet.prepend(bytes.len()).copy_from_slice(&bytes);
        Some(Report { cause: Cause::ReassemblyTimeout, packet, cast })
    }
}

impl Fragment {
    fn end(&self) -> usize {
        self.start + self.data.len()
    }
}

#[cfg(test)]
mod tests;
