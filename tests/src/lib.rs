//! What crosses layers, and tools for testing it.
//!
//! - [`sim`]: a simulated network of hosts, switches, routers and bad links, on virtual time.
//! - [`virtual_net`]: whole stacks on virtual time, joined by wires in memory; [`probe`]: the far
//!   end of such a wire, held by the test. No device, no thread, no clock.
//! - [`grid`]: a transfer over a path of some bandwidth, round trip and trouble, on virtual time.
//! - [`fuzzing`]: what the fuzz targets of `tests/fuzz` do with their bytes.
//! - [`soak`]: rounds of tests from fresh seeds, for as long as one likes; [`graded`]: whom the
//!   conformance kits are held against.
//! - [`pkt`]: packet scripts, run on virtual time.
//! - [`test_functions`], [`links`], [`defines`]: what the sources and the documents say.
//! - [`mod@bench`]: our stack beside others, measured.
//! - [`Instance`] runs the `tapip` binary as a user would: it makes its own namespace, its shell
//!   reads our commands, and [`Instance::host`] runs programs at the kernel's end of the link.

#[cfg(target_os = "linux")]
pub mod bench;
#[cfg(not(target_os = "linux"))]
#[path = "bench/elsewhere.rs"]
pub mod bench;
pub mod fuzzing;
pub mod graded;
pub mod grid;
mod instance;
pub mod pkt;
pub mod probe;
mod reading;
pub mod sim;
pub mod soak;
pub mod virtual_net;

pub use instance::{Instance, Output, binary, must_run, payload, scratch, sources, workspace};
pub use reading::{defines, links, test_functions};
