//! Whole networks on virtual time.

mod hostile;
mod lan;
mod routed;
mod running;
mod soak;
mod traceroute;
