//! A decorator that says what passes, a line a packet.

use crate::dump::describe;
use crate::{
    Capabilities, Checksum, Device, Direction, Faults, Instant, Interest, LinkState, Medium,
    Packet, Segmentation, Stats,
};

/// Takes the lines of a [`Tracer`].
pub type TraceSink = Box<dyn FnMut(Instant, Direction, &str) + Send>;

/// A device that gives a decoded line for each packet that passes it, in the manner of tcpdump.
///
/// ```
/// use netdev::{Device, Direction, Instant, Loopback, Packet, Tracer};
/// let mut lo = Tracer::new(
///     Box::new(Loopback::new()),
///     Box::new(|now, direction, line| println!("{now} {direction:3} {line}")),
/// );
/// lo.transmit(Instant::ZERO, Packet::from_payload(&[0x45; 40])).unwrap();
/// ```
pub struct Tracer {
    inner: Box<dyn Device>,
    medium: Medium,
    sink: TraceSink,
}

impl Tracer {
    /// Describes what passes `inner` to `sink`.
    pub fn new(inner: Box<dyn Device>, sink: TraceSink) -> Tracer {
        Tracer { medium: inner.capabilities().medium, inner, sink }
    }
}

/// The line of a packet, with what its bytes alone do not say.
fn line(medium: Medium, packet: &Packet) -> String {
    let mut line = describe(medium, packet);
    match packet.segmentation() {
        Segmentation::None => {}
        Segmentation::Tcp4 { size } | Segmentation::Udp4 { size } => {
            line += &format!(" [to be cut every {size} bytes]");
        }
    }
    if let Checksum::Partial { .. } = packet.checksum() {
        line += " [checksum left to the device]";
    }
    if packet.faults() != Faults::empty() {
        line += &format!(" [{}]", packet.faults());
    }
    line
}

impl Device for Tracer {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn transmit(&mut self, now: Instant, packet: Packet) -> Result<(), Packet> {
        let line = line(self.medium, &packet);
        self.inner.transmit(now, packet)?;
        (self.sink)(now, Direction::Tx, &line);
        Ok(())
    }

    fn receive(&mut self, now: Instant) -> Option<Packet> {
        let packet = self.inner.receive(now)?;
        (self.sink)(now, Direction::Rx, &line(self.medium, &packet));
        Some(packet)
    }

    fn flush(&mut self, now: Instant) {
        self.inner.flush(now);
    }

    fn poll_at(&self) -> Option<Instant> {
        self.inner.poll_at()
    }

    fn interest(&self) -> Option<Interest<'_>> {
        self.inner.interest()
    }

    fn pending(&self) -> usize {
        self.inner.pending()
    }

    fn link(&self) -> LinkState {
        self.inner.link()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn set_mtu(&mut self, mtu: usize) -> bool {
        self.inner.set_mtu(mtu)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::Loopback;

    #[test]
    fn each_packet_that_passes_is_a_line_with_time_and_direction() {
        let (lines, seen) = mpsc::channel();
        let sink = Box::new(move |now, direction, line: &str| {
            lines.send(format!("{now} {direction} {line}")).unwrap();
        });
        let mut lo = Tracer::new(Box::new(Loopback::new()), sink);
        let mut packet = Packet::from_payload(&[0x45; 10]);
        packet.note_fault(Faults::LOST | Faults::DELAYED);
        packet.set_checksum(Checksum::Partial { start: 0, offset: 0 });
        packet.set_segmentation(Segmentation::Udp4 { size: 9 });
        lo.transmit(Instant::from_millis(1500), packet).unwrap();
        lo.receive(Instant::from_secs(2)).unwrap();
        assert_eq!(lo.receive(Instant::from_secs(2)), None);
        let text = "IP, cut short: 10 bytes [to be cut every 9 bytes] [checksum left to the device] \
                    [delayed, lost]";
        assert_eq!(
            seen.try_iter().collect::<Vec<_>>(),
            [format!("1.500000 Out {text}"), format!("2.000000 In {text}")]
        );
        assert_eq!((lo.name(), lo.stats().tx_packets), ("lo", 1));
    }

    #[test]
    fn what_the_device_hands_back_is_no_line() {
        let (lines, seen) = mpsc::channel();
        let sink = Box::new(move |_, _, line: &str| lines.send(line.to_string()).unwrap());
        let mut lo = Tracer::new(Box::new(Loopback::new()), sink);
        let mut taken = 0;
        while lo.transmit(Instant::ZERO, Packet::from_payload(b"x")).is_ok() {
            taken += 1;
        }
        assert_eq!(seen.try_iter().count(), taken);
    }
}
