//! Tests of the layer through its trait, on virtual time.

mod bench;
mod both;
mod forwarding;
mod fragmenting;
mod igmp;
mod learning;
mod nat;
mod reassembling;
mod sending;
