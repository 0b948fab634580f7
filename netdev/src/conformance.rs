//! What the conformance kits of the layers are made of.
//!
//! Compiled under the feature `conformance`. Each layer's crate has a kit of its own on top of
//! this, `arp::conformance` to `socket::conformance`: cases that hold any implementation of the
//! layer's trait against the RFCs, through that trait alone.
//!
//! - A [`Case`] is a function that acts on a bench and says what it expects there. Its name, its
//!   [`Level`], its points, the section and the sentence of the RFC stand in a table at the head of
//!   the file, made with [`cases!`](crate::cases).
//! - A [`Bench`] is what the cases of a file act on: an implementation on virtual time, with a
//!   queue in the place of the layer below. It writes every step to the [`Record`].
//! - [`check`] runs a case, and where it fails prints all that is needed to understand why without
//!   running it again: each step with its virtual time and the values that matter, the one that
//!   failed, what was expected and what was seen, the RFC's sentence, a capture of the packets for
//!   Wireshark, and the command that runs this case alone.
//! - [`grade`] runs all of them and adds the points up.
//!
//! ```
//! use netdev::conformance::{Bench, Record, Subject, grade};
//! use netdev::{Instant, cases};
//!
//! /// The layer: it doubles.
//! type Make = fn(u64) -> fn(u32) -> u32;
//!
//! struct Doubling {
//!     double: fn(u32) -> u32,
//!     record: Record,
//! }
//!
//! impl Bench<Make> for Doubling {
//!     fn new(subject: &Subject<Make>) -> Doubling {
//!         Doubling { double: subject.make(), record: subject.record.clone() }
//!     }
//! }
//!
//! impl Doubling {
//!     fn expect(&mut self, number: u32, twice: u32) {
//!         let seen = (self.double)(number);
//!         self.record.step(Instant::ZERO, format!("double {number}"), "");
//!         if seen != twice {
//!             self.record.fail(twice, seen);
//!         }
//!     }
//! }
//!
//! cases! { ($) doubling_tests: Make, Doubling;
//!     Must 1 "RFC 0 §1" small_numbers "Small numbers MUST be doubled.";
//!     Should 2 "RFC 0 §2" large_numbers "Large numbers SHOULD stop at the largest.";
//! }
//!
//! fn small_numbers(bench: &mut Doubling) {
//!     bench.expect(2, 4);
//! }
//!
//! fn large_numbers(bench: &mut Doubling) {
//!     bench.expect(u32::MAX, u32::MAX);
//! }
//!
//! let wraps: Make = |_seed| |number| number.wrapping_mul(2);
//! let grade = grade("doubling", &[CASES], wraps);
//! assert_eq!((grade.points(), grade.of()), (1, 3));
//! ```

mod case;
mod grade;
mod record;
mod run;

pub use case::{Bench, Case, Level, Subject};
pub use grade::{Grade, Mark, grade, grade_from};
pub use record::Record;
pub use run::{Again, Exception, check};
