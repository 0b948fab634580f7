//! Next hop to link address (RFC 826).
mod api;

pub use api::{Change, Entry, Error, Event, Link, Resolver, State};
