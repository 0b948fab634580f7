//! The send sequence space (RFC 9293 §3.3.1, figure 3): what was sent, and what may be.

use crate::congestion::Usage;
use crate::send_buffer::SendBuffer;
use crate::{Config, SeqNum};

/// The send sequence space (RFC 9293 §3.3.1, figure 3), and what may be sent.
pub(crate) struct SendSpace {
    pub(crate) iss: SeqNum,
    pub(crate) una: SeqNum,
    pub(crate) nxt: SeqNum,
    pub(crate) wnd: u32,
    pub(crate) wl1: SeqNum,
    pub(crate) wl2: SeqNum,
    /// The largest window that the peer ever announced.
    pub(crate) max_wnd: u32,
    /// The shift of the peer's windows.
    pub(crate) scale: u8,
    /// The MSS that the peer named, or the default.
    pub(crate) peer_mss: u16,
    /// Bytes of data in a full segment, options of every segment counted.
    pub(crate) mss: u32,
    /// The MSS that was named to the peer.
    pub(crate) advmss: u16,
    /// The path MTU in bytes.
    pub(crate) pmtu: u32,
    /// What ICMP said of it, where IP does not remember that itself.
    pub(crate) pmtu_limit: u32,
    pub(crate) buffer: SendBuffer,
    /// No more data follows what is in the buffer: a FIN does.
    pub(crate) fin_queued: bool,
    /// The FIN's sequence number, once it was sent.
    pub(crate) fin: Option<SeqNum>,
    /// The end of the last segment that was not full (Minshall's SND.SML).
    pub(crate) small_end: SeqNum,
    /// The user said that more follows at once.
    pub(crate) more: bool,
    /// What is in the buffer goes out whatever Nagle and cork say: the user asked for it.
    pub(crate) push: bool,
    /// Bytes of the last burst in the buffer, of those that were not sent (see `send_memory`).
    pub(crate) tail: u32,
    /// The user had more than the buffer took, and there was no room for more since.
    pub(crate) starved: bool,
    /// The next segment goes out whatever Nagle, cork or the window's silliness say: a timer ran
    /// out for it.
    pub(crate) overridden: bool,
    /// There was no memory for more: not before something is acknowledged.
    pub(crate) short: bool,
    /// The next retransmission goes out whatever the window says (RFC 5681 §3.2, step 3).
    pub(crate) retransmit_first: bool,
    /// How much of the congestion window is used.
    pub(crate) usage: Usage,
}

impl SendSpace {
    pub(crate) fn new(config: &Config, iss: SeqNum, limit: usize) -> SendSpace {
        SendSpace {
            iss,
            una: iss,
            nxt: iss,
            wnd: 0,
            wl1: SeqNum(0),
            wl2: SeqNum(0),
            max_wnd: 0,
            scale: 0,
            peer_mss: config.default_mss,
            mss: u32::from(config.default_mss),
            advmss: config.default_mss,
            pmtu: u32::from(config.default_mss) + 40,
            pmtu_limit: u32::MAX,
            // The SYN takes the first number.
            buffer: SendBuffer::new(iss + 1, limit),
            fin_queued: false,
            fin: None,
            small_end: iss,
            more: false,
            push: false,
            tail: 0,
            starved: false,
            overridden: false,
            short: false,
            retransmit_first: false,
            usage: Usage::new(config, iss),
        }
    }
}
