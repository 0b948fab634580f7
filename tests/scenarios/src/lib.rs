//! What one packet costs a stack, from the device to the socket and back.
//!
//! A [`Scenario`] makes two whole stacks on virtual time, joined by a wire in memory, and brings
//! them to where every step is as the one before: a segment of one byte in, one out, 64 KiB, a
//! connection from SYN to FIN. Of each step only what [`counted`] runs belongs to the stack that
//! is looked at; the rest is its peer's. The program `scenario` counts the instructions there, by
//! [`callgrind`]; benches time whole steps, both ends together.
//!
//! Two runs do the same to the last instruction: time is an argument, and seeds are constants.

pub mod callgrind;
mod connections;
mod datagrams;
pub mod growth;
mod idle;
mod pair;
mod region;
mod streams;

pub use pair::{Pair, Side};
pub use region::{counted, without_counting};

/// Does the next step.
pub type Step = Box<dyn FnMut()>;

/// Something that happens to a stack again and again.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// As the table of figures calls it.
    pub name: &'static str,
    /// What is counted, in a line.
    pub about: &'static str,
    /// Brings the stacks to where the steps begin.
    pub make: fn() -> Step,
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "tcp-1-byte-in",
        about: "a segment with one byte comes in, and the byte is read",
        make: streams::byte_in,
    },
    Scenario {
        name: "tcp-1-byte-out",
        about: "one byte is written, and its segment goes out",
        make: streams::byte_out,
    },
    Scenario {
        name: "tcp-64k-in",
        about: "65,160 bytes come in as one segment, and are read",
        make: || streams::bulk_in(pair::OFFLOAD),
    },
    Scenario {
        name: "tcp-64k-out",
        about: "65,160 bytes are written, and go out as one segment",
        make: || streams::bulk_out(pair::OFFLOAD),
    },
    Scenario {
        name: "tcp-64k-ack",
        about: "the acknowledgment of 65,160 bytes comes in",
        make: || streams::acknowledged(pair::OFFLOAD),
    },
    Scenario {
        name: "tcp-64k-in-plain",
        about: "65,160 bytes come in as 45 segments without offload, and are read",
        make: || streams::bulk_in(pair::PLAIN),
    },
    Scenario {
        name: "tcp-64k-out-plain",
        about: "65,160 bytes are written, and go out as 45 segments without offload",
        make: || streams::bulk_out(pair::PLAIN),
    },
    Scenario {
        name: "tcp-64k-ack-plain",
        about: "what acknowledges 45 segments comes in",
        make: || streams::acknowledged(pair::PLAIN),
    },
    Scenario {
        name: "udp-echo",
        about: "a datagram of 64 bytes comes in, is read, and goes back",
        make: datagrams::echo,
    },
    Scenario {
        name: "tcp-accept-close",
        about: "a connection from its SYN to TIME-WAIT's end, one byte each way, as its server",
        make: connections::served,
    },
    Scenario {
        name: "tcp-connect-close",
        about: "the same as its client, which closes first",
        make: connections::asked_for,
    },
    Scenario {
        name: "poll-idle",
        about: "a poll with nothing to do, beside one connection",
        make: || idle::poll(1),
    },
    Scenario {
        name: "poll-idle-10000",
        about: "a poll with nothing to do, beside 10,000 connections",
        make: || idle::poll(10_000),
    },
    Scenario {
        name: "tcp-1-byte-in-10000",
        about: "as tcp-1-byte-in, beside 10,000 idle connections",
        make: || idle::byte_in(10_000),
    },
];

/// The one of that name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
