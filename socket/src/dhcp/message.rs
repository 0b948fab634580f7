//! A message (RFC 2131 §2), as it lies in a datagram.

use std::net::Ipv4Addr;

use netdev::MacAddr;

use super::options::{Options, code};

/// What a message begins with before its options.
const FIXED: usize = 236;
/// RFC 2131 §3.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// RFC 1542 §2.1: BOOTP's messages, and so these, are 300 bytes at least; relays may drop others.
const SHORTEST: usize = 300;
/// Where `sname` and `file` lie.
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..FIXED;
/// The flag that asks servers for answers by broadcast.
const BROADCAST: u16 = 0x8000;

/// RFC 2131 §3.1, table 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Discover,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
    Inform,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Discover,
        Kind::Offer,
        Kind::Request,
        Kind::Decline,
        Kind::Ack,
        Kind::Nak,
        Kind::Release,
        Kind::Inform,
    ];

    fn number(self) -> u8 {
        self as u8 + 1
    }

    fn of(number: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// What makes bytes no message, or none for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than a message without options.
    #[error("shorter than a DHCP message")]
    Short,
    /// Not DHCP, or not about Ethernet.
    #[error("not a DHCP message for Ethernet")]
    Foreign,
    /// An option that is longer than what holds it.
    #[error("options that run over their end")]
    Options,
    /// An option whose data is not what it has to be.
    #[error("a malformed option {0}")]
    Option(u8),
    /// It does not say which message it is.
    #[error("no DHCP message type")]
    NoKind,
}

/// A message, with the fields that a client or a server of one link uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which one.
    pub kind: Kind,
    /// Whether a server sent it.
    pub reply: bool,
    /// The transaction that it belongs to.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Whether answers must be broadcast.
    pub broadcast: bool,
    /// The client's address, where it has one already.
    pub ciaddr: Ipv4Addr,
    /// The address that the server gives.
    pub yiaddr: Ipv4Addr,
    /// The client's link address.
    pub chaddr: MacAddr,
    /// Everything else.
    pub options: Options,
}

impl Message {
    /// A message without addresses and options.
    pub fn new(kind: Kind, reply: bool, xid: u32, chaddr: MacAddr) -> Message {
        let none = Ipv4Addr::UNSPECIFIED;
        Message {
            kind,
            reply,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: none,
            yiaddr: none,
            chaddr,
            options: Options::default(),
        }
    }

    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
        let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or(Malformed::Short)?;
        let rest = rest.strip_prefix(&COOKIE).ok_or(Malformed::Foreign)?;
        let reply = match fixed[..3] {
            [1, 1, 6] => false,
            [2, 1, 6] => true,
            _ => return Err(Malformed::Foreign),
        };
        let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|n| fixed[at + n]));
        let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let mut options = Options::default();
        options.read(rest)?;
        // RFC 2131 §4.1, RFC 3396 §5: `file` comes before `sname`.
        let overload = options.byte(code::OVERLOAD)?.unwrap_or(0);
        if overload & 1 != 0 {
            options.read(&fixed[FILE])?;
        }
        if overload & 2 != 0 {
            options.read(&fixed[SNAME])?;
        }
        let kind = options.byte(code::MESSAGE_TYPE)?.and_then(Kind::of).ok_or(Malformed::NoKind)?;
        Ok(Message {
            kind,
            reply,
            xid: word(4),
            secs: half(8),
            broadcast: half(10) & BROADCAST != 0,
            ciaddr: word(12).into(),
            yiaddr: word(16).into(),
            chaddr: MacAddr([28, 29, 30, 31, 32, 33].map(|at| fixed[at])),
            options,
        })
    }

    /// The wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![if self.reply { 2 } else { 1 }, 1, 6, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(if self.broadcast { BROADCAST } else { 0 }.to_be_bytes());
        bytes.extend(self.ciaddr.octets());
        bytes.extend(self.yiaddr.octets());
        // siaddr and giaddr: a boot server and a relay fill them in.
        bytes.extend([0; 8]);
        bytes.extend(self.chaddr.0);
        bytes.resize(FIXED, 0);
        bytes.extend(COOKIE);
        bytes.extend([code::MESSAGE_TYPE, 1, self.kind.number()]);
        let mut options = self.options.clone();
        options.remove(code::MESSAGE_TYPE);
        options.write(&mut bytes);
        bytes.resize(bytes.len().max(SHORTEST), code::PAD);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn offer() -> Message {
        let mut offer = Message::new(Kind::Offer, true, 0x1234_5678, MAC);
        offer.yiaddr = Ipv4Addr::new(10, 0, 0, 50);
        offer.options.set(code::SUBNET_MASK, [255, 255, 255, 0]);
        offer.options.set(code::MESSAGE_TYPE, [2]);
        offer
    }

    #[test]
    fn what_is_written_is_read() {
        let offer = offer();
        let bytes = offer.to_bytes();
        assert_eq!(bytes.len(), SHORTEST);
        assert_eq!(Message::parse(&bytes), Ok(offer));
    }

    /// RFC 2131 §4.1: options may go on in `file`, then in `sname`; RFC 3396: in parts.
    #[test]
    fn options_go_on_in_file_and_sname() {
        let mut bytes = offer().to_bytes();
        bytes.truncate(FIXED + 4);
        bytes.extend([code::MESSAGE_TYPE, 1, 2, code::OVERLOAD, 1, 3, code::DOMAIN, 2, b'a', b'b']);
        bytes.push(code::END);
        bytes[FILE.start..][..7].copy_from_slice(&[code::DOMAIN, 2, b'.', b'c', 0, 255, 9]);
        bytes[SNAME.start..][..4].copy_from_slice(&[code::DOMAIN, 1, b'd', 255]);
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(read.options.text(code::DOMAIN), Ok(Some("ab.cd".into())));
        // An option that runs over the end of its field does not go on in the next.
        bytes[FILE.end - 2..FILE.end].copy_from_slice(&[code::DOMAIN, 1]);
        bytes[FILE.start..FILE.end - 2].fill(0);
        assert_eq!(Message::parse(&bytes), Err(Malformed::Options));
    }

    #[test]
    fn long_options_are_sent_in_parts() {
        let mut offer = offer();
        offer.options.set(code::DOMAIN, vec![b'x'; 300]);
        let bytes = offer.to_bytes();
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(read.options.bytes(code::DOMAIN).unwrap().len(), 300);
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        let good = offer().to_bytes();
        assert_eq!(Message::parse(&good[..235]), Err(Malformed::Short));
        let changed = |at: usize, byte| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Message::parse(&bytes)
        };
        assert_eq!(changed(236, 0), Err(Malformed::Foreign), "the cookie");
        assert_eq!(changed(0, 3), Err(Malformed::Foreign), "neither request nor reply");
        assert_eq!(changed(1, 6), Err(Malformed::Foreign), "IEEE 802's number");
        assert_eq!(changed(2, 8), Err(Malformed::Foreign), "InfiniBand's length");
        assert_eq!(changed(242, 9), Err(Malformed::NoKind));
        assert_eq!(changed(241, 255), Err(Malformed::Options), "longer than the message");
    }

    #[test]
    fn options_of_a_wrong_length_are_refused() {
        let mut options = Options::default();
        options.set(code::ROUTER, [1, 2, 3, 4, 5]);
        options.set(code::DNS, []);
        options.set(code::LEASE_TIME, [1]);
        options.set(code::DOMAIN, [0]);
        options.set(code::HOST_NAME, *b"\x1b[2J");
        assert_eq!(options.addrs(code::ROUTER), Err(Malformed::Option(code::ROUTER)));
        assert_eq!(options.addrs(code::DNS), Err(Malformed::Option(code::DNS)));
        assert_eq!(options.time(code::LEASE_TIME), Err(Malformed::Option(code::LEASE_TIME)));
        assert_eq!(options.text(code::DOMAIN), Err(Malformed::Option(code::DOMAIN)));
        assert_eq!(options.text(code::HOST_NAME), Err(Malformed::Option(code::HOST_NAME)));
        assert_eq!(options.addr(code::SERVER_ID), Ok(None));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..700),
            shape in 0u8..3,
        ) {
            let mut bytes = bytes;
            // Most random bytes would be refused at the first look.
            if shape > 0 && bytes.len() > FIXED + 8 {
                bytes[..3].copy_from_slice(&[2, 1, 6]);
                bytes[FIXED..FIXED + 4].copy_from_slice(&COOKIE);
            }
            if shape > 1 && bytes.len() > FIXED + 8 {
                bytes[FIXED + 4..FIXED + 7].copy_from_slice(&[code::MESSAGE_TYPE, 1, 5]);
            }
            if let Ok(message) = Message::parse(&bytes) {
                // Read, written and read again, it is the same.
                let again = Message::parse(&message.to_bytes()).unwrap();
                let mut options = message.options.clone();
                options.remove(code::OVERLOAD);
                if message.options.bytes(code::OVERLOAD).is_none() {
                    proptest::prop_assert_eq!(&again.options, &options);
                }
                proptest::prop_assert_eq!((again.kind, again.yiaddr), (message.kind, message.yiaddr));
                let _ = super::super::Lease::read(&message, netdev::Instant::ZERO);
            }
        }
    }
}
