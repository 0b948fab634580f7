//! Who is measured.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Row;

/// A stack, with or without offload.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stack {
    /// Ours: `tapip` and the services of its shell, a thread a connection.
    Tapip,
    /// Ours without offload.
    TapipPlain,
    /// Ours, linked into a server of one thread, as the others are.
    TapipLib,
    /// smoltcp on a TAP, by its own device.
    Smoltcp,
    /// The kernel's TCP over a veth pair.
    Kernel,
    /// The same without offload.
    KernelPlain,
    /// A program that only floods and acknowledges: what the TAP allows.
    Ideal,
    /// The same without offload.
    IdealPlain,
    /// lwIP on a TAP (`--peers`).
    Lwip,
    /// gVisor's netstack on a TAP (`--peers`).
    Gvisor,
}

impl Stack {
    /// Its name on the command line, in tables and files.
    pub fn id(self) -> &'static str {
        match self {
            Stack::Tapip => "tapip",
            Stack::TapipPlain => "tapip-plain",
            Stack::TapipLib => "tapip-lib",
            Stack::Smoltcp => "smoltcp",
            Stack::Kernel => "kernel",
            Stack::KernelPlain => "kernel-plain",
            Stack::Ideal => "ideal",
            Stack::IdealPlain => "ideal-plain",
            Stack::Lwip => "lwip",
            Stack::Gvisor => "gvisor",
        }
    }

    /// Whether checksums and segmentation are left to the other end.
    pub fn offloads(self) -> bool {
        matches!(self, Stack::Tapip | Stack::TapipLib | Stack::Kernel | Stack::Ideal)
    }

    /// Whether it is ours.
    pub fn is_ours(self) -> bool {
        self.is_tapip() || self == Stack::TapipLib
    }

    /// Whether it is our binary, as its options say.
    pub fn is_tapip(self) -> bool {
        matches!(self, Stack::Tapip | Stack::TapipPlain)
    }

    /// Whether it is the kernel's own, on a veth pair instead of a TAP.
    pub(super) fn is_kernel(self) -> bool {
        matches!(self, Stack::Kernel | Stack::KernelPlain)
    }

    fn is_ideal(self) -> bool {
        matches!(self, Stack::Ideal | Stack::IdealPlain)
    }

    /// Whether it comes with `--peers` only.
    pub(super) fn is_extra(self) -> bool {
        matches!(self, Stack::Lwip | Stack::Gvisor)
    }

    /// Whether `row` means anything for this one.
    pub fn has(self, row: Row) -> bool {
        match row {
            Row::RrBusy => self.is_tapip() || self.is_ideal() || self == Stack::Smoltcp,
            // A bridge drops a packet that stands for many as one, so both are measured without
            // offload; and the ideal cannot do without a packet.
            Row::BridgeOut | Row::BridgeIn | Row::LossOut | Row::LossIn => {
                !self.offloads() && !self.is_ideal()
            }
            // The kernel's memory is not its server's, the ideal keeps nothing, and smoltcp has all
            // that it will need from the start.
            Row::Idle => self.is_ours() || self.is_extra(),
            // Nobody asked it to be fair.
            Row::Fair => !self.is_ideal(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_one_name_on_the_command_line_and_in_files() {
        for stack in Stack::value_variants() {
            assert_eq!(stack.to_possible_value().unwrap().get_name(), stack.id());
            assert_eq!(serde_json::to_string(stack).unwrap(), format!("{:?}", stack.id()));
        }
    }

    #[test]
    fn every_row_is_measured_for_ours_and_for_a_peer() {
        for row in Row::value_variants() {
            let who = |ours| {
                Stack::value_variants()
                    .iter()
                    .any(|stack| stack.is_ours() == ours && stack.has(*row))
            };
            assert!(who(true) && who(false), "{row:?}");
        }
    }
}
