//! What ARP counts beside drops.

netdev::reasons! {
    /// What happened.
    pub(crate) enum Stat {
        /// Requests received, whoever they ask for.
        RequestsIn = "requests received",
        /// Replies received.
        RepliesIn = "replies received",
        /// Requests sent, probes by unicast among them.
        RequestsOut = "requests sent",
        /// Requests answered.
        RepliesOut = "replies sent",
        /// Requests answered for hosts behind this one.
        ProxyReplies = "replies sent for others",
        /// Senders that were at another link address before, known here or not.
        Changes = "link addresses that changed on the link",
        /// Neighbours found.
        Resolved = "neighbours resolved",
        /// Neighbours that did not answer.
        Failed = "resolutions failed",
        /// Neighbours whose link address changed.
        Moved = "neighbours with a new link address",
        /// Entries that made room for others.
        Evicted = "entries evicted",
        /// Packets of other hosts from one of our own addresses.
        Conflicts = "address conflicts",
        /// Own addresses that were given up since defending them did not help.
        Lost = "addresses given up",
    }
}
