//! Which endpoint inside is which outside, with whom it speaks, and for how long.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::Instant;
use siphasher::sip::SipHasher13;

use super::content::{Endpoint, Flags, Kind};
use super::forwards::Forwards;
use super::{Filtering, Nat, NatSession};
use crate::{DropReason, NextHop};

/// The mappings of one translation, and their sessions.
///
/// Ordered maps, which need no secret key to stand against chosen keys.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) nat: Nat,
    mappings: BTreeMap<(Kind, Endpoint), Mapping>,
    /// The endpoint inside, by the one outside.
    inside: BTreeMap<(Kind, Endpoint), Endpoint>,
    /// When to look at a session; its own time may have moved on since.
    agenda: BTreeSet<(Instant, Key)>,
    /// Sessions of each host inside.
    by_host: BTreeMap<Ipv4Addr, usize>,
    pub(super) forwards: Forwards,
    key: (u64, u64),
}

/// A session: kind, endpoint inside, peer.
type Key = (Kind, Endpoint, Endpoint);

#[derive(Debug)]
struct Mapping {
    outside: Endpoint,
    sessions: BTreeMap<Endpoint, Session>,
}

#[derive(Debug)]
struct Session {
    until: Instant,
    /// Its place in the agenda; never later than `until`.
    due: Instant,
    opened: Sides,
    closed: Sides,
    reset: bool,
}

/// Who has sent a SYN, or a FIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sides {
    inside: bool,
    outside: bool,
}

impl Sides {
    fn both(self) -> bool {
        self.inside && self.outside
    }
}

/// Which way a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Out,
    In,
}

impl Table {
    pub(crate) fn new(nat: Nat, seed: u64) -> Table {
        Table {
            nat,
            mappings: BTreeMap::new(),
            inside: BTreeMap::new(),
            agenda: BTreeSet::new(),
            by_host: BTreeMap::new(),
            forwards: Forwards::default(),
            key: (seed, seed.rotate_left(32) ^ 0x6e61_7420_706f_7274),
        }
    }

    /// Something goes out from `inside` to `peer`: gives the endpoint that it comes from, which
    /// has the address `addr` where it is a new one.
    pub(crate) fn outbound(
        &mut self,
        now: Instant,
        kind: Kind,
        (inside, peer): (Endpoint, Endpoint),
        flags: Flags,
        addr: Ipv4Addr,
        below: &dyn NextHop,
    ) -> Result<Endpoint, DropReason> {
        self.tidy(now);
        let known = self.mappings.get(&(kind, inside));
        let session = known.is_some_and(|mapping| mapping.sessions.contains_key(&peer));
        if !session {
            // RFC 5382 §4: a connection begins with a SYN. What belongs to none that is known
            // would hold a place in the table for nothing.
            if kind == Kind::Tcp && (!flags.syn || flags.rst) {
                return Err(DropReason::NatFiltered);
            }
            self.room(inside.addr)?;
        }
        let outside = match self.mappings.get(&(kind, inside)) {
            Some(mapping) => mapping.outside,
            None => self.create(kind, inside, addr, below).ok_or(DropReason::NatFull)?,
        };
        self.touch(now, (kind, inside, peer), Way::Out, flags);
        Ok(outside)
    }

    /// Whether a connection that begins at a port of the outside address is the translation's to
    /// ignore: the port is one of its own, and no socket of the router is there.
    pub(crate) fn holds(&self, kind: Kind, port: u16, flags: Flags, below: &dyn NextHop) -> bool {
        kind == Kind::Tcp
            && flags.syn
            && self.nat.ports.contains(&port)
            && !below.is_taken(kind.protocol(), port)
    }

    /// Something comes from `peer` to `outside`: gives the endpoint inside that it is for. `None`:
    /// no mapping has that endpoint.
    pub(crate) fn inbound(
        &mut self,
        now: Instant,
        kind: Kind,
        (outside, peer): (Endpoint, Endpoint),
        flags: Flags,
    ) -> Option<Result<Endpoint, DropReason>> {
        self.tidy(now);
        let forwarded = self.forwards.inside_of(kind, outside);
        let inside = forwarded.or_else(|| self.inside_of(kind, outside))?;
        let known = self.has_session(kind, inside, peer);
        let allowed = known
            || forwarded.is_some()
            || match self.nat.filtering {
                Filtering::EndpointIndependent => true,
                Filtering::AddressDependent => {
                    let of_host =
                        Endpoint { port: 0, ..peer }..=Endpoint { port: u16::MAX, ..peer };
                    let mapping = self.mappings.get(&(kind, inside));
                    mapping.is_some_and(|m| m.sessions.range(of_host).next().is_some())
                }
                Filtering::AddressAndPortDependent => false,
            };
        // A connection that comes in is followed as one that goes out; what is in none is stray.
        // A datagram begins nothing: forged ones to a forwarded port take no room, and the answer
        // of the server makes the session.
        let begins = kind == Kind::Tcp && !known;
        if !allowed || begins && (!flags.syn || flags.rst) {
            return Some(Err(DropReason::NatFiltered));
        }
        if begins && let Err(reason) = self.room(inside.addr) {
            return Some(Err(reason));
        }
        if begins && let Some(inside) = forwarded {
            self.map(kind, inside, outside);
        }
        if known || begins {
            self.touch(now, (kind, inside, peer), Way::In, flags);
        }
        Some(Ok(inside))
    }

    /// What `inside` is outside, if it is mapped; nothing is made or kept by asking.
    pub(crate) fn outside_of(&self, kind: Kind, inside: Endpoint) -> Option<Endpoint> {
        let mapping = self.mappings.get(&(kind, inside)).map(|mapping| mapping.outside);
        mapping.or_else(|| self.forwards.outside_of(kind, inside))
    }

    /// What `outside` is inside, if it is mapped.
    pub(crate) fn inside_of(&self, kind: Kind, outside: Endpoint) -> Option<Endpoint> {
        let mapped = self.inside.get(&(kind, outside)).copied();
        mapped.or_else(|| self.forwards.inside_of(kind, outside))
    }

    /// Whether `inside` speaks with `peer`.
    pub(crate) fn has_session(&self, kind: Kind, inside: Endpoint, peer: Endpoint) -> bool {
        let mapping = self.mappings.get(&(kind, inside));
        mapping.is_some_and(|mapping| mapping.sessions.contains_key(&peer))
    }

    /// Forgets the sessions whose time is up.
    pub(crate) fn tidy(&mut self, now: Instant) {
        while let Some(&(due, key)) = self.agenda.first()
            && due <= now
        {
            self.agenda.pop_first();
            let session = self
                .mappings
                .get_mut(&(key.0, key.1))
                .and_then(|mapping| mapping.sessions.get_mut(&key.2));
            match session {
                Some(session) if session.until > now => {
                    session.due = session.until;
                    self.agenda.insert((session.due, key));
                }
                Some(_) => self.forget(key),
                None => {}
            }
        }
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.agenda.first().map(|(due, _)| *due)
    }

    /// Forgets the mappings for which `gone` says so, by kind and the endpoints inside and outside.
    pub(crate) fn forget_mappings(&mut self, gone: impl Fn(Kind, Endpoint, Endpoint) -> bool) {
        let keys: Vec<Key> = self
            .mappings
            .iter()
            .filter(|((kind, inside), mapping)| gone(*kind, *inside, mapping.outside))
            .flat_map(|(&(kind, inside), mapping)| {
                mapping.sessions.keys().map(move |&peer| (kind, inside, peer))
            })
            .collect();
        for key in keys {
            self.forget(key);
        }
    }

    /// Every session, by protocol and endpoint inside.
    pub(crate) fn sessions(&self, now: Instant) -> Vec<NatSession> {
        let of = |end: Endpoint| (end.addr.into(), end.port);
        let rows = self.mappings.iter().flat_map(|(&(kind, inside), mapping)| {
            mapping.sessions.iter().map(move |(&peer, session)| NatSession {
                protocol: kind.protocol(),
                inside: of(inside),
                outside: of(mapping.outside),
                peer: of(peer),
                established: session.established(),
                timeout: session.until - now,
            })
        });
        rows.collect()
    }

    /// Whether there is room for one more session of `host`.
    fn room(&self, host: Ipv4Addr) -> Result<(), DropReason> {
        let of_host = self.by_host.get(&host).copied().unwrap_or(0);
        let full = self.agenda.len() >= self.nat.sessions || of_host >= self.nat.sessions_per_host;
        if full { Err(DropReason::NatFull) } else { Ok(()) }
    }

    /// Gives `inside` a port outside. `None` where all are taken.
    fn create(
        &mut self,
        kind: Kind,
        inside: Endpoint,
        addr: Ipv4Addr,
        below: &dyn NextHop,
    ) -> Option<Endpoint> {
        if let Some(outside) = self.forwards.outside_of(kind, inside) {
            self.map(kind, inside, outside);
            return Some(outside);
        }
        let at = |port: u16| Endpoint { addr, port };
        let free = |port: &u16| {
            !self.forwards.has_port(kind, *port)
                && !self.inside.contains_key(&(kind, at(*port)))
                && !below.is_taken(kind.protocol(), *port)
        };
        let (first, last) = (*self.nat.ports.start(), *self.nat.ports.end());
        let count = usize::from(last.checked_sub(first)?) + 1;
        // From a place that nobody outside can guess (RFC 6056 §3.3), once around. Of the same
        // parity first (RFC 4787 REQ-4).
        let start = self.hash(kind, inside) as usize % count;
        let around = || (0..count).map(|step| first + ((start + step) % count) as u16);
        let same = |port: &u16| port % 2 == inside.port % 2;
        let kept = Some(inside.port).filter(|port| self.nat.ports.contains(port)).filter(free);
        let port =
            kept.or_else(|| around().filter(same).find(free)).or_else(|| around().find(free))?;
        let outside = at(port);
        self.map(kind, inside, outside);
        Some(outside)
    }

    /// `inside` is `outside` from now on, unless it is something already.
    fn map(&mut self, kind: Kind, inside: Endpoint, outside: Endpoint) {
        let Entry::Vacant(place) = self.mappings.entry((kind, inside)) else { return };
        tracing::debug!(?kind, %inside.addr, inside.port, outside = outside.port, "mapping");
        place.insert(Mapping { outside, sessions: BTreeMap::new() });
        self.inside.insert((kind, outside), inside);
    }

    fn hash(&self, kind: Kind, inside: Endpoint) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write_u8(kind.protocol().0);
        hasher.write_u32(inside.addr.into());
        hasher.write_u16(inside.port);
        hasher.finish()
    }

    /// Moves a session on, or begins it.
    fn touch(&mut self, now: Instant, key: Key, way: Way, flags: Flags) {
        let (kind, inside, peer) = key;
        let Some(mapping) = self.mappings.get_mut(&(kind, inside)) else { return };
        let new = Session { until: now, due: now, ..Session::NEW };
        let fresh = !mapping.sessions.contains_key(&peer);
        let session = mapping.sessions.entry(peer).or_insert(new);
        if kind == Kind::Tcp {
            session.follow(way, flags);
        }
        // RFC 4787 REQ-6: what goes out keeps it. A connection, which strangers cannot speak in
        // without its peer's address, is kept by both sides (RFC 5382 §5).
        if way == Way::Out || kind == Kind::Tcp {
            session.until = now + session.lifetime(kind, &self.nat);
        }
        if fresh {
            *self.by_host.entry(inside.addr).or_default() += 1;
        }
        // A session that lives longer is found in the agenda too early, and put back then.
        if fresh || session.until < session.due {
            self.agenda.remove(&(session.due, key));
            session.due = session.until;
            self.agenda.insert((session.due, key));
        }
    }

    fn forget(&mut self, key: Key) {
        let (kind, inside, peer) = key;
        let Some(mapping) = self.mappings.get_mut(&(kind, inside)) else { return };
        let Some(session) = mapping.sessions.remove(&peer) else { return };
        self.agenda.remove(&(session.due, key));
        if let Some(count) = self.by_host.get_mut(&inside.addr) {
            *count -= 1;
            if *count == 0 {
                self.by_host.remove(&inside.addr);
            }
        }
        if mapping.sessions.is_empty() {
            let outside = mapping.outside;
            self.inside.remove(&(kind, outside));
            self.mappings.remove(&(kind, inside));
            tracing::debug!(?kind, %inside.addr, inside.port, outside = outside.port, "unmapped");
        }
    }
}

impl Session {
    fn follow(&mut self, way: Way, flags: Flags) {
        let side = |sides: &mut Sides| match way {
            Way::Out => sides.inside = true,
            Way::In => sides.outside = true,
        };
        if flags.syn && (self.closed.both() || self.reset) {
            // The same ports, used again.
            *self = Session { until: self.until, due: self.due, ..Session::NEW };
        }
        if flags.syn {
            side(&mut self.opened);
        }
        if flags.fin {
            side(&mut self.closed);
        }
        // A reset may be forged, and then the connection goes on (RFC 7857 §2.2): it shortens the
        // time, and the next segment without one gives it back.
        self.reset = flags.rst;
    }

    fn established(&self) -> bool {
        self.opened.both() && !self.closed.both() && !self.reset
    }

    fn lifetime(&self, kind: Kind, nat: &Nat) -> Duration {
        match kind {
            Kind::Icmp => nat.icmp,
            Kind::Udp => nat.udp,
            Kind::Tcp if self.established() => nat.tcp_established,
            Kind::Tcp => nat.tcp_transitory,
        }
    }

    const NEW: Session = Session {
        until: Instant::ZERO,
        due: Instant::ZERO,
        opened: Sides { inside: false, outside: false },
        closed: Sides { inside: false, outside: false },
        reset: false,
    };
}
