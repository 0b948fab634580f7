//! Finding the way that datagrams take, as traceroute(8): probes with one hop more each time, and
//! what routers and the destination say of them.
//!
//! No sockets and no clock here: [`Trace`] says what to send and when, is told what came back, and
//! gives the text. The command `traceroute` drives it over a running stack, a test over a
//! simulated network.

mod answer;
mod trace;

pub use answer::{Answer, Method, What};
pub use trace::{Options, Patience, Probe, Step, Trace};

#[cfg(test)]
mod tests;
