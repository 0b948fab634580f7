//! What is measured.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One row of the table.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// One stream from the stack to the kernel.
    Out,
    /// One stream from the kernel to the stack.
    In,
    /// Eight streams from the stack to the kernel.
    Out8,
    /// Eight streams from the kernel to the stack.
    In8,
    /// One byte there and back over TCP, again and again.
    Rr,
    /// The same while the stack polls without sleeping.
    RrBusy,
    /// Connect, one byte there and back, close, again and again.
    Crr,
    /// UDP echo with 64 datagrams under way.
    Udp,
    /// One stream out through a bridge.
    BridgeOut,
    /// One stream in through a bridge.
    BridgeIn,
    /// One stream out through a bridge that drops one data packet in a hundred at random.
    LossOut,
    /// One stream in through the same bridge.
    LossIn,
    /// Memory for a connection that is open and silent.
    Idle,
    /// The 99th percentile of one byte there and back beside 100 streams.
    Fair,
}

impl Row {
    /// Its name on the command line and in files.
    pub fn id(self) -> &'static str {
        match self {
            Row::Out => "out",
            Row::In => "in",
            Row::Out8 => "out8",
            Row::In8 => "in8",
            Row::Rr => "rr",
            Row::RrBusy => "rr-busy",
            Row::Crr => "crr",
            Row::Udp => "udp",
            Row::BridgeOut => "bridge-out",
            Row::BridgeIn => "bridge-in",
            Row::LossOut => "loss-out",
            Row::LossIn => "loss-in",
            Row::Idle => "idle",
            Row::Fair => "fair",
        }
    }

    /// What it says in a table, with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Row::Out => "stack -> kernel, Gbit/s",
            Row::In => "kernel -> stack, Gbit/s",
            Row::Out8 => "8 streams out, Gbit/s",
            Row::In8 => "8 streams in, Gbit/s",
            Row::Rr => "TCP request/response, 1/s",
            Row::RrBusy => "the same, busy polling, 1/s",
            Row::Crr => "connect, 1 byte, close, 1/s",
            Row::Udp => "UDP echo, 64 under way, 1/s",
            Row::BridgeOut => "out through a bridge, Gbit/s",
            Row::BridgeIn => "in through a bridge, Gbit/s",
            Row::LossOut => "out, 1 % lost, Gbit/s",
            Row::LossIn => "in, 1 % lost, Gbit/s",
            Row::Idle => "idle connection, bytes",
            Row::Fair => "p99 beside 100 streams, ms",
        }
    }

    /// Whether more is better.
    pub fn more_is_better(self) -> bool {
        !matches!(self, Row::Idle | Row::Fair)
    }

    /// Whether the value is a rate of bytes, in Gbit/s.
    pub fn is_bulk(self) -> bool {
        use Row::*;
        matches!(self, Out | In | Out8 | In8 | BridgeOut | BridgeIn | LossOut | LossIn)
    }

    /// Whether client and stack talk through a bridge.
    pub(super) fn is_bridged(self) -> bool {
        matches!(self, Row::BridgeOut | Row::BridgeIn) || self.loses()
    }

    /// Whether the bridge drops packets.
    pub(super) fn loses(self) -> bool {
        matches!(self, Row::LossOut | Row::LossIn)
    }

    /// Whether what counts is how soon a sleeping process is awake: idle processors are then kept
    /// from sleeping, since the depth of their sleep is the machine's affair.
    pub(super) fn is_latency(self) -> bool {
        matches!(self, Row::Rr | Row::RrBusy | Row::Crr | Row::Udp | Row::Fair)
    }

    /// How long it is measured where a steady row is measured for `seconds`: chance has to even
    /// out where packets are lost.
    pub(super) fn window(self, seconds: f64) -> Duration {
        Duration::from_secs_f64(if self.loses() { 4.0 * seconds } else { seconds })
    }

    /// Connections that are open at a time, as a stack with fixed places for them has to know.
    pub(super) fn connections(self) -> usize {
        match self {
            Row::Out8 | Row::In8 => 8,
            Row::Idle => IDLE,
            Row::Fair => STREAMS + 1,
            _ => 1,
        }
    }
}

/// Connections of [`Row::Idle`].
pub(super) const IDLE: usize = 2000;
/// Streams of [`Row::Fair`], half of them in each direction.
pub(super) const STREAMS: usize = 100;
/// Datagrams under way in [`Row::Udp`].
pub(super) const OUTSTANDING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_one_name_on_the_command_line_and_in_files() {
        for row in Row::value_variants() {
            assert_eq!(row.to_possible_value().unwrap().get_name(), row.id());
            assert_eq!(serde_json::to_string(row).unwrap(), format!("{:?}", row.id()));
        }
    }
}
