//! What arrives, and what has to become of it.

use netdev::{Cast, Direction};

use super::{Below, Host, Sent};
use crate::conformance::{Frame, Wire};
use crate::{Cause, Datagram, DropReason, Hop, IfIndex, Input, Report};

impl Host {
    /// A frame arrives, whatever becomes of it.
    #[track_caller]
    pub fn arrives(&mut self, frame: impl Into<Frame>) -> (Input, Vec<Sent>) {
        let frame = frame.into();
        let Frame { iface, cast, packet } = frame.clone();
        self.capture(Direction::Rx, iface, &packet);
        let mut below = Below::default();
        let input = self.ip.input(self.now, iface, cast, packet, &mut below);
        self.note(format_args!("in   {frame}"), outcome(&input));
        let sent = self.took(below);
        (input, sent)
    }

    /// It goes up, whole.
    #[track_caller]
    pub fn delivers(&mut self, frame: impl Into<Frame>) -> Datagram {
        let (input, sent) = self.arrives(frame);
        self.nothing_sent(&sent);
        match input {
            Input::Deliver(datagram) => datagram,
            other => self.record.fail("delivered", outcome(&other)),
        }
    }

    /// It completes a datagram, with `payload`.
    #[track_caller]
    pub fn completes(&mut self, frame: impl Into<Frame>, payload: &[u8]) -> Datagram {
        let datagram = self.delivers(frame);
        self.same_bytes("the payload", &datagram.payload, payload);
        datagram
    }

    /// It is a fragment that waits for others.
    #[track_caller]
    pub fn waits(&mut self, frame: impl Into<Frame>) {
        let (input, sent) = self.arrives(frame);
        self.nothing_sent(&sent);
        if !matches!(input, Input::Consumed) {
            self.record.fail("kept until the others come", outcome(&input));
        }
    }

    /// It goes no further, and its source is told nothing.
    #[track_caller]
    pub fn drops(&mut self, frame: impl Into<Frame>) {
        self.drops_for(frame, None);
    }

    /// The same, for this reason.
    #[track_caller]
    pub fn drops_for(&mut self, frame: impl Into<Frame>, expected: impl Into<Option<DropReason>>) {
        let (input, sent) = self.arrives(frame);
        self.nothing_sent(&sent);
        match (&input, expected.into()) {
            (Input::Dropped(seen), Some(expected)) if *seen == expected => {}
            (Input::Dropped(_), None) => {}
            (_, Some(expected)) => {
                self.record.fail(format_args!("dropped: {expected}"), outcome(&input))
            }
            (_, None) => self.record.fail("silently dropped", outcome(&input)),
        }
    }

    /// It does not go up, nor on; whether it is kept, dropped or refused is not asked.
    #[track_caller]
    pub fn does_not_deliver(&mut self, frame: impl Into<Frame>) {
        let (input, sent) = self.arrives(frame);
        self.nothing_sent(&sent);
        if matches!(input, Input::Deliver(_)) {
            self.record.fail("not delivered", outcome(&input));
        }
    }

    /// It goes no further, and its source is to be told `cause`, with the datagram as it came.
    #[track_caller]
    pub fn refuses(&mut self, frame: impl Into<Frame>, cause: Cause) -> Report {
        let frame = frame.into();
        let bytes = frame.packet.to_vec();
        let (input, sent) = self.arrives(frame);
        self.nothing_sent(&sent);
        match input {
            Input::Report(report) if report.cause == cause => {
                self.same_bytes("the datagram as it came", &report.packet, &bytes);
                report
            }
            other => self.record.fail(format_args!("refused: {cause}"), outcome(&other)),
        }
    }

    /// It goes on to `hop`, as one datagram, without a word to its source.
    #[track_caller]
    pub fn forwards(&mut self, frame: impl Into<Frame>, iface: IfIndex, hop: Hop) -> Sent {
        let (input, sent) = self.arrives(frame);
        if !matches!(input, Input::Consumed) {
            self.record.fail("forwarded", outcome(&input));
        }
        self.one(sent, iface, hop)
    }

    /// The only one of `sent`, and that it goes to `hop`.
    #[track_caller]
    pub fn one(&self, mut sent: Vec<Sent>, iface: IfIndex, hop: Hop) -> Sent {
        self.record.expect_eq("datagrams sent", sent.len(), 1);
        let one = sent.remove(0);
        self.record.expect_eq("sent to", (one.iface, one.hop), (iface, hop));
        one
    }

    /// After what was dropped, that a good datagram is not.
    #[track_caller]
    pub fn still_delivers(&mut self) {
        let good = Wire { id: 0x600d, ..Wire::default() };
        self.completes(&good, &good.payload);
    }
}

fn outcome(input: &Input) -> String {
    match input {
        Input::Deliver(datagram) => {
            let cast = match datagram.cast {
                Cast::Unicast => "",
                Cast::Multicast => " as a group's",
                Cast::Broadcast => " as a broadcast",
            };
            format!("delivered{cast}, {} bytes of payload", datagram.payload.len())
        }
        Input::Consumed => "consumed".to_owned(),
        Input::Dropped(reason) => format!("dropped: {reason}"),
        Input::Report(report) => format!("refused: {}", report.cause),
    }
}
