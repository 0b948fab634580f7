//! Which packets are meant: a small part of the language of pcap-filter(7), read, printed, and held
//! against packets.
//!
//! ```text
//! ip | ip6 | arp | tcp | udp | icmp | igmp | ip proto N       what it is
//! [ip|arp] [src|dst] host ADDR                               an address, of ARP as well
//! [ip|arp] [src|dst] net ADDR/LEN | 10.1                     a network
//! [tcp|udp] [src|dst] port N | portrange N-N                 a port
//! ether [src|dst] host MAC                                   a link address
//! syn | fin | rst | psh | ack | urg                          a flag of TCP's that is set
//! less N | greater N                                         bytes of the whole packet
//! not EXPR, EXPR and EXPR, EXPR or EXPR, (EXPR)
//! ```
//!
//! `src 10.0.0.1` means `src host 10.0.0.1`, `port 80 or 443` means both ports. As in the
//! original, `and` and `or` bind alike, from left to right; and a fragment other than the first has
//! no ports. The words for TCP's flags are ours.
//!
//! ```
//! use netdev::Medium;
//! use shell::filter::Filter;
//!
//! let filter: Filter = "udp src port 53 or icmp".parse().unwrap();
//! assert_eq!(filter.to_string(), "udp src port 53 or icmp");
//! let mut ping = [0u8; 28];
//! (ping[0], ping[9]) = (0x45, 1);
//! assert!(filter.matches(Medium::Ip, &ping));
//! let error = "host 10.0.0.1 and prot 7".parse::<Filter>().unwrap_err();
//! assert_eq!((error.column, error.word.as_str()), (19, "prot"));
//! ```

mod lex;
mod matching;
mod parse;
mod print;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use netdev::MacAddr;

pub use parse::SyntaxError;

/// Which packets are meant; the empty one means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(pub Option<Expr>);

/// An expression that a packet fulfils or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// One question.
    Is(Primitive),
    /// The opposite.
    Not(Box<Expr>),
    /// Several, from left to right: `and` and `or` bind alike.
    Chain {
        /// The first.
        first: Box<Expr>,
        /// What is joined to all before it; not empty.
        rest: Vec<(Joint, Expr)>,
    },
}

/// How an expression is joined to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// Both.
    And,
    /// Either.
    Or,
}

/// One question about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// What it is.
    Kind(Kind),
    /// IPv4 with this protocol.
    Proto(u8),
    /// From or to a network; a host is one of 32 bits.
    Net {
        /// Only by this protocol; `None`: IPv4 and ARP.
        of: Option<NetKind>,
        /// Only this side.
        side: Side,
        /// Its address, with zeros behind the prefix.
        addr: Ipv4Addr,
        /// Bits of prefix, 0 to 32.
        prefix: u8,
    },
    /// From or to a port.
    Port {
        /// Only by this transport; `None`: TCP and UDP.
        of: Option<PortKind>,
        /// Only this side.
        side: Side,
        /// The lowest of them.
        first: u16,
        /// The highest, not below it.
        last: u16,
    },
    /// From or to a link address.
    Ether(Side, MacAddr),
    /// A flag of TCP that is set.
    Flag(Flag),
    /// So many bytes at most.
    Less(u32),
    /// So many bytes at least.
    Greater(u32),
}

/// Makes an enum of words: each is written and printed as it says.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every one.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// How it is written.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

words! {
    /// What a packet is.
    Kind {
        /// IPv4.
        Ip = "ip",
        /// IPv6.
        Ip6 = "ip6",
        /// ARP.
        Arp = "arp",
        /// TCP, over IPv4 or IPv6.
        Tcp = "tcp",
        /// UDP, over IPv4 or IPv6.
        Udp = "udp",
        /// ICMP over IPv4.
        Icmp = "icmp",
        /// IGMP.
        Igmp = "igmp",
    }
}

words! {
    /// What has network addresses.
    NetKind {
        /// IPv4.
        Ip = "ip",
        /// ARP.
        Arp = "arp",
    }
}

words! {
    /// What has ports.
    PortKind {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

words! {
    /// A flag of TCP.
    Flag {
        /// No more from the sender.
        Fin = "fin",
        /// Synchronize sequence numbers.
        Syn = "syn",
        /// Reset.
        Rst = "rst",
        /// Push.
        Psh = "psh",
        /// The acknowledgment counts.
        Ack = "ack",
        /// The urgent pointer counts.
        Urg = "urg",
    }
}

/// Which end of a packet is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Src,
    /// Where it goes.
    Dst,
    /// One of them.
    Either,
}
