//! Whether anybody has an address already (RFC 5227 §2.1), and telling that one has it (§2.3).

use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::{Instant, MacAddr};

use crate::random::Random;

// RFC 5227 §1.1.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const PROBE_NUM: u32 = 3;
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(2);
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_NUM: u32 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);

/// Bytes of an ARP packet about Ethernet and IPv4 (RFC 826).
const ARP_LEN: usize = 28;
/// Ethernet, IPv4, and the lengths of their addresses.
const ARP_HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u8 = 1;

/// One address while it is probed and announced.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    addr: Ipv4Addr,
    mac: MacAddr,
    step: Step,
    /// When the next step is due.
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// So many probes were sent.
    Probing(u32),
    /// So many announcements.
    Announcing(u32),
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Send this ARP packet to everybody.
    Send([u8; ARP_LEN]),
    /// Nobody has it: use it from now on. Announcements follow.
    Free,
}

impl Probe {
    /// Begins to probe, after the random wait.
    pub(super) fn new(now: Instant, addr: Ipv4Addr, mac: MacAddr, random: &mut Random) -> Probe {
        let at = now + random.between(Duration::ZERO, PROBE_WAIT);
        Probe { addr, mac, step: Step::Probing(0), at }
    }

    /// Does the next step, if it is due. To be asked until there is nothing.
    pub(super) fn poll(&mut self, now: Instant, random: &mut Random) -> Due {
        if self.poll_at().is_none_or(|at| at > now) {
            return Due::Nothing;
        }
        match self.step {
            Step::Probing(PROBE_NUM..) => {
                self.step = Step::Announcing(0);
                Due::Free
            }
            Step::Probing(sent) => {
                let last = sent + 1 == PROBE_NUM;
                let pause = if last { ANNOUNCE_WAIT } else { random.between(PROBE_MIN, PROBE_MAX) };
                self.at = now + pause;
                self.step = Step::Probing(sent + 1);
                // §2.1.1: from 0.0.0.0, so that nobody believes that the address is ours.
                Due::Send(arp(self.mac, Ipv4Addr::UNSPECIFIED, self.addr))
            }
            Step::Announcing(sent) => {
                self.at = now + ANNOUNCE_INTERVAL;
                self.step = Step::Announcing(sent + 1);
                Due::Send(arp(self.mac, self.addr, self.addr))
            }
        }
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        (self.step != Step::Announcing(ANNOUNCE_NUM)).then_some(self.at)
    }

    /// Who else has the address, or is about to take it, if this ARP packet says so (§2.1.1).
    pub(super) fn conflict(&self, packet: &[u8]) -> Option<MacAddr> {
        let packet: &[u8; ARP_LEN] = packet.first_chunk()?;
        if !packet.starts_with(&ARP_HEAD) || !matches!(self.step, Step::Probing(_)) {
            return None;
        }
        let (mac, sender) = (mac_at(packet, 8), addr_at(packet, 14));
        let uses = sender == self.addr;
        let probes =
            packet[7] == REQUEST && sender.is_unspecified() && addr_at(packet, 24) == self.addr;
        (mac != self.mac && (uses || probes)).then_some(mac)
    }
}

/// A request that asks for `target` in the name of `sender`.
fn arp(mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> [u8; ARP_LEN] {
    let mut packet = [0; ARP_LEN];
    packet[..6].copy_from_slice(&ARP_HEAD);
    packet[7] = REQUEST;
    packet[8..14].copy_from_slice(&mac.0);
    packet[14..18].copy_from_slice(&sender.octets());
    packet[24..28].copy_from_slice(&target.octets());
    packet
}

fn mac_at(packet: &[u8; ARP_LEN], at: usize) -> MacAddr {
    MacAddr([0, 1, 2, 3, 4, 5].map(|n| packet[at + n]))
}

fn addr_at(packet: &[u8; ARP_LEN], at: usize) -> Ipv4Addr {
    [0, 1, 2, 3].map(|n| packet[at + n]).into()
}
