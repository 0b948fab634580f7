//! Programs for hosts: what labs and tests need again and again.

mod bulk;
mod content;
mod echo;
mod ping;
mod request;
mod traceroute;
mod visitor;

pub use bulk::{Receiver, Sender};
pub use echo::EchoServer;
pub use ping::Pinger;
pub use request::Requester;
pub use traceroute::Traceroute;
pub use visitor::Visitor;
