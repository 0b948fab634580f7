//! The trait of the control messages: what ICMP is to the layers around it.

use std::net::IpAddr;

use ip::{Cause, Datagram, Output, Quoted, Report};
use netdev::{Counter, Instant};

use crate::DropReason;

/// Answers echo requests, tells senders what became of their datagrams, and reads what others
/// tell.
///
/// Who calls: the stack's glue. [`ControlMessages::input`] for each datagram with protocol ICMP
/// that IP delivers (raw sockets have had their copies), [`ControlMessages::report`] for whatever
/// a layer has to say to a datagram's source.
pub trait ControlMessages: Send {
    /// Takes a received message.
    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input;

    /// Sends an ICMP error about the datagram in `report` to its source, unless one of the rules
    /// of RFC 1122 §3.2.2 or a rate limit forbids it. Says whether it was sent, or why not.
    fn report(
        &mut self,
        now: Instant,
        report: Report,
        out: &mut dyn Output,
    ) -> Result<(), Suppressed>;

    /// What has to be done at [`ControlMessages::poll_at`].
    fn poll(&mut self, now: Instant, out: &mut dyn Output);

    /// When [`ControlMessages::poll`] has something to do next; `None`: not before another call.
    fn poll_at(&self) -> Option<Instant>;

    /// Every counter, the ones at zero too.
    fn counters(&self) -> Vec<Counter>;
}

/// What became of a received message.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an error for a transport may be in it"]
pub enum Input {
    /// Answered, or nothing needs to be done about it: an echo reply is for raw sockets alone.
    Consumed,
    /// Dropped and counted.
    Dropped(DropReason),
    /// An error about a datagram that this host sent: IP and the transport that sent it are to be
    /// told.
    Error {
        /// Who says so.
        from: IpAddr,
        /// What.
        cause: Cause,
        /// Of which datagram.
        quoted: Quoted,
    },
}

netdev::reasons! {
    /// Which rule forbade an ICMP error.
    pub enum Suppressed {
        /// About an ICMP error (RFC 1122 §3.2.2).
        AboutError = "not sent: about an ICMP error",
        /// About a broadcast or multicast, in the IP destination or the frame.
        AboutGroup = "not sent: about a broadcast or multicast",
        /// About a fragment other than the first.
        AboutFragment = "not sent: about a non-initial fragment",
        /// About a datagram whose source is not one host.
        BadSource = "not sent: source is not a single host",
        /// The rate limit (RFC 1812 §4.3.2.8).
        RateLimit = "not sent: rate limit",
        /// The source cannot be reached.
        NoRoute = "not sent: no route to the source",
        /// The datagram is too broken to be quoted.
        Malformed = "not sent: datagram malformed",
        /// This implementation does not send it.
        Unsupported = "not sent: unsupported",
    }
}
