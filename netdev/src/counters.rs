//! Named counters: a packet never vanishes silently.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

/// A closed set of things to count. Made by [`reasons!`](crate::reasons), not by hand.
pub trait Reason: Copy + 'static {
    /// Every member, in the order of declaration.
    const ALL: &'static [Self];
    /// The position in [`Self::ALL`].
    fn index(self) -> usize;
    /// What a person reads in a table of counters.
    fn text(self) -> &'static str;
}

/// Declares an enum of reasons with a text each, so that it can be counted with [`Counts`].
///
/// ```
/// netdev::reasons! {
///     /// Why a letter was not delivered.
///     pub enum Undelivered {
///         /// Nobody of that name.
///         Unknown = "addressee unknown",
///         /// No stamp.
///         Postage = "postage due",
///     }
/// }
/// let mut counts = netdev::Counts::<Undelivered>::default();
/// counts.add(Undelivered::Postage);
/// assert_eq!(counts[Undelivered::Postage], 1);
/// ```
#[macro_export]
macro_rules! reasons {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $crate::Reason for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn index(self) -> usize { self as usize }
            fn text(self) -> &'static str { match self { $(Self::$variant => $text),+ } }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str($crate::Reason::text(*self))
            }
        }
    };
}

/// One counter for each member of `R`.
#[derive(Clone)]
pub struct Counts<R> {
    counts: Box<[u64]>,
    of: PhantomData<fn(R)>,
}

impl<R: Reason> Counts<R> {
    /// One more of `reason`.
    pub fn add(&mut self, reason: R) {
        self.add_many(reason, 1);
    }

    /// `count` more of `reason`.
    pub fn add_many(&mut self, reason: R, count: u64) {
        self.counts[reason.index()] += count;
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Every reason with its count, zeros too, in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (R, u64)> + '_ {
        R::ALL.iter().copied().zip(self.counts.iter().copied())
    }

    /// Adds what another table counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// The rows that a layer's `counters()` gives.
    pub fn rows(&self) -> impl Iterator<Item = Counter> + '_ {
        self.iter().map(|(reason, count)| Counter { name: reason.text(), count })
    }
}

impl<R: Reason> Default for Counts<R> {
    fn default() -> Self {
        Self { counts: vec![0; R::ALL.len()].into(), of: PhantomData }
    }
}

impl<R: Reason> Index<R> for Counts<R> {
    type Output = u64;
    fn index(&self, reason: R) -> &u64 {
        &self.counts[reason.index()]
    }
}

impl<R: Reason + fmt::Debug> fmt::Debug for Counts<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().filter(|(_, count)| *count != 0)).finish()
    }
}

/// One row of a layer's statistics, as `stat` in the shell prints it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counter {
    /// What was counted, in words.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}
