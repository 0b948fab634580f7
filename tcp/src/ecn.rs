//! Explicit congestion notification (RFC 3168 §6.1): routers mark packets instead of dropping
//! them, the receiver echoes the mark, and the sender does what it would do for a loss, without
//! having to send anything again.

use crate::recovery::Prr;
use crate::segment::{Flags, Segment};
use crate::stats::Event;
use crate::tcb::{Context, Tcb};
use crate::{CaState, Scoreboard, SeqNum};

/// Whether a socket uses explicit congestion notification (as Linux's `tcp_ecn` has it).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EcnMode {
    /// Neither asks for it nor agrees to it.
    #[default]
    Off,
    /// Agrees where the peer asks.
    Accept,
    /// Asks as well.
    On,
}

/// ECN on one connection.
#[derive(Default)]
pub(crate) struct Ecn {
    stage: Stage,
    /// A mark came, and the peer has not said yet that it knows: ECE is set.
    echo: bool,
    /// The window was reduced, and the peer is to be told with the next new data.
    cwr_due: bool,
    /// The window is reduced for an echo.
    reduction: Option<Box<Reduction>>,
    /// The end of what was sent: what begins before it is a retransmission.
    sent: SeqNum,
    /// Segments that came with a mark.
    pub(crate) received_ce: u32,
    /// Segments of ours whose acknowledgment echoed one.
    pub(crate) delivered_ce: u32,
}

/// A window that comes down for a mark.
struct Reduction {
    /// SND.NXT when it began: not again before that is acknowledged.
    recover: SeqNum,
    prr: Prr,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Off,
    /// The SYN asked for it.
    Offered,
    /// A SYN without it was sent or came: not on this connection (§6.1.1).
    Withdrawn,
    /// Both sides want it.
    On,
}

impl Ecn {
    pub(crate) fn is_on(&self) -> bool {
        self.stage == Stage::On
    }

    /// The flags of a SYN. One that has to be sent again asks no more: there are middleboxes that
    /// drop it for the flags (§6.1.1.1).
    pub(crate) fn on_syn(&mut self, mode: EcnMode, again: bool) -> Flags {
        if mode != EcnMode::On || again || self.stage == Stage::Withdrawn {
            self.withdraw();
            return Flags::empty();
        }
        self.stage = Stage::Offered;
        Flags::ECE | Flags::CWR
    }

    /// The flags of a SYN-ACK.
    pub(crate) fn on_syn_ack(&self) -> Flags {
        if self.is_on() { Flags::ECE } else { Flags::empty() }
    }

    /// The peer's SYN or SYN-ACK came (§6.1.1). `first` is the first number of our data.
    pub(crate) fn negotiate(&mut self, mode: EcnMode, syn: &Segment, first: SeqNum) {
        let setup = Flags::ECE | Flags::CWR;
        let agreed = match syn.flags.contains(Flags::ACK) {
            // Both flags on a SYN-ACK come from a host that reflects what it does not know.
            true => {
                syn.flags & setup == Flags::ECE && matches!(self.stage, Stage::Offered | Stage::On)
            }
            false => {
                syn.flags.contains(setup) && mode != EcnMode::Off && self.stage != Stage::Withdrawn
            }
        };
        if agreed {
            (self.stage, self.sent) = (Stage::On, first);
        } else {
            self.withdraw();
        }
    }

    /// A SYN without the flags was sent or came.
    pub(crate) fn withdraw(&mut self) {
        self.stage = Stage::Withdrawn;
    }

    /// Sets the flags of a segment that goes out, and says how IP has to mark it: only new data
    /// may be marked. Neither SYN, reset, bare acknowledgment, window probe (§6.1.1, §6.1.4,
    /// §6.1.6) nor retransmission (§6.1.5), whose marks an attacker could forge or nobody echo.
    pub(crate) fn outgoing(&mut self, segment: &mut Segment) -> ip::Ecn {
        if !self.is_on() || segment.flags.intersects(Flags::SYN | Flags::RST) {
            return ip::Ecn::NotEct;
        }
        segment.flags.set(Flags::ECE, self.echo);
        if segment.len == 0 || segment.seq.lt(self.sent) {
            return ip::Ecn::NotEct;
        }
        self.sent = segment.end();
        segment.flags.set(Flags::CWR, std::mem::take(&mut self.cwr_due));
        ip::Ecn::Ect0
    }

    /// The next new data says that the window was reduced. Once: it must not be one packet that
    /// stands for many.
    pub(crate) fn cwr_due(&self) -> bool {
        self.cwr_due
    }

    /// The window was reduced, for a loss (§6.1.2: that is told as well).
    pub(crate) fn reduced(&mut self) {
        self.cwr_due = self.is_on();
    }

    /// The window was reduced for an echo in this round trip already.
    pub(crate) fn reducing(&self) -> bool {
        self.reduction.is_some()
    }

    /// How many bytes may be in flight, where loss recovery would have `window`: it comes down to
    /// the threshold over a round trip, as after a loss (RFC 6937 §3), and the line is not silent.
    pub(crate) fn window(&self, window: u32) -> u32 {
        self.reduction.as_ref().and_then(|reduction| reduction.prr.window()).unwrap_or(window)
    }

    /// So many bytes have arrived.
    pub(crate) fn reduce(&mut self, ssthresh: u32, delivered: u32, mss: u32, board: &Scoreboard) {
        if let Some(reduction) = &mut self.reduction
            && ssthresh < u32::MAX
        {
            reduction.prr.delivered(delivered, ssthresh, false, mss, board);
        }
    }

    /// How loss recovery stands, seen together with this.
    pub(crate) fn ca_state(&self, recovery: CaState) -> CaState {
        match recovery {
            CaState::Open | CaState::Disorder if self.reducing() => CaState::Cwr,
            other => other,
        }
    }
}

/// Acceptable text came in `segments` segments, marked or not (§6.1.3). What lies outside the
/// window does not get here: its mark may be forged (§6.1.5).
pub(crate) fn text_arrives(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    flags: Flags,
    marked: bool,
    segments: u32,
) {
    if !tcb.ecn.is_on() {
        return;
    }
    let before = tcb.ecn.echo;
    if flags.contains(Flags::CWR) {
        tcb.ecn.echo = false;
    }
    if marked {
        tcb.ecn.echo = true;
        tcb.ecn.received_ce += segments;
        cx.events.add_many(Event::MarksIn, segments.into());
    }
    if tcb.ecn.echo != before {
        // The sender waits for it.
        tcb.ack.at_once();
    }
}

/// An acknowledgment came (§6.1.2), of `newly_acked` numbers where `flight` were in flight.
/// Whether the window must not grow for it.
pub(crate) fn acknowledged(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    segment: &Segment,
    flight: u32,
    newly_acked: u32,
) -> bool {
    if !tcb.ecn.is_on() {
        return false;
    }
    let state = tcb.recovery.ca_state();
    // Up to `recover` every echo may be of the same marks: CWR goes with what comes after it.
    if tcb.ecn.reduction.as_ref().is_some_and(|reduction| tcb.snd.una.gt(reduction.recover)) {
        tcb.ecn.reduction = None;
        if matches!(state, CaState::Open | CaState::Disorder) {
            // Nothing was held back.
            let ssthresh = tcb.congestion.ssthresh().min(1 << 30);
            tcb.congestion.recovered(cx.now, ssthresh);
            tcb.validate_after_congestion();
        }
    }
    let echo = segment.flags.contains(Flags::ECE);
    if !echo {
        return tcb.ecn.reducing();
    }
    tcb.ecn.delivered_ce += newly_acked.div_ceil(tcb.snd.mss.max(1));
    // Once in a round trip, and not beside what a loss does to the window.
    if flight > 0 && !tcb.ecn.reducing() && matches!(state, CaState::Open | CaState::Disorder) {
        cx.events.add(Event::EcnReductions);
        let prr = Prr::for_mark(tcb.congestion.cwnd(), &tcb.board);
        tcb.ecn.reduction = Some(Box::new(Reduction { recover: tcb.snd.nxt, prr }));
        tcb.congested(cx.now, flight);
        tcb.undoable = false;
        tcb.ecn.reduced();
        tcb.tell_recovery(state, "congestion mark");
    }
    true
}
