//! Faults of the machine: devices that fail in every way that a device can, and limits of memory
//! that are reached. Sockets get errors, nothing hangs or panics, and what can go on goes on.
//!
//! A clock that jumps is in the crate `socket`, beside the clock.

mod device;
mod memory;
mod running;
mod tap;
mod virtual_time;
