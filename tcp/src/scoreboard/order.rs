//! Transmissions by time.

use std::collections::VecDeque;

use netdev::Instant;

use super::Sent;
use crate::SeqNum;

/// Every transmission, oldest first: when, and the end of its segment. One that is no longer the
/// last of its segment, or whose segment is no longer on its way, stays until it comes to the
/// front; so sending and looking for the oldest both cost the same whatever the window.
#[derive(Default)]
pub(super) struct Order(VecDeque<(Instant, SeqNum)>);

impl Order {
    pub(super) const fn new() -> Order {
        Order(VecDeque::new())
    }

    /// That of these segments.
    pub(super) fn of<'a>(segments: impl Iterator<Item = &'a Sent>) -> Order {
        let mut order: Vec<_> = segments.map(|sent| (sent.sent_at, sent.end())).collect();
        // Stable: of those sent together, the order of their numbers stays.
        order.sort_by_key(|&(at, _)| at);
        Order(order.into())
    }

    pub(super) fn push(&mut self, at: Instant, end: SeqNum) {
        self.0.push_back((at, end));
    }

    pub(super) fn first(&self) -> Option<(Instant, SeqNum)> {
        self.0.front().copied()
    }

    pub(super) fn pop(&mut self) {
        self.0.pop_front();
    }

    /// When the last one before (`at`, `end`) was.
    pub(super) fn before(&self, at: Instant, end: SeqNum) -> Option<Instant> {
        let earlier =
            |entry: &(Instant, SeqNum)| entry.0 < at || (entry.0 == at && entry.1.lt(end));
        let index = self.0.partition_point(earlier);
        self.0.get(index.checked_sub(1)?).map(|entry| entry.0)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(Instant, SeqNum) -> bool) {
        self.0.retain(|&(at, end)| keep(at, end));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(Instant, SeqNum)>()
    }
}
