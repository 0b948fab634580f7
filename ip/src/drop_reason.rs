//! Why IP drops a datagram.

netdev::reasons! {
    /// Why a datagram went no further.
    pub enum DropReason {
        /// Shorter than its header, or than the length that the header gives.
        Truncated = "datagram shorter than it says",
        /// Not version 4.
        Version = "not IPv4",
        /// A header length under five words.
        HeaderLength = "bad header length",
        /// The header's checksum is wrong.
        Checksum = "bad header checksum",
        /// A source that no datagram can have: multicast, broadcast, loopback from outside.
        Martian = "martian source",
        /// A destination that no datagram can have, or loopback from outside.
        BadDestination = "martian destination",
        /// For another host, and this one does not forward.
        NotForUs = "not for this host",
        /// A unicast datagram in a broadcast frame (RFC 1122 §3.3.6).
        BroadcastFrame = "unicast datagram in a broadcast frame",
        /// A group that nobody here joined.
        NotMember = "group not joined",
        /// Fragments that overlap (RFC 5722's rule).
        Overlap = "overlapping fragments",
        /// A fragment whose length is not a multiple of eight, that ends beyond 65,535 bytes, or
        /// that disagrees with another about the datagram's end or about ECN (RFC 3168 §5.3).
        BadFragment = "malformed fragment",
        /// No memory for more reassemblies.
        ReassemblyLimit = "reassembly memory full",
        /// Fragments were missing when the time was up.
        ReassemblyTimeout = "reassembly timed out",
        /// Fragments are not supported by this implementation.
        Fragment = "fragment",
        /// An option that is malformed or not allowed.
        Options = "bad or refused options",
        /// The interface is down.
        InterfaceDown = "interface down",
        /// The TTL ran out here.
        TtlExceeded = "time to live exceeded",
        /// No route for a datagram to forward.
        NoRoute = "no route",
        /// Too long to forward, and DF is set.
        FragmentationNeeded = "fragmentation needed",
        /// An IGMP message that is damaged, or that nobody on the link could have sent so.
        Igmp = "bad IGMP message",
        /// Nobody behind the address translation has asked for it.
        NatFiltered = "not asked for by who is behind the address translation",
        /// No room for another session behind the address translation.
        NatFull = "address translation table full",
        /// A protocol whose endpoints cannot be translated, or a header that names none.
        NatProtocol = "nothing to translate the address by",
    }
}
