//! The limits and times of the cache.

use std::time::Duration;

/// What a [`Cache`](crate::Cache) keeps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Entries in the table. The least recently used makes room for a new one; permanent ones
    /// stay.
    pub entries: usize,
    /// How long a confirmed entry counts as reachable. tapip's lifetime of an entry; RFC 1122
    /// §2.3.2.1 speaks of a minute as typical, RFC 4861 §10 of 30 s.
    pub reachable: Duration,
    /// How long an entry that nobody uses stays stale before it is forgotten.
    pub stale: Duration,
    /// How long after the first use of a stale entry a confirmation from above is waited for
    /// before the neighbour is asked (RFC 4861 §10, DELAY_FIRST_PROBE_TIME).
    pub delay: Duration,
    /// Between two requests to one neighbour. Not under a second (RFC 1122 §2.3.2.1).
    pub interval: Duration,
    /// Broadcast requests before a neighbour counts as failed.
    pub requests: u32,
    /// Unicast requests before a stale neighbour is forgotten (RFC 4861 §10,
    /// MAX_UNICAST_SOLICIT).
    pub probes: u32,
    /// How long a failure is remembered: so long every datagram is refused at once, and nothing
    /// is asked (RFC 1122 §2.3.2.1 forbids ARP flooding).
    pub failed: Duration,
    /// Datagrams that wait for one neighbour; the oldest makes room (RFC 1122 §2.3.2.2 asks for
    /// one at least). The default holds all fragments of the largest datagram at an MTU of 1500,
    /// so that even the first `ping -s 65000` is not lost.
    pub queue: usize,
    /// Datagrams that wait in all.
    pub queue_total: usize,
    /// Hosts in the log of who said that it is where.
    pub sightings: usize,
    /// Networks that are answered for.
    pub proxies: usize,
    /// Between two announcements that defend an address (RFC 5227 §1.1, DEFEND_INTERVAL).
    pub defend: Duration,
    /// Whether an address is given up when it has been defended and somebody else speaks from it
    /// again within [`Config::defend`] (RFC 5227 §2.4 (b)); otherwise it is defended for ever, as
    /// often as that allows ((c): for hosts that others must find where they are).
    pub yield_address: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            entries: 1024,
            reachable: Duration::from_secs(600),
            stale: Duration::from_secs(600),
            delay: Duration::from_secs(5),
            interval: Duration::from_secs(1),
            requests: 5,
            probes: 3,
            failed: Duration::from_secs(3),
            queue: 64,
            queue_total: 1024,
            sightings: 256,
            proxies: 64,
            defend: Duration::from_secs(10),
            yield_address: true,
        }
    }
}
