//! A case, and what it is run against.

use std::fmt;

use super::Record;

/// How much the RFC wants it (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// An absolute requirement.
    Must,
    /// To be kept unless there is a reason, which has to be written down.
    Should,
    /// Truly optional, and done this way here.
    May,
    /// No RFC says so; this project does, and its deviations or its documentation say why.
    Ours,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::May => "MAY",
            Level::Ours => "ours",
        })
    }
}

/// One requirement, and how to find out whether it is kept.
///
/// `M` makes an implementation of the layer from a seed.
pub struct Case<M> {
    /// The name of its function.
    pub name: &'static str,
    /// The module that the function stands in, as [`module_path!`] gives it.
    pub module: &'static str,
    /// How much it is wanted.
    pub level: Level,
    /// What it counts in a [`Grade`](super::Grade).
    pub points: u32,
    /// Where the requirement stands: "RFC 9293 §3.10.7.2".
    pub section: &'static str,
    /// What it says, in one line.
    pub sentence: &'static str,
    /// Acts and expects; panics where the expectation is disappointed.
    pub run: fn(&Subject<M>),
}

impl<M> Case<M> {
    /// The file and the function: `opening::three_segments`.
    pub fn path(&self) -> String {
        let file = self.module.rsplit("::").next().unwrap_or_default();
        format!("{file}::{}", self.name)
    }
}

/// An implementation under test: how it is made, and what is written down about it.
pub struct Subject<M> {
    /// Makes one from a seed.
    pub maker: M,
    /// Where all chance of this run comes from.
    pub seed: u64,
    /// What happened so far.
    pub record: Record,
}

impl<M: Fn(u64) -> T, T> Subject<M> {
    /// One implementation, from the seed of this run.
    pub fn make(&self) -> T {
        (self.maker)(self.seed)
    }

    /// Another one, which must not have the same secrets.
    pub fn make_another(&self, number: u64) -> T {
        (self.maker)(self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// What the cases of a file act on.
pub trait Bench<M> {
    /// A bench with a fresh implementation, at time zero.
    fn new(subject: &Subject<M>) -> Self;
}

/// The cases of a file: a table at its head.
///
/// A row has the [`Level`], the points, the section, the name of the function and the sentence. It
/// makes the constant `CASES`, and a macro of the given name, which a kit's `conformance_tests!`
/// calls to make a test of each row: with the paths of [`check`](crate::conformance::check), of
/// [`Again::new`](crate::conformance::Again::new) and of `CASES`, the maker and the exceptions.
/// After the word `musts` it makes tests of the rows with [`Level::Must`] alone. The `($)` at the
/// beginning is what such a macro is written with.
#[macro_export]
macro_rules! cases {
    (($d:tt) $tests:ident: $make:ty, $bench:ty;
     $($level:ident $points:literal $section:literal $name:ident $sentence:literal;)+) => {
        /// The cases of this file.
        pub const CASES: &[$crate::conformance::Case<$make>] = &[$($crate::conformance::Case {
            name: stringify!($name),
            module: module_path!(),
            level: $crate::conformance::Level::$level,
            points: $points,
            section: $section,
            sentence: $sentence,
            run: |subject| $name(&mut <$bench as $crate::conformance::Bench<$make>>::new(subject)),
        }),+];

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $tests {
            (musts $d check:path, $d again:path, $d cases:path, $d make:expr, $d exceptions:expr) => {
                $($crate::test_of! {
                    Must $level $name $d check, $d again, $d cases, $d make, $d exceptions
                })+
            };
            ($d check:path, $d again:path, $d cases:path, $d make:expr, $d exceptions:expr) => {
                $($crate::test_of! {
                    $level $level $name $d check, $d again, $d cases, $d make, $d exceptions
                })+
            };
        }
    };
}

/// The test of a case, if its level is the one that is wanted.
#[doc(hidden)]
#[macro_export]
macro_rules! test_of {
    (Must Must $($rest:tt)+) => { $crate::test_of! { @test $($rest)+ } };
    (Should Should $($rest:tt)+) => { $crate::test_of! { @test $($rest)+ } };
    (May May $($rest:tt)+) => { $crate::test_of! { @test $($rest)+ } };
    (Ours Ours $($rest:tt)+) => { $crate::test_of! { @test $($rest)+ } };
    (@test $name:ident $check:path, $again:path, $cases:path, $make:expr, $exceptions:expr) => {
        #[test]
        fn $name() {
            let (package, target) = (env!("CARGO_PKG_NAME"), env!("CARGO_CRATE_NAME"));
            let again = $again(package, target, module_path!());
            $check(&$cases, stringify!($name), $make, $exceptions, &again);
        }
    };
    ($wanted:ident $level:ident $($rest:tt)+) => {};
}
