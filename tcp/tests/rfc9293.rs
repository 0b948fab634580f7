//! Requirements of RFC 9293's appendix B that no other test is about, each under its label. The
//! handbook's table says which test stands for which requirement.

use std::time::Duration;

use ip::{Cause, Protocol, Quoted};
use tcp::testing::{Script, Seg, seg};
use tcp::{Config, Tcp};

#[path = "rfc9293/failures.rs"]
mod failures;
#[path = "rfc9293/interfaces.rs"]
mod interfaces;
#[path = "rfc9293/opening.rs"]
mod opening;
#[path = "rfc9293/receiving.rs"]
mod receiving;
#[path = "rfc9293/sending.rs"]
mod sending;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn script(config: Config) -> Script {
    Script::new(Box::new(Tcp::new(config, 1)))
}

/// A host with one established connection, on port 80.
fn established() -> Script {
    let mut script = script(Config::default());
    script.accept_one(80);
    script
}

/// An ICMP error comes back that quotes a segment as it was sent.
fn icmp(script: &mut Script, cause: Cause, sent: &Seg) {
    let (src, dst) = (sent.src.unwrap(), sent.dst.unwrap());
    let mut payload = [src.port(), dst.port()].map(u16::to_be_bytes).concat();
    payload.extend(sent.seq.unwrap().to_be_bytes());
    let (src, dst, protocol) = (src.ip(), dst.ip(), Protocol::TCP);
    let quoted = Quoted { src, dst, protocol, total_len: 1500, payload };
    script.host.call(|tcp, now, out| tcp.error(now, cause, &quoted, out));
}

/// A SYN with an MSS of 1460 and timestamps.
fn syn_with_timestamps(value: u32) -> Seg {
    seg("S").seq(0).options(&[&[2, 4, 5, 180][..], &timestamps(value, 0)].concat())
}

/// A timestamps option.
fn timestamps(value: u32, echo: u32) -> Vec<u8> {
    [&[1, 1, 8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat()
}
