//! Control messages (RFC 792).
mod api;
mod drop_reason;

pub use api::{ControlMessages, Input, Suppressed};
pub use drop_reason::DropReason;
