//! Why UDP drops a datagram.

netdev::reasons! {
    /// Why a datagram went no further.
    pub enum DropReason {
        /// Shorter than a header, or than the length that the header gives.
        Truncated = "datagram shorter than it says",
        /// The length field is under eight.
        Length = "bad length",
        /// The checksum is wrong.
        Checksum = "bad checksum",
        /// The destination port is zero.
        PortZero = "destination port zero",
        /// A broadcast or multicast for a port where nobody listens: no answer is allowed.
        GroupUnclaimed = "broadcast or multicast to a port without a listener",
        /// The socket's receive queue is full.
        QueueFull = "receive queue full",
        /// A broadcast or multicast for sockets that are connected to other peers. (A unicast one
        /// is answered as if nobody listened, as Linux does it: else a connected socket's port
        /// could be told from a closed one.)
        NotPeer = "not from the connected peer",
        /// A multicast of a socket of this host that does not want its own to be heard here
        /// ([`Setting::MulticastLoop`](crate::Setting)).
        OwnMulticast = "own multicast, not looped back",
    }
}
