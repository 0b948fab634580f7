//! Looking on while packets pass the interfaces: what `tcpdump` and `arping` are made of.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant as Clock};

use ip::IfIndex;
use netdev::{Direction, EtherType, Instant, MacAddr, Medium, Packet, Watcher};

use crate::{ConfigError, Stack};

/// A packet that passed an interface.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Which interface.
    pub iface: IfIndex,
    /// Which way.
    pub direction: Direction,
    /// What its bytes begin with.
    pub medium: Medium,
    /// As the device gave or got it; one that stands for several is one.
    pub packet: Packet,
}

/// How many packets a [`Watch`] has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts {
    /// Those that were wanted.
    pub wanted: u64,
    /// Those of them that were dropped, since too much waited to be read.
    pub dropped: u64,
}

/// A queue of packets that pass one interface, or any.
///
/// It is filled by whoever moves packets, under the lock of the stack, and holds no more than it
/// was given room for: a reader that is slow loses packets, which are counted, and slows nobody.
/// Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Bytes that may wait.
    room: usize,
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<Seen>,
    bytes: usize,
    counts: WatchCounts,
    woken: bool,
}

/// What a queued packet costs beside its bytes.
const OVERHEAD: usize = size_of::<Seen>();

/// Says which packets are wanted; called in the midst of sending and receiving.
pub type Wanted = Arc<dyn Fn(Medium, &[u8]) -> bool + Send + Sync>;

impl Watch {
    /// The oldest packet that waits.
    pub fn take(&self) -> Option<Seen> {
        let mut queue = self.shared.lock();
        let seen = queue.packets.pop_front()?;
        queue.bytes -= seen.packet.len() + OVERHEAD;
        Some(seen)
    }

    /// Waits until there is a packet, `timeout` at most, or until a [`Watch::waker`] is called;
    /// says whether there is one. It is for a stack that runs by itself.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let until = timeout.and_then(|timeout| Clock::now().checked_add(timeout));
        let mut queue = self.shared.lock();
        while queue.packets.is_empty() && !queue.woken {
            let changed = &self.shared.changed;
            queue = match until {
                None => changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let Some(left) = until.checked_duration_since(Clock::now()) else { break };
                    changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        queue.woken = false;
        !queue.packets.is_empty()
    }

    /// What ends the wait of another thread, or the next one.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || {
            shared.lock().woken = true;
            shared.changed.notify_all();
        }
    }

    /// How many there were so far.
    pub fn counts(&self) -> WatchCounts {
        self.shared.lock().counts
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, seen: Seen) {
        let mut queue = self.lock();
        queue.counts.wanted += 1;
        let bytes = seen.packet.len() + OVERHEAD;
        if queue.bytes + bytes > self.room {
            queue.counts.dropped += 1;
            return;
        }
        queue.bytes += bytes;
        queue.packets.push_back(seen);
        self.changed.notify_all();
    }
}

/// The interface's side of a [`Watch`].
struct Eyes {
    of: Weak<Shared>,
    iface: IfIndex,
    /// A loopback interface receives what it sends: once is enough.
    received_only: bool,
    wanted: Wanted,
}

impl Watcher for Eyes {
    fn saw(&mut self, at: Instant, direction: Direction, medium: Medium, packet: &Packet) {
        let Some(of) = self.of.upgrade() else { return };
        if self.received_only && direction == Direction::Tx || !(self.wanted)(medium, packet) {
            return;
        }
        let iface = self.iface;
        of.put(Seen { at, iface, direction, medium, packet: packet.clone() });
    }

    fn is_over(&self) -> bool {
        self.of.strong_count() == 0
    }
}

impl Stack {
    /// Looks on, from now on, while packets pass an interface, or with `None` any that there is
    /// now. `room` is how many bytes of them may wait to be read.
    pub fn watch(
        &mut self,
        iface: Option<IfIndex>,
        room: usize,
        wanted: Wanted,
    ) -> Result<Watch, ConfigError> {
        let queue = Mutex::new(Queue::default());
        let shared = Arc::new(Shared { queue, changed: Condvar::new(), room });
        if let Some(index) = iface {
            self.interface(index)?;
        }
        for place in 0..self.interfaces.len() {
            let interface = self.interfaces.at(place);
            if iface.is_none_or(|index| index == interface.index) {
                interface.port.watch(Box::new(Eyes {
                    of: Arc::downgrade(&shared),
                    iface: interface.index,
                    received_only: interface.loopback,
                    wanted: wanted.clone(),
                }));
            }
        }
        Ok(Watch { shared })
    }

    /// Sends one frame as it is, past all layers.
    pub fn send_frame(
        &mut self,
        now: Instant,
        iface: IfIndex,
        dst: MacAddr,
        ethertype: EtherType,
        packet: Packet,
    ) -> Result<(), ConfigError> {
        let interface = self.interface_mut(iface)?;
        interface.port.transmit(now, dst, ethertype, packet);
        interface.port.flush(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ip::Protocol;

    use super::*;
    use crate::testing::*;

    const ALL: usize = usize::MAX;

    fn everything() -> Wanted {
        Arc::new(|_, _| true)
    }

    /// Sends an echo request to `to` and lets 10 ms pass.
    fn ping(net: &mut World<2>, to: &str) {
        let now = net.now;
        let sent = net.stacks[0].with_raw(now, |raw, out| {
            let socket = raw.open(Some(Protocol::ICMP))?;
            raw.send(now, socket, Some(addr(to)), &echo_request(1, 1, b"data"), out)
        });
        sent.unwrap();
        net.millis(10);
    }

    fn all(watch: &Watch) -> Vec<(Direction, usize)> {
        std::iter::from_fn(|| watch.take()).map(|s| (s.direction, s.packet.len())).collect()
    }

    #[test]
    fn both_ways_and_the_time_of_each() {
        let mut net = pair();
        let index = net.stacks[0].interfaces()[1].index;
        let watch = net.stacks[0].watch(Some(index), ALL, everything()).unwrap();
        ping(&mut net, "10.0.0.2");
        let seen: Vec<Seen> = std::iter::from_fn(|| watch.take()).collect();
        let ways = seen.iter().map(|seen| (seen.at, seen.direction, seen.packet.len()));
        use Direction::{Rx, Tx};
        let ms = Instant::from_millis;
        // ARP out and in, then the echo out and in.
        assert_eq!(
            ways.collect::<Vec<_>>(),
            [(ms(0), Tx, 42), (ms(2), Rx, 42), (ms(2), Tx, 46), (ms(4), Rx, 46)]
        );
        assert!(seen.iter().all(|seen| seen.iface == index && seen.medium == Medium::Ethernet));
    }

    #[test]
    fn only_what_is_wanted() {
        let mut net = pair();
        let arp: Wanted = Arc::new(|_, frame| frame.get(12..14) == Some(&[8, 6]));
        let watch = net.stacks[0].watch(None, ALL, arp).unwrap();
        ping(&mut net, "10.0.0.2");
        assert_eq!(all(&watch), [(Direction::Tx, 42), (Direction::Rx, 42)]);
        assert_eq!(watch.counts(), WatchCounts { wanted: 2, dropped: 0 });
    }

    #[test]
    fn a_loopback_interface_shows_each_packet_once() {
        let mut net = pair();
        let watch = net.stacks[0].watch(None, ALL, everything()).unwrap();
        ping(&mut net, "127.0.0.1");
        // The request and the reply.
        assert_eq!(all(&watch), [(Direction::Rx, 32), (Direction::Rx, 32)]);
    }

    #[test]
    fn a_reader_that_is_slow_loses_packets_that_are_counted() {
        let mut net = pair();
        let watch = net.stacks[0].watch(None, 3 * (42 + OVERHEAD), everything()).unwrap();
        for _ in 0..50 {
            ping(&mut net, "10.0.0.2");
        }
        // 2 of ARP, and 2 of each echo.
        assert_eq!(watch.counts().wanted, 102);
        assert_eq!(watch.counts().dropped, 100);
        assert_eq!(all(&watch).len(), 2);
        ping(&mut net, "10.0.0.2");
        assert_eq!(all(&watch).len(), 2, "there is room again");
    }

    #[test]
    fn nobody_there_is_nobody_shown_and_an_unknown_interface_is_an_error() {
        let mut net = pair();
        drop(net.stacks[0].watch(None, ALL, everything()).unwrap());
        ping(&mut net, "10.0.0.2");
        let refused = net.stacks[0].watch(Some(IfIndex(9)), ALL, everything());
        assert_eq!(refused.err(), Some(ConfigError::NoInterface(IfIndex(9))));
    }

    #[test]
    fn a_frame_goes_out_as_it_is() {
        let mut net = pair();
        let index = net.stacks[0].interfaces()[1].index;
        let watch = net.stacks[1].watch(None, ALL, everything()).unwrap();
        let packet = Packet::from_payload(b"anything");
        let now = net.now;
        let sent = net.stacks[0].send_frame(now, index, MacAddr([9; 6]), EtherType(0x88b5), packet);
        sent.unwrap();
        net.millis(5);
        let frame = watch.take().unwrap().packet;
        assert_eq!(&frame[..], b"\x09\x09\x09\x09\x09\x09\x02\0\0\0\0\x01\x88\xb5anything");
    }

    #[test]
    fn waiting_ends_with_a_packet_a_call_or_the_time() {
        let mut stack = stack(1);
        let watch = stack.watch(None, ALL, everything()).unwrap();
        assert!(!watch.wait(Some(Duration::from_millis(1))));
        watch.waker()();
        assert!(!watch.wait(None), "woken before it waited");
        let waits = std::thread::spawn(move || watch.wait(None));
        let index = stack.interfaces()[0].index;
        let packet = Packet::from_payload(&[0x45; 20]);
        let now = Instant::ZERO;
        stack.send_frame(now, index, MacAddr::ZERO, EtherType::IPV4, packet).unwrap();
        stack.poll(now);
        assert!(waits.join().unwrap());
    }
}
