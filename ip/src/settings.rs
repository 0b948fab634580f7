//! What of IP can be set, and the limits of its tables.

use std::time::Duration;

/// Settings of a [`Router`](crate::Router). Interfaces and routes are not among them: they come
/// and go at run time, with [`Change`](crate::Change).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether datagrams for others are forwarded. Off: RFC 1122 §3.3.1, a host is no router
    /// unless somebody says so.
    pub forwarding: bool,
    /// How long fragments wait for the others, from the first one on.
    pub reassembly_timeout: Duration,
    /// Bytes that all incomplete datagrams may hold together.
    pub reassembly_bytes: usize,
    /// Bytes that those of one source may hold.
    pub reassembly_bytes_per_source: usize,
    /// Fragments of one datagram. 65,535 bytes over a link with the least MTU of 68 make 1,365.
    pub reassembly_fragments: usize,
    /// How long a path MTU is believed (RFC 1191 §6.3 recommends ten minutes).
    pub path_mtu_timeout: Duration,
    /// No message lowers a path MTU below this (RFC 1191 §3: never under 68).
    pub min_path_mtu: u16,
    /// How long a redirect is followed.
    pub redirect_timeout: Duration,
    /// Entries in each of the tables that messages from the network fill: path MTUs, redirects.
    pub learnt_entries: usize,
    /// Routes that can be set.
    pub max_routes: usize,
    /// Interfaces, and addresses on each.
    pub max_interfaces: usize,
    /// Group memberships, over all interfaces.
    pub max_groups: usize,
    /// Whether routers are told of them (RFC 3376).
    pub igmp: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            forwarding: false,
            reassembly_timeout: Duration::from_secs(30),
            reassembly_bytes: 4 << 20,
            reassembly_bytes_per_source: 1 << 20,
            reassembly_fragments: 1500,
            path_mtu_timeout: Duration::from_secs(600),
            min_path_mtu: MIN_MTU,
            redirect_timeout: Duration::from_secs(600),
            learnt_entries: 1024,
            max_routes: 4096,
            max_interfaces: 64,
            max_groups: 256,
            igmp: true,
        }
    }
}

/// RFC 791 §3.2: every link takes a datagram of 68 bytes whole, the longest header and eight
/// bytes of data.
pub(crate) const MIN_MTU: u16 = 68;

/// The largest number that the header's length field holds.
pub(crate) const MAX_DATAGRAM: usize = 65_535;
