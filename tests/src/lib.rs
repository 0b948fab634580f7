//! What crosses layers: the whole stack against the kernel on a TAP, and tools for such tests.
//!
//! [`Instance`] runs the `tapip` binary as a user would: it makes its own namespace, its shell
//! reads our commands, and [`Instance::host`] runs programs at the kernel's end of the link.

mod instance;

pub use instance::{Instance, Output, binary, must_run, payload, scratch};
