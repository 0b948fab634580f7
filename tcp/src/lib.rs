//! Reliable byte streams (RFC 9293).
mod api;
mod drop_reason;
mod info;
mod options;
mod segment;
mod seq;
mod settings;
mod small;
mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use api::{Input, Shutdown, Streams};
pub use drop_reason::DropReason;
pub use info::{CaState, Info, NegotiatedOptions, Timer};
pub use options::{Malformed, Options, SackBlock, Timestamps, Wire};
pub use segment::{Flags, Segment};
pub use seq::SeqNum;
pub use settings::{KeepAlive, Notice, ReceiveFlags, SendFlags, Setting, Settings, Stage};
pub use small::SmallTcp;
pub use state::State;
