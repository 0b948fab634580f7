//! Whole stacks on virtual time: what no layer's own tests can show, because it takes several
//! layers, or several hosts.
//!
//! - `errors`: what a stack says to a wire about datagrams that it does not take;
//! - `wire`: other things that a whole stack puts on a wire, or keeps off it;
//! - `routed`: two hosts and a router between them;
//! - `lower_layers`: address translation, and claims and losses of addresses;
//! - `reconfigured`: addresses, MTU, up and down, changed while they are in use;
//! - `streams`: TCP over all of it, with each TCP.

mod errors;
mod lower_layers;
mod reconfigured;
mod routed;
mod streams;
mod wire;
