//! The bodies of the fuzz targets: each takes whatever bytes there are and panics where something
//! that must always hold does not.
//!
//! The fuzzer of `tests/fuzz` calls them from one line each, and `tests/fuzz_corpora.rs` gives them
//! every committed input on every run of the tests. What they hold the code against is listed in
//! `tests/fuzz/README.md`.

mod choices;
mod forge;
mod layers;
mod stack;
mod tcp;
mod text;
mod wire;

pub use layers::{arp_input, icmp_input, ip_input, udp_input};
pub use stack::stack;
pub use tcp::{tcp_input, tcp_small_input};
pub use text::{packet_filter, packet_script, quantities, shell_line, tapip_toml};
pub use wire::{dump, ethernet_port, quoted, tcp_segment, unix_link, vnet_header};

/// A fuzz target's body.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its file in `fuzz_targets` and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("arp_input", arp_input),
    ("dump", dump),
    ("ethernet_port", ethernet_port),
    ("icmp_input", icmp_input),
    ("ip_input", ip_input),
    ("packet_filter", packet_filter),
    ("packet_script", packet_script),
    ("quantities", quantities),
    ("quoted", quoted),
    ("shell_line", shell_line),
    ("stack", stack),
    ("tapip_toml", tapip_toml),
    ("tcp_input", tcp_input),
    ("tcp_segment", tcp_segment),
    ("tcp_small_input", tcp_small_input),
    ("udp_input", udp_input),
    ("unix_link", unix_link),
    ("vnet_header", vnet_header),
];
