//! The link between the two hosts, and time.

use super::*;

impl Net<'_> {
    pub(super) fn take(&mut self) -> Option<(usize, Frame)> {
        let from = usize::from(self.choices.flag());
        let place = self.choices.below(self.queues[from].len());
        self.queues[from].remove(place).map(|frame| (from, frame))
    }

    pub(super) fn give(&mut self, to: usize, bytes: &[u8]) {
        self.link[to].transmit(self.now, Packet::from_payload(bytes)).expect("room on the wire");
        self.given[to] += 1;
    }

    pub(super) fn deliver(&mut self) {
        if let Some((from, frame)) = self.take() {
            self.give(1 - from, &frame.bytes);
        }
    }

    pub(super) fn lose(&mut self) {
        self.take();
    }

    pub(super) fn double(&mut self) {
        if let Some((from, frame)) = self.take() {
            self.give(1 - from, &frame.bytes);
            self.queues[from].push_back(frame);
        }
    }

    pub(super) fn corrupt(&mut self) {
        let Some((from, mut frame)) = self.take() else { return };
        let place = usize::from(self.choices.word()) % frame.bytes.len();
        if self.choices.flag() {
            frame.bytes.truncate(place.max(1));
        } else if !frame.flipped && self.may_flip(from, &frame.bytes) {
            frame.bytes[place] ^= 1 << self.choices.below(8);
            frame.flipped = true;
        }
        self.queues[from].push_front(frame);
    }

    /// Whether no other fragment of the same datagram has a bit flipped. From now on one has.
    fn may_flip(&mut self, from: usize, bytes: &[u8]) -> bool {
        let fragment = bytes.len() > 21
            && bytes[12..14] == [8, 0]
            && (bytes[20] & 0x3f != 0 || bytes[21] != 0);
        !fragment || self.flipped.insert((from, [bytes[18], bytes[19]]))
    }

    /// A router on the way cuts a datagram in two, DF or not.
    pub(super) fn fragment(&mut self) {
        let Some((from, mut frame)) = self.take() else { return };
        let cut = 8 * (1 + self.choices.below(180));
        let first = self.choices.flag();
        let bytes = &mut frame.bytes;
        let whole = bytes.len() > ETHERNET + 20 + cut
            && bytes[12..15] == [8, 0, 0x45]
            && bytes[20] & 0x20 == 0
            && bytes[20..22] != [0, 0]
            && bytes[20] & 0x1f == 0
            && bytes[21] == 0;
        if whole && bytes[20] & 0x40 != 0 {
            // A number that only these two have: nothing but an atomic datagram has DF, and its
            // own number means nothing (RFC 6864 §4.1).
            bytes[18..20].copy_from_slice(&self.ident.to_be_bytes());
            self.ident = self.ident.wrapping_add(1).max(0x8000);
            let at = ETHERNET + 20 + cut;
            let mut rest = bytes[..ETHERNET + 20].to_vec();
            rest.extend(&bytes[at..]);
            bytes.truncate(at);
            for (part, flags) in [(&mut *bytes, 0x2000), (&mut rest, (cut / 8) as u16)] {
                let len = (part.len() - ETHERNET) as u16;
                part[16..18].copy_from_slice(&len.to_be_bytes());
                part[20..22].copy_from_slice(&u16::to_be_bytes(flags));
                forge::fill_ip_checksum(&mut part[ETHERNET..]);
            }
            let rest = Frame { bytes: rest, flipped: frame.flipped };
            self.queues[from].push_front(rest);
        }
        match first {
            true => self.queues[from].push_front(frame),
            false => self.queues[from].push_back(frame),
        }
    }

    /// The link works for a time, a millisecond each way.
    pub(super) fn calm(&mut self, time: Duration) {
        let end = self.now + time;
        // A bound on work, not on time: what is left to happen goes on at the next event.
        for _ in 0..40 {
            let mut idle = true;
            for from in 0..2 {
                for frame in std::mem::take(&mut self.queues[from]) {
                    idle = false;
                    self.give(1 - from, &frame.bytes);
                }
            }
            self.settle();
            let due = self.due().filter(|_| idle).unwrap_or(end);
            let due = if idle { due } else { self.now + Duration::from_millis(1) };
            if due > end {
                break;
            }
            self.now = due.max(self.now);
            if idle && due == end {
                break;
            }
        }
    }

    /// Time passes and the link holds everything back.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..40 {
            let Some(due) = self.due().filter(|due| *due <= end) else {
                self.now = end;
                break;
            };
            self.now = due.max(self.now);
            self.settle();
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        sooner(self.stacks[0].poll_at(), self.stacks[1].poll_at())
    }

    /// Lets both do what is due now, and takes what they sent.
    pub(super) fn settle(&mut self) {
        for number in 0..2 {
            let mut turns = 0;
            loop {
                let stack = &mut self.stacks[number];
                let more = stack.poll(self.now).more;
                while stack.changed().is_some() {}
                if !more && stack.poll_at().is_none_or(|due| due > self.now) {
                    break;
                }
                turns += 1;
                assert!(turns < 10_000, "stack {number} never comes to rest at {}", self.now);
            }
            while let Some(packet) = self.link[number].receive(self.now) {
                let queue = &mut self.queues[number];
                queue.push_back(Frame { bytes: packet.to_vec(), flipped: false });
                if queue.len() > QUEUE {
                    queue.pop_front();
                }
            }
        }
    }
}
