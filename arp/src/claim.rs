//! Asking before an address is used, and telling once it is (RFC 5227 §2.1 to §2.3).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::{EtherType, Instant, MacAddr, Random, sooner};
use tracing::debug;

use crate::cache::Cache;
use crate::stat::Stat;
use crate::wire::{Message, Operation};
use crate::{Event, Link};

// RFC 5227 §1.1.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const PROBE_NUM: u32 = 3;
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(2);
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_NUM: u32 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const MAX_CONFLICTS: u32 = 10;
const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);

/// Addresses that are being asked for, or told.
#[derive(Debug)]
pub(crate) struct Claims {
    under_way: BTreeMap<Ipv4Addr, Claim>,
    /// How many turned out to be in use, one after another.
    conflicts: u32,
    /// Hosts that are switched on together must not share their times.
    random: Random,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    step: Step,
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Probes that were sent.
    Probing(u32),
    /// Announcements that were sent: the address is in use.
    Announcing(u32),
}

impl Claims {
    pub(crate) fn new(seed: u64) -> Claims {
        let random = Random::new(seed, b"rfc 5227");
        Claims { under_way: BTreeMap::new(), conflicts: 0, random }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.under_way.values().fold(None, |due, claim| sooner(due, Some(claim.due)))
    }

    pub(crate) fn remove(&mut self, addr: Ipv4Addr) -> bool {
        self.under_way.remove(&addr).is_some()
    }

    fn is_probing(&self, addr: Ipv4Addr) -> bool {
        self.under_way.get(&addr).is_some_and(|claim| matches!(claim.step, Step::Probing(_)))
    }
}

impl Cache {
    /// Begins to ask whether anybody has `addr`.
    pub(crate) fn probe(&mut self, now: Instant, addr: Ipv4Addr) {
        // RFC 5227 §2.1.1: whoever has met so many conflicts tries once a minute at most.
        let wait = match self.claims.conflicts {
            0..MAX_CONFLICTS => self.claims.random.between(Duration::ZERO, PROBE_WAIT),
            _ => RATE_LIMIT_INTERVAL,
        };
        debug!(%addr, ?wait, "address to be probed");
        let claim = Claim { step: Step::Probing(0), due: now + wait };
        self.claims.under_way.insert(addr, claim);
    }

    /// Begins to tell that `addr` is here.
    pub(crate) fn announce(&mut self, now: Instant, addr: Ipv4Addr) {
        self.claims.under_way.insert(addr, Claim { step: Step::Announcing(0), due: now });
    }

    /// What a received message says of an address that is asked for: whether somebody has it, or
    /// asks for it too (RFC 5227 §2.1.1).
    pub(crate) fn contested(&mut self, message: &Message) -> Option<Event> {
        let Message { operation, sender_mac, sender, target, .. } = *message;
        let probe = operation == Operation::Request && sender.is_unspecified();
        let addr = if probe { target } else { sender };
        if !self.claims.is_probing(addr) {
            return None;
        }
        self.claims.remove(addr);
        self.claims.conflicts += 1;
        self.stats.add(Stat::Conflicts);
        debug!(%addr, mac = %sender_mac, "address in use");
        Some(Event::Conflict { addr: addr.into(), mac: sender_mac })
    }

    /// Takes the steps that are due; the event says which address is in use from now on.
    pub(crate) fn poll_claims(&mut self, now: Instant, link: &mut dyn Link) -> Event {
        while let Some((&addr, &claim)) =
            self.claims.under_way.iter().find(|(_, claim)| claim.due <= now)
        {
            let (step, wait) = match claim.step {
                Step::Probing(PROBE_NUM) => {
                    debug!(%addr, "address claimed");
                    self.claims.conflicts = 0;
                    self.own(addr);
                    self.announce(now, addr);
                    return Event::Claimed { addr: addr.into() };
                }
                Step::Probing(sent) => {
                    self.broadcast(now, Ipv4Addr::UNSPECIFIED, addr, link);
                    let more = sent + 1 < PROBE_NUM;
                    let wait = match more {
                        true => self.claims.random.between(PROBE_MIN, PROBE_MAX),
                        false => ANNOUNCE_WAIT,
                    };
                    (Step::Probing(sent + 1), wait)
                }
                Step::Announcing(sent) => {
                    self.broadcast(now, addr, addr, link);
                    if sent + 1 == ANNOUNCE_NUM {
                        self.claims.remove(addr);
                        continue;
                    }
                    (Step::Announcing(sent + 1), ANNOUNCE_INTERVAL)
                }
            };
            self.claims.under_way.insert(addr, Claim { step, due: now + wait });
        }
        Event::None
    }

    fn broadcast(&mut self, now: Instant, from: Ipv4Addr, about: Ipv4Addr, link: &mut dyn Link) {
        self.stats.add(Stat::RequestsOut);
        let request = Message::request(self.mac, from, about);
        link.transmit(now, MacAddr::BROADCAST, EtherType::ARP, request.packet());
    }
}
