//! Which parts of the window have arrived.

use std::collections::VecDeque;

use crate::SeqNum;

/// Runs of neighbouring segments that the peer has, in order. They neither touch nor overlap.
#[derive(Default)]
pub(super) struct Runs(VecDeque<(SeqNum, SeqNum)>);

impl Runs {
    pub(super) const fn new() -> Runs {
        Runs(VecDeque::new())
    }

    /// The end of the run that `at` lies in or touches from behind, if any; and where the first
    /// run after it begins.
    pub(super) fn around(&self, at: SeqNum) -> (Option<SeqNum>, Option<SeqNum>) {
        let index = self.0.partition_point(|run| run.1.lt(at));
        match self.0.get(index) {
            Some(&(from, to)) if from.le(at) => (Some(to), self.0.get(index + 1).map(|run| run.0)),
            next => (None, next.map(|run| run.0)),
        }
    }

    /// Adds what lies between two runs.
    pub(super) fn add(&mut self, from: SeqNum, to: SeqNum) {
        let index = self.0.partition_point(|run| run.1.lt(from));
        let joins_left = self.0.get(index).is_some_and(|run| run.1 == from);
        let after = index + usize::from(joins_left);
        let joins_right = self.0.get(after).is_some_and(|run| run.0 == to);
        match (joins_left, joins_right) {
            (true, true) => {
                self.0[index].1 = self.0[after].1;
                self.0.remove(after);
            }
            (true, false) => self.0[index].1 = to,
            (false, true) => self.0[after].0 = from,
            (false, false) => self.0.insert(index, (from, to)),
        }
    }

    /// Forgets what lies before `una`.
    pub(super) fn acknowledge(&mut self, una: SeqNum) {
        while let Some(first) = self.0.front_mut() {
            if first.1.gt(una) {
                first.0 = first.0.max(una);
                break;
            }
            self.0.pop_front();
        }
    }

    /// All of them, the highest first.
    pub(super) fn descending(&self) -> impl Iterator<Item = (SeqNum, SeqNum)> + '_ {
        self.0.iter().rev().copied()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(SeqNum, SeqNum)>()
    }
}
