//! # The net shell
//!
//! ```text
//!  app      wires concrete layers into the `tapip` binary
//!  shell    <- you are here
//!  socket   sockets, the stack that carries them, its event loop
//!  tcp  udp  icmp
//!  ip
//!  arp
//!  netdev
//! ```
//!
//! A person's, or a script's, way into a running stack: commands over its sockets (`ping`, `nc`,
//! `serve`) and over the views that it gives of itself (`arpcache`, `route`, `ifconfig`, `ss`,
//! `stat`). It knows no layer but through [`socket::Net`].
//!
//! ## The tour
//!
//! - `shell.rs`: [`Shell`] reads lines, from a terminal, a text or standard input, and runs them.
//! - [`lexer`]: from a line to commands and words: quotes, `;`, `!CMD`.
//! - [`commands`]: the [`Command`](commands::Command) trait, and one command a file. One tree of
//!   clap's parses them, explains them and completes them.
//! - `services/`: what `serve` serves: echo, discard and chargen (RFC 862, 863, 864) over TCP and
//!   UDP, and a web server for one directory (RFC 9110, 9112). They run as [`Jobs`].
//! - [`filter`] and [`traceroute`]: the parts of those commands that need neither sockets nor a
//!   clock.
//! - [`Interrupt`]: ^C ends the running command, never the shell; whatever waits is woken by it.
//! - [`Terminal`]: everything printed goes through it, so that log lines never tear the prompt.
//! - `waiter.rs`: how a command waits for a socket and for ^C at once.
//!
//! ## What it does not do
//!
//! No pipes and variables, no job control beyond `jobs`, `kill`
//! and `wait`: `!CMD` has a Unix shell for that. The web server has no caching, no compression
//! and no bodies of requests. The numbers of `ping` begin at 1, as those of ping(8) do, where
//! tapip's began at 0; a UDP service does not answer other services' ports, where two of them
//! would talk to each other for ever.
//!
//! ## A command of one's own
//!
//! A file in `commands/` with a type that implements [`Command`](commands::Command), and a line
//! in [`commands::ALL`]. What it prints goes to [`Context::out`], and where it waits it watches
//! [`Context::interrupt`]; then help, completion, ^C and the tests' capture work by themselves.
//!
//! ```
//! use shell::lexer::{Item, parse};
//!
//! let line = parse("serve http 8080 'my files'; !curl -s http://10.0.0.1:8080/").unwrap();
//! assert_eq!(line[0], Item::Words(vec!["serve".into(), "http".into(), "8080".into(), "my files".into()]));
//! assert_eq!(line[1], Item::Host("curl -s http://10.0.0.1:8080/".into()));
//! ```

pub mod commands;
mod complete;
mod context;
mod debug;
pub mod filter;
mod input;
mod interrupt;
mod jobs;
pub mod lexer;
mod services;
mod shell;
mod status;
mod sys;
mod table;
mod terminal;
pub mod traceroute;
mod waiter;

pub use complete::completions;
pub use context::{Context, Environment, HostCommand, HostEnd};
pub use debug::{DebugSwitch, DebugTarget, NoDebug};
pub use input::{Input, ReadResult};
pub use interrupt::{Hook, Interrupt};
pub use jobs::{Jobs, Waited};
pub use shell::Shell;
pub use status::ExitStatus;
pub use terminal::{Captured, Terminal};
