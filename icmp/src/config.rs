//! What ICMP can be told.

use ip::{Tos, Ttl};

/// The settings of [`Icmp`](crate::Icmp).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The TTL of everything sent: never that of what is answered.
    pub ttl: Ttl,
    /// The service class of errors: precedence 6, "internetwork control", as RFC 1812 §4.3.2.5
    /// recommends. Echo replies have that of their request (RFC 1349 §5.1).
    pub error_tos: Tos,
    /// Errors a second in the long run (RFC 1812 §4.3.2.8 wants a limit; the numbers are those of
    /// Linux, icmp_msgs_per_sec and icmp_msgs_burst). Echo replies are not limited, nor errors
    /// that stay within this host.
    pub errors_per_second: u32,
    /// Errors at once after a quiet time; a quarter less at random.
    pub error_burst: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ttl: Ttl::DEFAULT,
            error_tos: Tos(6 << 5),
            errors_per_second: 1000,
            error_burst: 50,
        }
    }
}
