//! What happened in a case so far.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use etherparse::{IpNumber, Ipv4Header};

use crate::{CaptureFile, Direction, Instant, Medium, Packet};

/// So many of the last steps are printed.
const PRINTED: usize = 200;
/// No case needs so many. A loop that waits for what a broken implementation never does ends here.
const MOST: usize = 100_000;

/// The steps and packets of a case. A clone is a handle on the same record: the bench writes, and
/// whoever runs the case prints it where it fails.
#[derive(Clone, Default)]
pub struct Record(Rc<RefCell<Log>>);

#[derive(Default)]
struct Log {
    steps: Vec<Step>,
    packets: Vec<Recorded>,
}

/// An action, an expectation that was kept, or the one that was not.
struct Step {
    at: Instant,
    what: String,
    /// The values that matter after it.
    values: String,
    failed: bool,
}

struct Recorded {
    at: Instant,
    interface: &'static str,
    medium: Medium,
    direction: Direction,
    packet: Packet,
}

impl Record {
    /// Something was done, or was as expected. `values` are those of the implementation that a
    /// reader wants to see then: one line, or none.
    ///
    /// # Panics
    /// After 100,000 steps: the case never ends.
    #[track_caller]
    pub fn step(&self, now: Instant, what: impl fmt::Display, values: impl fmt::Display) {
        self.push(now, what.to_string(), values.to_string(), false);
    }

    /// A packet passed `interface`, seen from the implementation under test.
    pub fn packet(
        &self,
        now: Instant,
        interface: &'static str,
        medium: Medium,
        direction: Direction,
        packet: &Packet,
    ) {
        let packet = packet.clone();
        self.0.borrow_mut().packets.push(Recorded {
            at: now,
            interface,
            medium,
            direction,
            packet,
        });
    }

    /// The same for what a transport handed to IP, or was handed by it: `payload` under a plain
    /// IPv4 header.
    ///
    /// # Panics
    /// Where an address is not IPv4, and where the payload is longer than a datagram can be.
    pub fn datagram(
        &self,
        now: Instant,
        direction: Direction,
        (src, dst): (IpAddr, IpAddr),
        protocol: u8,
        payload: &Packet,
    ) {
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (src, dst) else {
            panic!("IPv4 addresses: {src} {dst}");
        };
        let len = u16::try_from(payload.len()).expect("a datagram's length");
        let header = Ipv4Header::new(len, 64, IpNumber(protocol), src.octets(), dst.octets());
        let mut bytes = Vec::new();
        header.expect("a datagram's length").write(&mut bytes).expect("a Vec takes everything");
        bytes.extend(&payload[..]);
        self.packet(now, "ip0", Medium::Ip, direction, &Packet::from_payload(&bytes));
    }

    /// What was expected did not come.
    ///
    /// # Panics
    /// Always: the case has failed.
    #[track_caller]
    pub fn fail(&self, expected: impl fmt::Display, seen: impl fmt::Display) -> ! {
        let what = format!("expected  {expected}");
        let now = self.0.borrow().steps.last().map_or(Instant::ZERO, |step| step.at);
        self.push(now, what, format!("seen      {seen}"), true);
        panic!("expected {expected}, seen {seen}");
    }

    /// [`Record::fail`] where `seen` is not what was expected; `what` says what it is.
    #[track_caller]
    pub fn expect_eq<T: PartialEq + fmt::Debug>(&self, what: &str, seen: T, expected: T) {
        if seen != expected {
            self.fail(format_args!("{what}: {expected:?}"), format_args!("{seen:?}"));
        }
    }

    /// [`Record::fail`] where `holds` is false.
    #[track_caller]
    pub fn expect(&self, what: &str, holds: bool) {
        if !holds {
            self.fail(what, "otherwise");
        }
    }

    #[track_caller]
    fn push(&self, at: Instant, what: String, values: String, failed: bool) {
        let taken = {
            let steps = &mut self.0.borrow_mut().steps;
            steps.push(Step { at, what, values, failed });
            steps.len()
        };
        assert!(taken <= MOST || failed, "{MOST} steps, and the case does not come to its end");
    }

    /// The packets as a pcapng file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn write_capture(&self, path: &Path) -> io::Result<()> {
        let file = CaptureFile::new(File::create(path)?, Duration::ZERO);
        for recorded in &self.0.borrow().packets {
            let Recorded { at, interface, medium, direction, packet } = recorded;
            file.interface(interface, *medium).record(*at, *direction, packet);
        }
        Ok(())
    }

    /// Whether any packet passed.
    pub(super) fn has_packets(&self) -> bool {
        !self.0.borrow().packets.is_empty()
    }
}

/// Every step, a line or two each.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.0.borrow();
        let skipped = log.steps.len().saturating_sub(PRINTED);
        if skipped > 0 {
            writeln!(f, "    ({skipped} steps before these)")?;
        }
        for step in &log.steps[skipped..] {
            let mark = if step.failed { 'x' } else { ' ' };
            writeln!(f, "  {mark} {:>12}  {}", step.at.to_string(), step.what)?;
            if !step.values.is_empty() {
                writeln!(f, "    {:>12}  {}", "", step.values)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "does not come to its end")]
    fn a_case_that_never_ends_is_ended() {
        let record = Record::default();
        loop {
            record.step(Instant::ZERO, "once more", "");
        }
    }
}
