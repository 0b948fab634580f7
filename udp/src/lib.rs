//! Datagrams with ports (RFC 768).
mod api;
mod drop_reason;

pub use api::{Datagrams, Info, Input, Received, Setting};
pub use drop_reason::DropReason;
