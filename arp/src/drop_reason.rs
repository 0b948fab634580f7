//! Why ARP drops a packet.

netdev::reasons! {
    /// Why an ARP packet was not believed, or a datagram that waited was given up.
    pub enum DropReason {
        /// Shorter than its address lengths need.
        Truncated = "packet too short",
        /// Not about Ethernet.
        Hardware = "not Ethernet",
        /// Not about IPv4.
        Protocol = "not IPv4",
        /// Address lengths that Ethernet and IPv4 do not have.
        Length = "bad address length",
        /// Neither request nor reply.
        Operation = "neither request nor reply",
        /// A sender's link address that no single host has: zero, multicast or broadcast.
        SenderMac = "sender's link address is not one host's",
        /// A sender's IP address that no neighbour has: multicast, broadcast or loopback.
        SenderAddress = "sender's address is not a neighbour's",
        /// Our own packet came back.
        Own = "our own packet",
        /// Asks for another host, and says nothing new about one that we know.
        NotForUs = "about other hosts",
        /// A reply that nobody asked for, from a host that we do not know. It creates nothing:
        /// that would be an invitation to poison the table.
        Unsolicited = "unsolicited reply",
        /// The oldest datagram that waited for an address made room for a new one, or there was
        /// no room for a first one.
        QueueFull = "waiting queue full",
        /// A datagram for an address that no neighbour can have.
        NotNeighbour = "next hop is not a neighbour's address",
        /// A datagram for a neighbour that does not answer.
        Unreachable = "neighbour unreachable",
    }
}
