//! The IP options of received datagrams (RFC 791 §3.1, RFC 1122 §3.2.1.8).

use crate::Cause;
use crate::wire::MIN_HEADER;

const END: u8 = 0;
const NOP: u8 = 1;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// Walks a received header's options; `Err` is what the source is to be told.
pub(crate) fn check(options: &[u8]) -> Result<(), Cause> {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let rest = &options[at..];
        match kind {
            END => return Ok(()),
            NOP => {
                at += 1;
                continue;
            }
            _ => {}
        }
        // RFC 792: the pointer names the byte that makes no sense.
        let problem =
            |byte: usize| Cause::ParameterProblem { pointer: (MIN_HEADER + at + byte) as u8 };
        let len = usize::from(*rest.get(1).ok_or(problem(0))?);
        if len < 2 || len > rest.len() {
            return Err(problem(1));
        }
        if matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE) {
            let pointer = usize::from(*rest[..len].get(2).ok_or(problem(1))?);
            if pointer < 4 {
                return Err(problem(2));
            }
            // RFC 1122 §3.3.5 lets a host refuse to be a hop of a source route; it may still be
            // the end of one, where the pointer is beyond the list.
            if pointer <= len {
                return Err(Cause::SourceRouteFailed);
            }
        }
        at += len;
    }
    Ok(())
}

/// The options that a later fragment carries too: those with the copied flag, the top bit of the
/// kind (RFC 791 §3.1).
pub(crate) fn copied(options: &[u8]) -> Vec<u8> {
    let mut copied = Vec::new();
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let len = match kind {
            END => break,
            NOP => 1,
            _ => options.get(at + 1).map_or(0, |len| usize::from(*len)),
        };
        let Some(option) = options.get(at..at + len).filter(|option| !option.is_empty()) else {
            break;
        };
        if kind & 0x80 != 0 {
            copied.extend_from_slice(option);
        }
        at += len;
    }
    copied
}
