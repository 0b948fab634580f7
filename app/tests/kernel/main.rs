//! `tapip` against the kernel, on every kind of link to it.
//!
//! Everything happens in namespaces that the tests make; no interface of the machine is touched.
#![cfg(target_os = "linux")]

mod bridge;
mod forwarding;
mod lan;
mod links;
mod nat;
mod real_lan;
mod stack;
mod traceroute;
