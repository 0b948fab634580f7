//! The states of a connection.

use std::fmt;

/// RFC 9293 §3.3.2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum State {
    /// No connection.
    #[default]
    Closed,
    /// Waits for a connection request.
    Listen,
    /// Sent a connection request, waits for the matching one.
    SynSent,
    /// Has both requests, waits for the acknowledgment of its own.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// Sent a FIN, waits for its acknowledgment or the peer's FIN.
    FinWait1,
    /// Its FIN is acknowledged, waits for the peer's.
    FinWait2,
    /// Has the peer's FIN; the user may still send.
    CloseWait,
    /// Both sent a FIN at once; waits for the acknowledgment of its own.
    Closing,
    /// Sent a FIN after the peer's; waits for its acknowledgment.
    LastAck,
    /// All is done; waits until no old segment can be on its way.
    TimeWait,
}

impl State {
    /// Whether the connection is past its three-way handshake and not closed.
    pub fn is_synchronized(self) -> bool {
        !matches!(self, State::Closed | State::Listen | State::SynSent | State::SynReceived)
    }
}

/// The name in the diagram of RFC 9293 §3.3.2.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Closed => "CLOSED",
            State::Listen => "LISTEN",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
        })
    }
}
