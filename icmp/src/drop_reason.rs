//! Why ICMP drops a message.

netdev::reasons! {
    /// Why a message went no further.
    pub enum DropReason {
        /// Shorter than its type needs.
        Truncated = "message too short",
        /// The checksum is wrong.
        Checksum = "bad checksum",
        /// A type nobody knows (RFC 1122 §3.2.2: silently discarded).
        UnknownType = "unknown type",
        /// An information or address mask request, which hosts must not answer.
        Unanswered = "obsolete request, not answered",
        /// An echo request to a group (RFC 1122 §3.2.2.6 lets a host ignore it).
        GroupEcho = "echo request to a broadcast or multicast",
        /// An error whose quote cannot be read.
        BadQuote = "error with an unreadable quote",
        /// An error about a datagram that this host cannot have sent.
        ForeignQuote = "error about a datagram of another host",
    }
}
