//! What IP counts (after RFC 4293's statistics).

use netdev::{Counter, Counts};

use crate::DropReason;

netdev::reasons! {
    /// What went well, and what a sender was told.
    pub(crate) enum Traffic {
        Received = "datagrams received",
        Delivered = "datagrams delivered",
        Forwarded = "datagrams forwarded",
        Translated = "datagrams translated",
        RouterAlerts = "router alerts seen",
        Sent = "datagrams sent",
        Unsendable = "datagrams refused to their sender",
        LoopedBack = "group datagrams looped back",
        IgmpReceived = "IGMP messages received",
        IgmpSent = "IGMP messages sent",
        FragmentsReceived = "fragments received",
        DuplicateFragments = "duplicate fragments ignored",
        Reassembled = "datagrams reassembled",
        Fragmented = "datagrams fragmented",
        FragmentsSent = "fragments made",
        PathMtuLowered = "path MTUs lowered",
        RedirectsFollowed = "redirects followed",
        ErrorsIgnored = "path MTUs and redirects ignored",
    }
}

/// All counters of an implementation.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    traffic: Counts<Traffic>,
    drops: Counts<DropReason>,
}

impl Counters {
    pub(crate) fn traffic(&mut self, what: Traffic) {
        self.traffic.add(what);
    }

    pub(crate) fn drops(&mut self, reason: DropReason, count: u64) {
        self.drops.add_many(reason, count);
    }

    pub(crate) fn rows(&self) -> Vec<Counter> {
        self.traffic.rows().chain(self.drops.rows()).collect()
    }
}
