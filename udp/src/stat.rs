//! What UDP counts beside drops.

netdev::reasons! {
    /// What happened.
    pub(crate) enum Stat {
        /// Datagrams received, good or bad.
        In = "datagrams received",
        /// Datagrams put into a socket's queue; a broadcast may count several times.
        Queued = "datagrams queued for sockets",
        /// Datagrams for a port where nobody listens.
        NoPort = "datagrams to a port without a listener",
        /// Datagrams sent.
        Out = "datagrams sent",
        /// Datagrams that IP refused to send.
        OutFailed = "datagrams refused by IP",
        /// ICMP errors that a socket was told.
        Errors = "ICMP errors passed on",
        /// ICMP errors that no socket wanted.
        ErrorsIgnored = "ICMP errors without a connected socket",
    }
}
