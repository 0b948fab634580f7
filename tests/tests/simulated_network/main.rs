//! Whole networks on virtual time.

mod lan;
mod running;
