//! The whole machine on virtual time, segment by segment and against itself. What every TCP has
//! to do is tested in `tests/feature_set` for both implementations; here is what this one adds.

use std::time::Duration;

use crate::testing::{PEER, Script, Seg, Side, World, pattern, seg};
use crate::{Config, Setting, Shutdown, State, Streams, Tcp};

mod attacks;
mod closing;
mod cookies;
mod ecn;
mod hostile;
mod limits;
mod observed;
mod opening;
mod options;
mod path;
mod recovery;
mod reordering;
mod sack;
mod selective;
mod send_buffer;
mod surface;
mod timers;
mod validation;
mod window;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn tcp(config: Config, seed: u64) -> Box<dyn Streams> {
    Box::new(Tcp::new(config, seed))
}

fn script(config: Config) -> Script {
    Script::new(tcp(config, 1))
}

fn world(config: Config) -> World {
    World::new(1, tcp(config.clone(), 1), tcp(config, 2))
}

/// A SYN with what Linux offers.
fn full_syn() -> Seg {
    seg("S").seq(0).options(&FULL)
}

/// mss 1460, sackOK, TS val 100 ecr 0, nop, wscale 7.
const FULL: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0, 1, 3, 3, 7];

/// mss 1000, sackOK, three NOPs, wscale 7.
const WITHOUT_TIMESTAMPS: [u8; 12] = [2, 4, 3, 232, 4, 2, 1, 1, 1, 3, 3, 7];

/// A connection with SACK and without timestamps; the peer's MSS is 1000, its window is not scaled
/// less than 2^7.
fn with_sack(config: Config) -> Script {
    let mut script = script(config);
    let listener = script.host.listen(80, 5);
    script.inject(seg("S").seq(0).options(&WITHOUT_TIMESTAMPS));
    script.expect(seg("SA").seq(0).ack(1));
    script.peer_window = 320;
    script.inject(seg("A"));
    script.socket = Some(script.host.accept(listener).unwrap().0);
    script
}

/// Relative blocks as the option stands on the wire; `base` is the number of place 0.
fn sack_option(base: u32, blocks: &[(u32, u32)]) -> Vec<u8> {
    let mut options = vec![1, 1, 5, 2 + 8 * blocks.len() as u8];
    for (left, right) in blocks {
        options.extend(base.wrapping_add(*left).to_be_bytes());
        options.extend(base.wrapping_add(*right).to_be_bytes());
    }
    options
}

/// An option list with nothing but timestamps.
fn timestamps(value: u32, echo: u32) -> Vec<u8> {
    let mut options = vec![1, 1, 8, 10];
    options.extend(value.to_be_bytes());
    options.extend(echo.to_be_bytes());
    options
}

/// TSval and TSecr of a segment.
fn clocks(seen: &Seg) -> (u32, u32) {
    let option = seen.option(8).expect("timestamps");
    let half = |at: usize| u32::from_be_bytes(option[at..at + 4].try_into().expect("four bytes"));
    (half(0), half(4))
}
