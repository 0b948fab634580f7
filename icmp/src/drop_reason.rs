//! Why ICMP drops a message.

netdev::reasons! {
    /// Why a message went no further.
    pub enum DropReason {
        /// Shorter than its type needs.
        Truncated = "message too short",
        /// The checksum is wrong.
        Checksum = "bad checksum",
        /// A type, or an error's code, that nobody knows (RFC 1122 §3.2.2: silently discarded).
        UnknownType = "unknown type",
        /// An information or address mask request, which hosts must not answer, or a timestamp
        /// request, which they need not (RFC 1122 §3.2.2.7 to §3.2.2.9).
        Unanswered = "obsolete request, not answered",
        /// An echo request to a group (RFC 1122 §3.2.2.6 lets a host ignore it).
        GroupEcho = "echo request to a broadcast or multicast",
        /// An echo request that cannot be answered: no way to its source, or it is not one host.
        EchoSource = "echo request from a source that cannot be answered",
        /// An error whose quote cannot be read.
        BadQuote = "error with an unreadable quote",
        /// An error about a datagram that this host cannot have sent.
        ForeignQuote = "error about a datagram of another host",
        /// This implementation does not read errors.
        Unsupported = "error, not read by this implementation",
    }
}
