//! What the glue and the raw sockets drop.

netdev::reasons! {
    /// Why a packet was dropped between the layers.
    pub enum DropReason {
        /// IP named an interface that is not there any more.
        NoInterface = "interface gone",
        /// Received on an interface that a person has taken out of use, or to be sent by it.
        InterfaceDown = "interface down",
        /// ARP on, or a neighbour behind, an interface that resolves no addresses.
        NoResolver = "no address resolution on the interface",
        /// An EtherType that no layer takes.
        UnknownType = "EtherType without a layer",
        /// A datagram of a protocol that nobody here speaks (RFC 1122 §3.2.2.1).
        UnknownProtocol = "unknown protocol",
        /// A neighbour did not answer, and the waiting datagram was ours and names no socket.
        Undeliverable = "neighbour silent, sender unknown",
        /// A raw socket's receive queue was full.
        RawQueueFull = "raw socket's queue full",
    }
}
