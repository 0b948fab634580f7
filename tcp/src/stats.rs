//! What is counted beside drops.

netdev::reasons! {
    /// Something that happened.
    pub enum Event {
        /// Segments that came.
        SegmentsIn = "segments received",
        /// Segments that were sent, retransmissions and resets too.
        SegmentsOut = "segments sent",
        /// Segments that were sent again.
        Retransmitted = "segments retransmitted",
        /// Segments that IP did not take.
        NotSent = "segments that could not be sent",
        /// Resets that were sent.
        ResetsOut = "resets sent",
        /// Connections opened from here.
        ActiveOpens = "active opens",
        /// Connections opened by peers.
        PassiveOpens = "passive opens",
        /// Attempts that came to nothing.
        FailedOpens = "failed connection attempts",
        /// Connections that a reset ended.
        ResetsIn = "connections reset",
        /// Retransmission timeouts.
        Timeouts = "retransmission timeouts",
        /// Fast recoveries.
        FastRecoveries = "fast recoveries",
        /// Recoveries that were for nothing, and undone (RFC 4015).
        RecoveriesUndone = "recoveries undone",
        /// Tail loss probes (RFC 8985 §7).
        TailLossProbes = "tail loss probes sent",
        /// Reports of something that came twice (RFC 2883).
        DuplicateSacks = "duplicate SACKs received",
        /// SACK blocks of what was never sent, or long ago.
        BogusSacks = "SACK blocks out of place",
        /// Zero-window probes.
        WindowProbes = "zero-window probes sent",
        /// Keep-alive probes.
        KeepAlives = "keep-alive probes sent",
        /// Challenge ACKs (RFC 5961).
        ChallengeAcks = "challenge ACKs sent",
        /// Challenge ACKs that the limits kept back.
        ChallengesLimited = "challenge ACKs kept back",
        /// Acknowledgments that were delayed until their timer ran out.
        DelayedAcks = "delayed ACKs sent",
        /// Segments that came out of order.
        OutOfOrder = "segments received out of order",
        /// SYNs that a full SYN queue was no obstacle to (RFC 4987 §3.6).
        CookiesSent = "SYN cookies sent",
        /// Connections that a SYN cookie opened.
        CookiesTaken = "SYN cookies accepted",
        /// Acknowledgments without a good cookie while there were some under way.
        CookiesFailed = "SYN cookies that did not fit",
        /// Half-open connections that had to go for another (RFC 4987 §3.4).
        Recycled = "half-open connections recycled",
        /// Segments that came with a congestion mark (RFC 3168).
        MarksIn = "segments received with a congestion mark",
        /// Windows reduced because the peer echoed one.
        EcnReductions = "windows reduced for a congestion mark",
        /// Times that smaller segments were tried because full ones timed out (RFC 2923 §2.1).
        BlackHoles = "path MTU black holes suspected",
        /// Data that was sent again without an answer R1 times (RFC 9293 §3.8.3).
        InTrouble = "connections that reached R1",
        /// Connections given up because nobody answered.
        TimedOut = "connections timed out",
        /// Connections without a socket that had to go.
        OrphansReset = "orphaned connections reset",
        /// TIME-WAITs ended early, for the limit.
        TimeWaitOverflow = "TIME-WAIT ended by the limit",
        /// TIME-WAITs whose four-tuple a new connection took over.
        TimeWaitReused = "TIME-WAIT reused by a SYN",
        /// Notices that a socket's full error queue did not take.
        NoticesDropped = "notices dropped",
        /// ICMP errors that belonged to a connection.
        IcmpErrors = "ICMP errors for a connection",
        /// ICMP errors that did not (RFC 5927).
        IcmpIgnored = "ICMP errors that fit no segment in flight",
    }
}
