//! Sockets, the stack that carries them, and its event loop.

mod bell;
mod calls;
mod configure;
mod core;
mod drop_reason;
mod error;
mod event_loop;
mod interfaces;
mod links;
mod net;
mod poller;
mod raw;
mod raw_socket;
mod socket;
mod stack;
mod sys;
mod tcp_listener;
mod tcp_stream;
#[cfg(test)]
mod testing;
mod udp_socket;
mod views;
mod waiters;

pub use calls::RawOutput;
pub use configure::ConfigError;
pub use drop_reason::DropReason;
pub use net::Net;
pub use poller::{Event, Interest, Mode, Poller};
pub use raw::{RawInfo, RawReceived, RawSetting, RawSockets};
pub use raw_socket::RawSocket;
pub use socket::{Pollable, Socket};
pub use stack::{Layers, Progress, Stack};
pub use tcp_listener::{Incoming, ListenOptions, TcpListener};
pub use tcp_stream::{ConnectOptions, TcpStream};
pub use udp_socket::UdpSocket;
pub use views::{InterfaceView, LayerCounters};
