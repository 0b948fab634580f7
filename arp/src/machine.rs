//! The states of a neighbour and what moves it from one to the next: the picture in `lib.rs`.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::{EtherType, Instant, MacAddr};
use tracing::{debug, trace};

use crate::cache::Cache;
use crate::neighbour::{Phase, Waiting};
use crate::stat::Stat;
use crate::wire::Message;
use crate::{Config, Link};

impl Cache {
    /// Puts a neighbour into a phase for `time`.
    pub(crate) fn enter(&mut self, now: Instant, addr: Ipv4Addr, phase: Phase, time: Duration) {
        let until = self.schedule(now, time);
        let Some(entry) = self.table.get_mut(&addr) else { return };
        debug!(%addr, from = ?entry.phase.state(), to = ?phase.state(), "neighbour");
        entry.phase = phase;
        entry.until = until;
    }

    /// A neighbour is known to be at `mac`: it answered (`solicited`), or it only spoke.
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        addr: Ipv4Addr,
        mac: MacAddr,
        solicited: bool,
        link: &mut dyn Link,
    ) {
        let (reachable, stale) = (self.config.reachable, self.config.stale);
        let Some(entry) = self.table.get_mut(&addr) else { return };
        if entry.phase.mac().is_some_and(|known| known != mac)
            && !matches!(entry.phase, Phase::Permanent(_))
        {
            self.stats.add(Stat::Moved);
            debug!(%addr, %mac, "neighbour has a new link address");
        }
        match &mut entry.phase {
            Phase::Permanent(_) => {}
            // RFC 4861 §7.2.5: an answer makes it reachable, anything else stale. Stale and used
            // is Delay (§7.3.2), and what waited uses it.
            Phase::Incomplete { queue, .. } => {
                let queue = std::mem::take(queue);
                self.stats.add(Stat::Resolved);
                if solicited {
                    self.enter(now, addr, Phase::Reachable(mac), reachable);
                } else {
                    self.enter(now, addr, Phase::Delay(mac), self.config.delay);
                }
                self.release(now, mac, queue, link);
            }
            Phase::Probe { .. } if solicited => {
                self.enter(now, addr, Phase::Reachable(mac), reachable);
            }
            // RFC 826: a known sender's address is superseded, whatever the operation; but only
            // an answer proves that it hears us.
            Phase::Reachable(known)
            | Phase::Stale(known)
            | Phase::Delay(known)
            | Phase::Probe { mac: known, .. } => {
                if *known != mac {
                    self.enter(now, addr, Phase::Stale(mac), stale);
                }
            }
            Phase::Failed => self.enter(now, addr, Phase::Stale(mac), stale),
        }
    }

    /// What to do with an entry whose phase has ended. Gives what waited for it in vain.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        addr: Ipv4Addr,
        link: &mut dyn Link,
    ) -> VecDeque<Waiting> {
        let Config { requests, probes, interval, stale, failed, .. } = self.config;
        let Some(entry) = self.table.get_mut(&addr) else { return VecDeque::new() };
        match &mut entry.phase {
            Phase::Incomplete { asked, queue } if *asked < requests => {
                let phase = Phase::Incomplete { asked: *asked + 1, queue: std::mem::take(queue) };
                self.enter(now, addr, phase, interval);
                self.ask(now, addr, MacAddr::BROADCAST, link);
            }
            Phase::Incomplete { queue, .. } => {
                let queue = std::mem::take(queue);
                self.stats.add(Stat::Failed);
                self.enter(now, addr, Phase::Failed, failed);
                return queue;
            }
            Phase::Reachable(mac) => {
                let phase = Phase::Stale(*mac);
                self.enter(now, addr, phase, stale);
            }
            Phase::Delay(mac) => {
                let mac = *mac;
                self.enter(now, addr, Phase::Probe { mac, asked: 1 }, interval);
                self.ask(now, addr, mac, link);
            }
            Phase::Probe { mac, asked } if *asked < probes => {
                let (mac, asked) = (*mac, *asked + 1);
                self.enter(now, addr, Phase::Probe { mac, asked }, interval);
                self.ask(now, addr, mac, link);
            }
            // RFC 4861 §7.3.3: forgotten, so that the next datagram asks everybody.
            Phase::Probe { .. } => {
                self.stats.add(Stat::Failed);
                self.forget(addr);
            }
            Phase::Stale(_) | Phase::Failed => {
                self.forget(addr);
            }
            Phase::Permanent(_) => {}
        }
        VecDeque::new()
    }

    /// Asks who has `addr`: everybody, or only the host that had it last.
    pub(crate) fn ask(&mut self, now: Instant, addr: Ipv4Addr, to: MacAddr, link: &mut dyn Link) {
        // The address that the entry remembers may have been taken from us since.
        let source = self.own_or_first(self.table.get(&addr).map(|entry| entry.source));
        self.stats.add(Stat::RequestsOut);
        trace!(%addr, %to, "request");
        let request = Message::request(self.mac, source, addr);
        link.transmit(now, to, EtherType::ARP, request.packet());
    }
}
