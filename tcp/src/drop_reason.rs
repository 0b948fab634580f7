//! Why TCP drops a segment.

netdev::reasons! {
    /// Why a segment went no further. One that is answered (with a reset, a challenge ACK or a
    /// duplicate ACK) counts too: its content was not used.
    pub enum DropReason {
        /// Shorter than its header, or than its data offset says.
        Truncated = "segment shorter than its header",
        /// A data offset under five words.
        DataOffset = "bad data offset",
        /// The checksum is wrong.
        Checksum = "bad checksum",
        /// To or from a broadcast or multicast address (RFC 9293 §3.10.7, RFC 1122 §4.2.3.10).
        Group = "broadcast or multicast address",
        /// Port zero.
        PortZero = "port zero",
        /// An option whose length does not fit.
        Options = "malformed options",
        /// No connection and no listener.
        NoConnection = "no such connection",
        /// A reset for no connection, or one that does not fit.
        StrayReset = "reset out of place",
        /// Outside the receive window.
        OutOfWindow = "outside the receive window",
        /// The acknowledgment field does not fit.
        UnacceptableAck = "unacceptable acknowledgment",
        /// A SYN on a synchronized connection.
        UnexpectedSyn = "SYN on a connection",
        /// No ACK bit where there has to be one.
        NoAck = "no ACK bit",
        /// The listener's SYN queue is full.
        SynQueue = "SYN queue full",
        /// The listener's accept queue is full.
        AcceptQueue = "accept queue full",
        /// An old duplicate by its timestamp (RFC 7323 §5, PAWS).
        Paws = "old timestamp",
        /// Data after the socket was closed.
        AfterClose = "data after close",
        /// No memory.
        Memory = "memory limit",
    }
}
