//! Packet scripts: the packetdrill language, run in this process on virtual time.
//!
//! A script plays a TCP's peer and its user at once: it injects packets, makes socket calls, and
//! says which packets must come out, with which fields, at what time. [`run`] runs one against any
//! [`tcp::Streams`]; the binary `pkt` runs files and folders of them. No root, no device, no clock:
//! an hour of script time is done when the machine has said all that it has to say in it.
//!
//! ```
//! use tests::pkt::{Options, Outcome, run};
//! let script = "
//!     0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//!    +0 bind(3, ..., ...) = 0
//!    +0 listen(3, 1) = 0
//!    +0 < S 0:0(0) win 20000 <mss 1000>
//!    +0 > S. 0:0(0) ack 1 <mss 1460>
//!   +.1 < . 1:1(0) ack 1 win 20000
//!    +0 accept(3, ..., ...) = 4
//!    +0 close(4) = 0
//!    +0 > F. 1:1(0) ack 1
//! ";
//! assert!(matches!(run(script, &Options::default()), Outcome::Pass));
//! ```
//!
//! # The way of a script
//!
//! `text` reads characters, `parse` (with `parse_packet`, `expression`, `code`) makes a `script` of
//! them, and `machine` walks its events: `shell` turns the settings it asks for into a
//! [`tcp::Config`]; `traffic` injects packets and takes those that come out, which `wire` makes and
//! reads; `compare` holds these against what was expected; `calls` (with `options`, `messages`,
//! `wait`) makes the socket calls with the meaning that they have in C. `info` is `tcp_info`.
//!
//! # What it means
//!
//! - A time is absolute (`1.5`), after the end of the event before (`+.1`), a range (`+.1~+.2`), or
//!   any (`*`). A packet may be off by 4 ms or an eighth of the time since the event before,
//!   whichever is more.
//! - Sequence numbers count from the SYN's of each side. Windows are compared where `win` is given,
//!   options always (exactly, in order) unless `<...>`; PSH only with [`Options::compare_psh`],
//!   since it says more of a kernel's segmentation offload than of TCP.
//! - An expected packet longer than the MSS stands for consecutive full segments, whose last gives
//!   flags, options and time.
//! - The values of timestamps are compared under `--tcp_ts_tick_usecs`, counted from the first one.
//!   An injected echo is translated to what was sent.
//! - At one and the same time, what the script does comes before timers.
//! - What is sent must be expected: the next `>` takes the oldest packet that was not. What is sent
//!   after the last `>` is nobody's business.
//! - Files are of zeros: those that `dd` or `truncate` has made. An edge-triggered epoll tells of what
//!   came up since: room to write only where somebody has missed it.
//! - A blocking call (`T1...T2`) goes on while packets go by, and has to end at T2.
//! - What cannot be done with the TCP at hand, or not at all (IPv6, UDP, Fast Open, tc, …), makes a
//!   script unsupported, with the line and the reason; never passed.

mod calls;
mod code;
mod compare;
mod config;
mod constants;
mod expression;
mod fds;
mod info;
mod machine;
mod messages;
mod network;
mod options;
mod parse;
mod parse_packet;
mod report;
mod script;
mod shell;
mod text;
mod traffic;
mod wait;
mod wire;

#[cfg(test)]
mod tests;

pub use config::{IMPLEMENTATIONS, Implementation, Options};
pub use report::{Failure, Outcome};

/// Runs a script. A TCP that panics has failed it.
pub fn run(source: &str, options: &Options) -> Outcome {
    let attempt = || {
        let script = parse::script(source)?;
        machine::Machine::new(options, &script)?.run(&script)
    };
    match std::panic::catch_unwind(attempt) {
        Ok(Ok(())) => Outcome::Pass,
        Ok(Err(report::Stop::Failed(failure))) => Outcome::Fail(failure),
        Ok(Err(report::Stop::Unsupported { line, reason })) => {
            Outcome::Unsupported { line, reason }
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            let reason = format!("it panics: {text}");
            Outcome::Fail(Failure { line: 0, reason, difference: None, trace: Vec::new() })
        }
    }
}
