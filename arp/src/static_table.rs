//! The second implementation: a table that a person fills in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use netdev::{Counter, Counts, EtherType, Instant, MacAddr, Packet};

use crate::cache::neighbour;
use crate::stat::Stat;
use crate::wire::{Message, Operation, is_host_mac};
use crate::{Change, DropReason, Entry, Error, Event, Link, Resolver, State};

/// Entries that one can set: nobody types more.
const ENTRIES: usize = 1024;

/// Address resolution without asking: neighbours are set by hand ([`Change::AddStatic`]), and one
/// that is not in the table is unreachable at once. Others still find us: requests for our own
/// addresses are answered. Nothing is learnt, so nothing can be poisoned.
#[derive(Debug)]
pub struct StaticTable {
    mac: MacAddr,
    addrs: Vec<Ipv4Addr>,
    table: BTreeMap<Ipv4Addr, MacAddr>,
    drops: Counts<DropReason>,
    stats: Counts<Stat>,
}

impl StaticTable {
    /// An empty table for an interface with the link address `mac`.
    pub fn new(mac: MacAddr) -> StaticTable {
        StaticTable {
            mac,
            addrs: Vec::new(),
            table: BTreeMap::new(),
            drops: Counts::default(),
            stats: Counts::default(),
        }
    }

    /// The request in `packet` that must be answered, or the packet from one of our own addresses.
    fn asked(&mut self, packet: &[u8]) -> Result<Message, DropReason> {
        let message = Message::parse(packet)?;
        self.stats.add(match message.operation {
            Operation::Request => Stat::RequestsIn,
            Operation::Reply => Stat::RepliesIn,
        });
        if message.sender_mac == self.mac {
            return Err(DropReason::Own);
        }
        if !is_host_mac(message.sender_mac) {
            return Err(DropReason::SenderMac);
        }
        // RFC 5227 §2.4: request or reply, and whoever it is for.
        if self.addrs.contains(&message.sender) {
            return Ok(message);
        }
        if message.operation == Operation::Reply {
            return Err(DropReason::Unsolicited);
        }
        if !self.addrs.contains(&message.target) {
            return Err(DropReason::NotForUs);
        }
        Ok(message)
    }
}

impl Resolver for StaticTable {
    fn send(&mut self, now: Instant, hop: IpAddr, packet: Packet, link: &mut dyn Link) -> Event {
        let mac = neighbour(hop).ok().and_then(|addr| self.table.get(&addr).copied());
        let Some(mac) = mac else {
            self.drops.add(DropReason::Unreachable);
            return Event::Unreachable(vec![packet]);
        };
        link.transmit(now, mac, EtherType::IPV4, packet);
        Event::None
    }

    fn input(&mut self, now: Instant, packet: Packet, link: &mut dyn Link) -> Event {
        match self.asked(&packet) {
            Err(reason) => self.drops.add(reason),
            // Somebody else uses our address. To answer would help nobody.
            Ok(message) if self.addrs.contains(&message.sender) => {
                self.stats.add(Stat::Conflicts);
                return Event::Conflict { addr: message.sender.into(), mac: message.sender_mac };
            }
            Ok(message) => {
                self.stats.add(Stat::RepliesOut);
                let reply = message.answer(self.mac);
                link.transmit(now, message.sender_mac, EtherType::ARP, reply.packet());
            }
        }
        Event::None
    }

    fn poll(&mut self, _now: Instant, _link: &mut dyn Link) -> Event {
        Event::None
    }

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn confirm(&mut self, _now: Instant, _hop: IpAddr) {}

    fn configure(
        &mut self,
        _now: Instant,
        change: Change,
        _link: &mut dyn Link,
    ) -> Result<(), Error> {
        match change {
            Change::AddAddress(addr) => {
                let addr = neighbour(addr)?;
                if !self.addrs.contains(&addr) {
                    self.addrs.push(addr);
                }
            }
            Change::RemoveAddress(addr) => {
                let place = self.addrs.iter().position(|own| IpAddr::V4(*own) == addr);
                self.addrs.remove(place.ok_or(Error::NoEntry(addr))?);
            }
            Change::AddStatic(_, mac) if !is_host_mac(mac) => return Err(Error::BadMac(mac)),
            Change::AddStatic(addr, mac) => {
                let addr = neighbour(addr)?;
                if self.table.len() >= ENTRIES && !self.table.contains_key(&addr) {
                    return Err(Error::Full(ENTRIES));
                }
                self.table.insert(addr, mac);
            }
            Change::Remove(addr) => {
                self.table.remove(&neighbour(addr)?).ok_or(Error::NoEntry(addr))?;
            }
            Change::ProbeAddress(_) => return Err(Error::Unsupported("probe for an address")),
            Change::Announce(_) => return Err(Error::Unsupported("announce an address")),
            Change::AddProxy(..) | Change::RemoveProxy(..) => {
                return Err(Error::Unsupported("answer for others"));
            }
            // Nothing is in the table but what is permanent.
            Change::Flush => {}
        }
        Ok(())
    }

    fn entries(&self, _now: Instant) -> Vec<Entry> {
        let entry = |(addr, mac): (&Ipv4Addr, &MacAddr)| Entry {
            addr: (*addr).into(),
            mac: Some(*mac),
            state: State::Permanent,
            timeout: None,
            waiting: 0,
        };
        self.table.iter().map(entry).collect()
    }

    fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).collect()
    }
}
