//! The cache: asks, remembers, ages, and holds packets back while it asks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netdev::{Counter, Counts, EtherType, Instant, MacAddr, Packet, sooner};
use tracing::{debug, trace};

use crate::claim::Claims;
use crate::hash::SeededState;
use crate::neighbour::{Neighbour, Phase, Waiting};
use crate::proxy::Proxies;
use crate::snoop::Snoop;
use crate::stat::Stat;
use crate::wire::{Message, Operation, is_host_mac, is_neighbour};
use crate::{Change, Config, DropReason, Entry, Error, Event, Link, Resolver, Sighting};

/// Address resolution with a cache: RFC 826's packets, the states of RFC 4861 §7.3.
#[derive(Debug)]
pub struct Cache {
    pub(crate) mac: MacAddr,
    pub(crate) config: Config,
    addrs: Vec<Ipv4Addr>,
    /// When each own address that had to be was last defended.
    defended: BTreeMap<Ipv4Addr, Instant>,
    pub(crate) table: HashMap<Ipv4Addr, Neighbour, SeededState>,
    /// Not later than the least `until` of the table: a poll that comes too early only computes
    /// it anew, and no send has to look at other entries than its own.
    pub(crate) next: Option<Instant>,
    /// Counts the datagrams sent.
    tick: u64,
    /// Datagrams in all queues.
    waiting: usize,
    /// Datagrams whose entry went away while they waited: the next poll gives them back.
    orphans: Vec<Waiting>,
    pub(crate) claims: Claims,
    proxies: Proxies,
    snoop: Snoop,
    drops: Counts<DropReason>,
    pub(crate) stats: Counts<Stat>,
}

impl Cache {
    /// An empty cache for an interface with the link address `mac`. `seed` keys the hash table.
    pub fn new(mac: MacAddr, config: Config, seed: u64) -> Cache {
        Cache {
            mac,
            snoop: Snoop::new(config.sightings),
            proxies: Proxies::default(),
            claims: Claims::new(seed),
            config,
            addrs: Vec::new(),
            defended: BTreeMap::new(),
            table: HashMap::with_hasher(SeededState::new(seed)),
            next: None,
            tick: 0,
            waiting: 0,
            orphans: Vec::new(),
            drops: Counts::default(),
            stats: Counts::default(),
        }
    }

    /// Answers for `addr` from now on, and asks from it.
    pub(crate) fn own(&mut self, addr: Ipv4Addr) {
        if !self.addrs.contains(&addr) {
            self.addrs.push(addr);
        }
    }

    fn drop(&mut self, reason: DropReason) -> Event {
        self.drops.add(reason);
        trace!(%reason, "dropped");
        Event::None
    }

    fn refuse(&mut self, reason: DropReason, packet: Packet) -> Event {
        self.drops.add(reason);
        trace!(%reason, "refused");
        Event::Unreachable(vec![packet])
    }

    /// Makes an entry for `time`, and room for it; `false` where permanent entries leave none.
    fn create(
        &mut self,
        now: Instant,
        addr: Ipv4Addr,
        phase: Phase,
        time: Duration,
        source: Ipv4Addr,
    ) -> bool {
        if self.table.len() >= self.config.entries && !self.evict() {
            return false;
        }
        debug!(%addr, to = ?phase.state(), "new neighbour");
        let until = self.schedule(now, time);
        self.table.insert(addr, Neighbour { phase, until, used: 0, source });
        true
    }

    /// The end of a phase that lasts `time`, remembered for [`Resolver::poll_at`].
    pub(crate) fn schedule(&mut self, now: Instant, time: Duration) -> Instant {
        let until = now + time;
        if until != Instant::FAR_FUTURE {
            self.next = sooner(self.next, Some(until));
        }
        until
    }

    /// Takes the least recently used entry out, which are first those that were never used: a flood
    /// of requests displaces itself alone. A look at every entry, but only in a full table.
    fn evict(&mut self) -> bool {
        let victim = self
            .table
            .iter()
            .filter(|(_, entry)| !matches!(entry.phase, Phase::Permanent(_)))
            .min_by_key(|(addr, entry)| (entry.used, entry.until, **addr))
            .map(|(addr, _)| *addr);
        let Some(addr) = victim else { return false };
        self.stats.add(Stat::Evicted);
        self.forget(addr);
        true
    }

    /// Takes an entry out; what waited for it is handed back by the next poll.
    pub(crate) fn forget(&mut self, addr: Ipv4Addr) -> bool {
        let Some(mut entry) = self.table.remove(&addr) else { return false };
        debug!(%addr, from = ?entry.phase.state(), "neighbour forgotten");
        self.orphans.extend(entry.phase.take_queue());
        if !self.orphans.is_empty() {
            self.next = Some(Instant::ZERO);
        }
        true
    }

    /// The address to ask from: that of the datagram that waits, where it is one of ours (a
    /// neighbour may have no way to our others), else the first. Without any, the unspecified
    /// address, from which nobody learns anything (RFC 5227 §1.1).
    pub(crate) fn own_or_first(&self, addr: Option<Ipv4Addr>) -> Ipv4Addr {
        addr.filter(|addr| self.addrs.contains(addr))
            .or(self.addrs.first().copied())
            .unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Queues a datagram behind an incomplete entry; the oldest of the entry makes room.
    fn wait(&mut self, addr: Ipv4Addr, packet: Packet) {
        let Some(entry) = self.table.get_mut(&addr) else { return };
        let Phase::Incomplete { queue, .. } = &mut entry.phase else { return };
        if queue.len() >= self.config.queue || self.waiting >= self.config.queue_total {
            self.drops.add(DropReason::QueueFull);
            if queue.pop_front().is_none() {
                return;
            }
            self.waiting -= 1;
        }
        queue.push_back(Waiting { tick: self.tick, packet });
        entry.used = self.tick;
        self.waiting += 1;
    }

    /// Sends what waited for `addr`.
    pub(crate) fn release(
        &mut self,
        now: Instant,
        mac: MacAddr,
        queue: VecDeque<Waiting>,
        link: &mut dyn Link,
    ) {
        self.waiting -= queue.len();
        for waiting in queue {
            link.transmit(now, mac, EtherType::IPV4, waiting.packet);
        }
    }

    /// Another host speaks from one of our addresses. RFC 5227 §2.4 (b): it is announced once to
    /// defend it, and given up when that did not help; or (c): announced again and again, but no
    /// more often than every DEFEND_INTERVAL, or two such hosts would never stop.
    fn conflict(&mut self, now: Instant, message: &Message, link: &mut dyn Link) -> Event {
        let (own, mac) = (message.sender, message.sender_mac);
        self.stats.add(Stat::Conflicts);
        debug!(addr = %own, %mac, "address conflict");
        let addr = own.into();
        let last = self.defended.get(&own).copied();
        if last.is_none_or(|last| now - last >= self.config.defend) {
            self.defended.insert(own, now);
            self.stats.add(Stat::RequestsOut);
            let announcement = Message::request(self.mac, own, own);
            link.transmit(now, MacAddr::BROADCAST, EtherType::ARP, announcement.packet());
            return Event::Conflict { addr, mac };
        }
        if !self.config.yield_address {
            return Event::Conflict { addr, mac };
        }
        self.stats.add(Stat::Lost);
        self.disown(own);
        Event::Lost { addr, mac }
    }

    /// No longer one of our own; whether it was, or was to be.
    fn disown(&mut self, addr: Ipv4Addr) -> bool {
        let before = self.addrs.len();
        self.addrs.retain(|own| *own != addr);
        self.defended.remove(&addr);
        self.claims.remove(addr) || self.addrs.len() < before
    }
}

impl Resolver for Cache {
    fn send(&mut self, now: Instant, hop: IpAddr, packet: Packet, link: &mut dyn Link) -> Event {
        let addr = match hop {
            IpAddr::V4(addr) if is_neighbour(addr) => addr,
            _ => return self.refuse(DropReason::NotNeighbour, packet),
        };
        self.tick += 1;
        if let Some(entry) = self.table.get_mut(&addr) {
            entry.used = self.tick;
            match entry.phase {
                Phase::Reachable(mac)
                | Phase::Delay(mac)
                | Phase::Probe { mac, .. }
                | Phase::Permanent(mac) => link.transmit(now, mac, EtherType::IPV4, packet),
                Phase::Stale(mac) => {
                    self.enter(now, addr, Phase::Delay(mac), self.config.delay);
                    link.transmit(now, mac, EtherType::IPV4, packet);
                }
                Phase::Incomplete { .. } => self.wait(addr, packet),
                Phase::Failed => return self.refuse(DropReason::Unreachable, packet),
            }
            return Event::None;
        }
        let source = packet.get(12..16).map(|b| Ipv4Addr::new(b[0], b[1], b[2], b[3]));
        let source = self.own_or_first(source);
        let phase = Phase::Incomplete { asked: 1, queue: VecDeque::new() };
        if !self.create(now, addr, phase, self.config.interval, source) {
            return self.refuse(DropReason::QueueFull, packet);
        }
        self.wait(addr, packet);
        self.ask(now, addr, MacAddr::BROADCAST, link);
        Event::None
    }

    fn input(&mut self, now: Instant, packet: Packet, link: &mut dyn Link) -> Event {
        let message = match Message::parse(&packet) {
            Ok(message) => message,
            Err(reason) => return self.drop(reason),
        };
        trace!(?message, "input");
        self.stats.add(match message.operation {
            Operation::Request => Stat::RequestsIn,
            Operation::Reply => Stat::RepliesIn,
        });
        let Message { operation, sender_mac, sender, target_mac, target } = message;
        if sender_mac == self.mac {
            return self.drop(DropReason::Own);
        }
        if !is_host_mac(sender_mac) {
            return self.drop(DropReason::SenderMac);
        }
        if !sender.is_unspecified() && self.snoop.note(now, sender, sender_mac) {
            self.stats.add(Stat::Changes);
        }
        if let Some(event) = self.contested(&message) {
            return event;
        }
        if self.addrs.contains(&sender) {
            return self.conflict(now, &message, link);
        }
        let for_us = self.addrs.contains(&target);
        // An ARP probe (RFC 5227 §1.1) comes from the unspecified address: it is answered, but
        // there is nothing to learn from it.
        let probe = sender.is_unspecified() && operation == Operation::Request;
        if !probe && !is_neighbour(sender) {
            return self.drop(DropReason::SenderAddress);
        }
        // Who is known to be on this link answers for itself.
        let for_others = !for_us
            && operation == Operation::Request
            && self.proxies.answers(sender, target)
            && self.table.get(&target).is_none_or(|entry| entry.phase.mac().is_none());
        if self.table.contains_key(&sender) {
            let solicited = operation == Operation::Reply && for_us && target_mac == self.mac;
            self.learn(now, sender, sender_mac, solicited, link);
        } else if !for_us && !for_others {
            return self.drop(DropReason::NotForUs);
        } else if operation == Operation::Reply {
            return self.drop(DropReason::Unsolicited);
        } else if !probe {
            // RFC 826: who asks for us will soon be sent to. A full table only forgoes that.
            self.create(now, sender, Phase::Stale(sender_mac), self.config.stale, target);
        }
        if (for_us || for_others) && operation == Operation::Request {
            self.stats.add(if for_us { Stat::RepliesOut } else { Stat::ProxyReplies });
            link.transmit(now, sender_mac, EtherType::ARP, message.answer(self.mac).packet());
        }
        Event::None
    }

    fn poll(&mut self, now: Instant, link: &mut dyn Link) -> Event {
        let claimed = self.poll_claims(now, link);
        if claimed != Event::None || self.next.is_none_or(|next| next > now) {
            return claimed;
        }
        let mut due: Vec<(Instant, Ipv4Addr)> = self
            .table
            .iter()
            .filter(|(_, entry)| entry.until <= now)
            .map(|(addr, entry)| (entry.until, *addr))
            .collect();
        due.sort();
        let mut lost = std::mem::take(&mut self.orphans);
        for (_, addr) in due {
            lost.extend(self.expire(now, addr, link));
        }
        self.next = self
            .table
            .values()
            .map(|entry| entry.until)
            .filter(|until| *until != Instant::FAR_FUTURE)
            .min();
        if lost.is_empty() {
            return Event::None;
        }
        self.waiting -= lost.len();
        self.drops.add_many(DropReason::Unreachable, lost.len() as u64);
        lost.sort_by_key(|waiting| waiting.tick);
        Event::Unreachable(lost.into_iter().map(|waiting| waiting.packet).collect())
    }

    fn poll_at(&self) -> Option<Instant> {
        sooner(self.next, self.claims.due())
    }

    fn confirm(&mut self, now: Instant, hop: IpAddr) {
        let IpAddr::V4(addr) = hop else { return };
        let Some(entry) = self.table.get_mut(&addr) else { return };
        match entry.phase {
            // The common case, once an acknowledgment: nothing to log, and `next` may stay early.
            Phase::Reachable(_) => entry.until = now + self.config.reachable,
            Phase::Stale(mac) | Phase::Delay(mac) | Phase::Probe { mac, .. } => {
                self.enter(now, addr, Phase::Reachable(mac), self.config.reachable);
            }
            Phase::Incomplete { .. } | Phase::Failed | Phase::Permanent(_) => {}
        }
    }

    fn doubt(&mut self, now: Instant, hop: IpAddr) {
        let IpAddr::V4(addr) = hop else { return };
        let Some(Phase::Reachable(mac)) = self.table.get(&addr).map(|entry| &entry.phase) else {
            return;
        };
        // The next datagram goes there as well, and begins the probe (RFC 4861 §7.3.3).
        let mac = *mac;
        self.enter(now, addr, Phase::Stale(mac), self.config.stale);
    }

    fn configure(
        &mut self,
        now: Instant,
        change: Change,
        link: &mut dyn Link,
    ) -> Result<(), Error> {
        match change {
            Change::AddAddress(addr) => self.own(neighbour(addr)?),
            Change::ProbeAddress(addr) => self.probe(now, neighbour(addr)?),
            Change::Announce(addr) => {
                let own = neighbour(addr)?;
                if !self.addrs.contains(&own) {
                    return Err(Error::NoEntry(addr));
                }
                self.announce(now, own);
            }
            Change::AddProxy(addr, prefix) => {
                let addr = network(addr, prefix)?;
                if self.proxies.len() >= self.config.proxies {
                    return Err(Error::Full(self.config.proxies));
                }
                self.proxies.add(addr, prefix);
            }
            Change::RemoveProxy(addr, prefix) => {
                if !self.proxies.remove(network(addr, prefix)?, prefix) {
                    return Err(Error::NoEntry(addr));
                }
            }
            Change::RemoveAddress(addr) => {
                if !self.disown(neighbour(addr)?) {
                    return Err(Error::NoEntry(addr));
                }
            }
            Change::AddStatic(addr, mac) => {
                let addr = neighbour(addr)?;
                if !is_host_mac(mac) {
                    return Err(Error::BadMac(mac));
                }
                let (source, ever) = (self.own_or_first(None), Duration::MAX);
                if !self.table.contains_key(&addr)
                    && !self.create(now, addr, Phase::Permanent(mac), ever, source)
                {
                    return Err(Error::Full(self.config.entries));
                }
                let Some(entry) = self.table.get_mut(&addr) else { return Ok(()) };
                let queue = entry.phase.take_queue();
                entry.phase = Phase::Permanent(mac);
                entry.until = Instant::FAR_FUTURE;
                self.release(now, mac, queue, link);
            }
            Change::Remove(addr) => {
                if !self.forget(neighbour(addr)?) {
                    return Err(Error::NoEntry(addr));
                }
            }
            Change::Flush => {
                let mut gone: Vec<Ipv4Addr> = self
                    .table
                    .iter()
                    .filter(|(_, entry)| !matches!(entry.phase, Phase::Permanent(_)))
                    .map(|(addr, _)| *addr)
                    .collect();
                gone.sort();
                for addr in gone {
                    self.forget(addr);
                }
            }
        }
        Ok(())
    }

    fn entries(&self, now: Instant) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .table
            .iter()
            .map(|(addr, entry)| Entry {
                addr: (*addr).into(),
                mac: entry.phase.mac(),
                state: entry.phase.state(),
                timeout: (entry.until != Instant::FAR_FUTURE).then(|| entry.until - now),
                waiting: entry.phase.waiting(),
            })
            .collect();
        entries.sort_by_key(|entry| entry.addr);
        entries
    }

    fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).collect()
    }

    fn sightings(&self) -> Vec<Sighting> {
        self.snoop.rows()
    }
}

/// A network of neighbours that a proxy answers for.
fn network(addr: IpAddr, prefix: u8) -> Result<Ipv4Addr, Error> {
    match addr {
        IpAddr::V4(v4) if prefix <= 32 => Ok(v4),
        _ => Err(Error::BadAddress(addr)),
    }
}

/// The address of a neighbour, of which there are only IPv4 ones here.
pub(crate) fn neighbour(addr: IpAddr) -> Result<Ipv4Addr, Error> {
    match addr {
        IpAddr::V4(v4) if is_neighbour(v4) => Ok(v4),
        _ => Err(Error::BadAddress(addr)),
    }
}
