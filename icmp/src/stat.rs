//! What ICMP counts beside drops.

netdev::reasons! {
    /// What happened.
    pub(crate) enum Stat {
        /// Messages received, good or bad.
        In = "messages received",
        /// Echo requests received.
        EchoesIn = "echo requests received",
        /// Echo replies sent.
        EchoesOut = "echo replies sent",
        /// Timestamp requests received.
        TimestampsIn = "timestamp requests received",
        /// Timestamp replies sent.
        TimestampsOut = "timestamp replies sent",
        /// Replies of any kind received: raw sockets read them.
        RepliesIn = "replies received",
        /// Errors received about datagrams of ours.
        ErrorsIn = "errors received",
        /// Errors sent.
        ErrorsOut = "errors sent",
    }
}
