//! Telling routers which groups this host listens to: IGMPv3 (RFC 3376, the host's side) with the
//! older versions for routers that speak those (RFC 2236, RFC 1112 appendix I).
//!
//! `message.rs` is the wire; this file is when to speak. A membership is for any source: the
//! filter of every group is EXCLUDE {} while it is joined, and INCLUDE {} else, and the records are
//! of those two.
//!
//! # Deviations
//! - A query without a Router Alert is ignored (RFC 3376 §9.1 and RFC 2236 §10 recommend it against
//!   forgeries), except version 1's, which has none.
//! - A question about more than [`MOST_SOURCES`] sources is answered for all of them.

mod message;
mod speaking;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use message::{Message, Query, RecordType};
use netdev::{Instant, Packet, Random, sooner};

use crate::groups::{ALL_HOSTS, Groups};
use crate::{DropReason, IfIndex};

/// RFC 3376 §4.2.14: where version 3's reports go.
const ALL_IGMP_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
/// RFC 2236 §3: where a leave goes.
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

/// RFC 3376 §8.1, unless a querier says otherwise: how often a change is told.
const ROBUSTNESS: u8 = 2;
/// RFC 3376 §8.2, unless a querier says otherwise.
const QUERY_INTERVAL: Duration = Duration::from_secs(125);
/// RFC 3376 §8.11: between the tellings of a change.
const UNSOLICITED_INTERVAL: Duration = Duration::from_secs(1);
/// RFC 2236 §8.10, for routers of the older versions.
const OLD_UNSOLICITED_INTERVAL: Duration = Duration::from_secs(10);
/// RFC 2236 §4, §8.11: how long after its last query a router of version 1 counts as present.
const VERSION_1_TIMEOUT: Duration = Duration::from_secs(400);
/// Sources that one answer names.
const MOST_SOURCES: usize = 64;

/// What is to be told on all interfaces.
#[derive(Debug)]
pub(crate) struct Igmp {
    links: BTreeMap<IfIndex, Link>,
    random: Random,
}

/// One interface.
#[derive(Debug)]
struct Link {
    /// RFC 3376 §7.2.1: until when queriers of the older versions are present.
    version1_until: Instant,
    version2_until: Instant,
    robustness: u8,
    query_interval: Duration,
    /// When all memberships are told, because a general query wants it (version 3).
    all: Option<Instant>,
    groups: BTreeMap<Ipv4Addr, Pending>,
}

/// What is to be told of one group.
#[derive(Debug, Default)]
struct Pending {
    /// An answer to a query; with the sources that it asked for, none for the whole group.
    answer: Option<(Instant, Vec<Ipv4Addr>)>,
    /// A change, how often it is still to be told, and when next.
    change: Option<(Change, u8, Instant)>,
    /// RFC 2236 §6: whether this host was the last to report the group.
    reporter: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Joined,
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V1,
    V2,
    V3,
}

/// A message that is to be sent.
#[derive(Debug)]
pub(crate) struct ToSend {
    pub(crate) iface: IfIndex,
    pub(crate) dst: Ipv4Addr,
    pub(crate) payload: Packet,
}

/// What of a received datagram matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) iface: IfIndex,
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
    /// Whether `src` is on a network of the interface.
    pub(crate) neighbour: bool,
    /// Whether `dst` is an address of this host.
    pub(crate) to_us: bool,
    pub(crate) router_alert: bool,
    pub(crate) payload: &'a [u8],
}

impl Igmp {
    pub(crate) fn new(seed: u64) -> Igmp {
        Igmp { links: BTreeMap::new(), random: Random::new(seed, b"rfc 3376") }
    }

    /// This host has become a member. It says so at the next poll.
    pub(crate) fn joined(&mut self, now: Instant, iface: IfIndex, group: Ipv4Addr) {
        self.changed(now, iface, group, Change::Joined);
    }

    /// It is a member no longer.
    pub(crate) fn left(&mut self, now: Instant, iface: IfIndex, group: Ipv4Addr) {
        self.changed(now, iface, group, Change::Left);
    }

    /// The interface is gone, or down: nothing is to be told on it.
    pub(crate) fn remove(&mut self, iface: IfIndex) {
        self.links.remove(&iface);
    }

    fn changed(&mut self, now: Instant, iface: IfIndex, group: Ipv4Addr, change: Change) {
        // RFC 3376 §5: everybody is a member of it, and nobody says so.
        if group == ALL_HOSTS {
            return;
        }
        let link = self.links.entry(iface).or_insert_with(|| Link::new(now));
        let times = link.robustness;
        let pending = link.groups.entry(group).or_default();
        pending.change = Some((change, times, now));
        if change == Change::Left {
            pending.answer = None;
        }
    }

    /// Takes a received message.
    pub(crate) fn input(
        &mut self,
        now: Instant,
        received: Received<'_>,
        groups: &Groups,
    ) -> Result<(), DropReason> {
        let message = Message::parse(received.payload).ok_or(DropReason::Igmp)?;
        match message {
            Message::Query(query) => self.query(now, received, query, groups),
            Message::Report { group } => self.report(now, received, group),
            // Routers' concerns.
            Message::Other => Ok(()),
        }
    }

    fn query(
        &mut self,
        now: Instant,
        received: Received<'_>,
        query: Query,
        groups: &Groups,
    ) -> Result<(), DropReason> {
        let to = query.group.unwrap_or(ALL_HOSTS);
        let old = query.version == Version::V1;
        if !(received.dst == to || received.to_us) || !(old || received.router_alert) {
            return Err(DropReason::Igmp);
        }
        let random = &mut self.random;
        let link = self.links.entry(received.iface).or_insert_with(|| Link::new(now));
        link.heard(now, &query);
        let version = link.version(now);
        let delay = random.between(Duration::ZERO, query.max_response);
        tracing::debug!(src = %received.src, group = ?query.group, ?version, ?delay, "IGMP query");
        let at = now + delay;
        // RFC 3376 §5.2, rule 1: what is to be told of all groups sooner tells of this one.
        if version == Version::V3 && link.all.is_some_and(|all| all <= at) {
            return Ok(());
        }
        match query.group {
            None if version == Version::V3 => link.all = Some(at),
            // RFC 2236 §3: a timer of its own for each group, so that others may be heard.
            None => {
                for group in groups.on(received.iface) {
                    let at = now + random.between(Duration::ZERO, query.max_response);
                    link.ask(group, at, Vec::new());
                }
            }
            Some(group) if groups.has(received.iface, group) && group != ALL_HOSTS => {
                link.ask(group, at, query.sources);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// RFC 2236 §3: another host tells the router what this one was about to.
    fn report(
        &mut self,
        now: Instant,
        received: Received<'_>,
        group: Ipv4Addr,
    ) -> Result<(), DropReason> {
        // RFC 2236 §10: one from another network would only silence this host.
        if !received.neighbour || received.dst != group {
            return Err(DropReason::Igmp);
        }
        let Some(link) = self.links.get_mut(&received.iface) else { return Ok(()) };
        if link.version(now) != Version::V3
            && let Some(pending) = link.groups.get_mut(&group)
        {
            pending.answer = None;
            pending.reporter = false;
        }
        Ok(())
    }

    /// What is to be sent now. A report holds as many records as an `mtu` allows.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        groups: &Groups,
        mtu: impl Fn(IfIndex) -> usize,
    ) -> Vec<ToSend> {
        let mut sent = Vec::new();
        let random = &mut self.random;
        for (&iface, link) in &mut self.links {
            if link.due().is_none_or(|due| due > now) {
                continue;
            }
            match link.version(now) {
                Version::V3 => {
                    let records = link.records(now, random, iface, groups);
                    for payload in message::reports(&records, mtu(iface)) {
                        sent.push(ToSend { iface, dst: ALL_IGMP_ROUTERS, payload });
                    }
                }
                old => link.old_messages(now, random, old, |dst, payload| {
                    sent.push(ToSend { iface, dst, payload });
                }),
            }
            link.groups.retain(|group, pending| {
                pending.answer.is_some() || pending.change.is_some() || groups.has(iface, *group)
            });
        }
        sent
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.links.values().fold(None, |due, link| sooner(due, link.due()))
    }
}

impl Link {
    fn new(now: Instant) -> Link {
        Link {
            version1_until: now,
            version2_until: now,
            robustness: ROBUSTNESS,
            query_interval: QUERY_INTERVAL,
            all: None,
            groups: BTreeMap::new(),
        }
    }

    /// RFC 3376 §7.2.1: the oldest that is spoken.
    fn version(&self, now: Instant) -> Version {
        if now < self.version1_until {
            Version::V1
        } else if now < self.version2_until {
            Version::V2
        } else {
            Version::V3
        }
    }

    fn heard(&mut self, now: Instant, query: &Query) {
        let before = self.version(now);
        match query.version {
            Version::V1 => self.version1_until = now + VERSION_1_TIMEOUT,
            // RFC 3376 §8.12: the Older Version Querier Present Timeout.
            Version::V2 if query.group.is_none() => {
                let interval = self.query_interval * self.robustness.into();
                self.version2_until = now + interval + query.max_response;
            }
            Version::V2 => {}
            Version::V3 => {
                // RFC 3376 §4.1.6, §4.1.7: as the querier does it; zero is for "I do not say".
                self.robustness = if query.robustness == 0 { ROBUSTNESS } else { query.robustness };
                if !query.interval.is_zero() {
                    self.query_interval = query.interval;
                }
            }
        }
        // RFC 3376 §7.2.1: "all pending response and retransmission timers" are cancelled.
        if self.version(now) != before {
            self.all = None;
            for pending in self.groups.values_mut() {
                (pending.answer, pending.change) = (None, None);
            }
        }
    }

    /// RFC 3376 §5.2, rules 3 to 5: the sooner of two answers, for all that was asked.
    fn ask(&mut self, group: Ipv4Addr, at: Instant, sources: Vec<Ipv4Addr>) {
        let pending = self.groups.entry(group).or_default();
        let answer = match pending.answer.take() {
            None => (at, sources),
            Some((old, _)) if sources.is_empty() => (old.min(at), sources),
            Some((old, all)) if all.is_empty() => (old.min(at), all),
            Some((old, mut some)) => {
                some.extend(
                    sources
                        .iter()
                        .filter(|source| !some.contains(source))
                        .copied()
                        .collect::<Vec<_>>(),
                );
                (old.min(at), some)
            }
        };
        let (at, sources) = answer;
        let sources = if sources.len() > MOST_SOURCES { Vec::new() } else { sources };
        pending.answer = Some((at, sources));
    }

    fn due(&self) -> Option<Instant> {
        let of = |pending: &Pending| {
            let answer = pending.answer.as_ref().map(|(at, _)| *at);
            sooner(answer, pending.change.map(|(_, _, at)| at))
        };
        self.groups.values().fold(self.all, |due, pending| sooner(due, of(pending)))
    }

    /// What version 3 tells now.
    fn records(
        &mut self,
        now: Instant,
        random: &mut Random,
        iface: IfIndex,
        groups: &Groups,
    ) -> Vec<message::Record> {
        let record = |kind, group, sources| message::Record { kind, group, sources };
        let mut records = Vec::new();
        if self.all.is_some_and(|at| at <= now) {
            self.all = None;
            let all = groups.on(iface);
            records.extend(all.map(|group| record(RecordType::IsExclude, group, Vec::new())));
        }
        for (&group, pending) in &mut self.groups {
            if let Some((_, sources)) = pending.answer.take_if(|(at, _)| *at <= now) {
                // RFC 3376 §5.2: of the sources that are asked for, those that it wants: all.
                let kind = match sources.is_empty() {
                    true => RecordType::IsExclude,
                    false => RecordType::IsInclude,
                };
                records.push(record(kind, group, sources));
            }
            if let Some(change) = pending.tell_change(now, random, UNSOLICITED_INTERVAL) {
                let kind = match change {
                    Change::Joined => RecordType::ToExclude,
                    Change::Left => RecordType::ToInclude,
                };
                records.push(record(kind, group, Vec::new()));
            }
        }
        records
    }

    /// What the older versions tell now.
    fn old_messages(
        &mut self,
        now: Instant,
        random: &mut Random,
        version: Version,
        mut send: impl FnMut(Ipv4Addr, Packet),
    ) {
        for (&group, pending) in &mut self.groups {
            let report = || message::report(version == Version::V1, group);
            if pending.answer.take_if(|(at, _)| *at <= now).is_some() {
                pending.reporter = true;
                send(group, report());
            }
            match pending.tell_change(now, random, OLD_UNSOLICITED_INTERVAL) {
                Some(Change::Joined) => {
                    pending.reporter = true;
                    send(group, report());
                }
                Some(Change::Left) => {
                    // RFC 2236 §3: once, and only where no other member has spoken since.
                    pending.change = None;
                    if version == Version::V2 && pending.reporter {
                        send(ALL_ROUTERS, message::leave(group));
                    }
                }
                None => {}
            }
        }
        self.all = self.all.filter(|at| *at > now);
    }
}

impl Pending {
    /// The change, if it is to be told now; and when again.
    fn tell_change(
        &mut self,
        now: Instant,
        random: &mut Random,
        interval: Duration,
    ) -> Option<Change> {
        let (change, left, _) = self.change.take_if(|(_, _, at)| *at <= now)?;
        if left > 1 {
            self.change = Some((change, left - 1, now + random.between(Duration::ZERO, interval)));
        }
        Some(change)
    }
}
