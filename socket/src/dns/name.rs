//! Domain names (RFC 1035 §3.1, §4.1.4).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::message::Malformed;

/// RFC 1035 §2.3.4.
const LONGEST_LABEL: usize = 63;
const LONGEST_NAME: usize = 255;
/// The two bits that set a pointer apart from a label.
const POINTER: u8 = 0xc0;

/// A name in its wire form, without compression: labels, each behind its length, and an empty one.
/// Names that differ in the case of letters are equal (RFC 1035 §2.3.3, RFC 4343).
#[derive(Clone)]
pub struct Name(Vec<u8>);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing between two dots, or nothing at all.
    #[error("an empty part in the name")]
    Empty,
    /// A part of more than 63 bytes, or more than 255 in all.
    #[error("the name is too long")]
    TooLong,
    /// Something that no host's name has. Names in other scripts have an ASCII form (`xn--`).
    #[error("`{0}` cannot be in a host's name")]
    Character(char),
}

impl Name {
    /// Reads the name at `at` in a message; `at` is behind it then. A pointer leads backwards only,
    /// so that there is no loop, and a name of names has an end.
    pub(super) fn read(message: &[u8], at: &mut usize) -> Result<Name, Malformed> {
        let mut name = Vec::new();
        let mut from = *at;
        // Where the part that is being read began: the next one must lie before it.
        let mut limit = *at;
        let mut jumped = false;
        loop {
            let len = *message.get(from).ok_or(Malformed::Name)?;
            let next = from + 1;
            match len & POINTER {
                POINTER => {
                    let low = *message.get(next).ok_or(Malformed::Name)?;
                    let target = usize::from(u16::from_be_bytes([len & !POINTER, low]));
                    if !jumped {
                        *at = next + 1;
                    }
                    if target >= limit {
                        return Err(Malformed::Name);
                    }
                    (from, limit, jumped) = (target, target, true);
                }
                0 => {
                    let end = next + usize::from(len);
                    name.extend_from_slice(message.get(from..end).ok_or(Malformed::Name)?);
                    if name.len() > LONGEST_NAME {
                        return Err(Malformed::Name);
                    }
                    if len == 0 {
                        if !jumped {
                            *at = end;
                        }
                        return Ok(Name(name));
                    }
                    from = end;
                }
                // RFC 1035 §4.1.4: reserved.
                _ => return Err(Malformed::Name),
            }
        }
    }

    /// The wire form.
    pub(super) fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// This name below `domain`.
    pub(super) fn below(&self, domain: &Name) -> Option<Name> {
        let mut wire = self.0[..self.0.len() - 1].to_vec();
        wire.extend_from_slice(&domain.0);
        (wire.len() <= LONGEST_NAME).then_some(Name(wire))
    }

    /// How many labels it has, without the empty one.
    pub(super) fn labels(&self) -> usize {
        self.parts().count()
    }

    /// The name that leads back from an address (RFC 1035 §3.5, RFC 3596 §2.5).
    pub fn reverse(addr: IpAddr) -> Name {
        let (digits, domain): (Vec<String>, _) = match addr {
            IpAddr::V4(addr) => {
                (addr.octets().iter().rev().map(|byte| byte.to_string()).collect(), "in-addr")
            }
            IpAddr::V6(addr) => {
                let nibble = |byte: &u8| [format!("{:x}", byte & 15), format!("{:x}", byte >> 4)];
                (addr.octets().iter().rev().flat_map(nibble).collect(), "ip6")
            }
        };
        let labels = digits.iter().map(String::as_str).chain([domain, "arpa"]);
        let mut wire = Vec::new();
        for label in labels {
            wire.push(label.len() as u8);
            wire.extend(label.bytes());
        }
        wire.push(0);
        Name(wire)
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (&len, after) = rest.split_first().filter(|(len, _)| **len > 0)?;
            let (part, after) = after.split_at(len.into());
            rest = after;
            Some(part)
        })
    }
}

/// As a person types it; a dot at the end is allowed and has no meaning here.
impl FromStr for Name {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Name, BadName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            // RFC 1123 §2.1, and the underscore of service names (RFC 2782).
            let odd = |c: &char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_');
            if let Some(odd) = label.chars().find(odd) {
                return Err(BadName::Character(odd));
            }
            match label.len() {
                0 => return Err(BadName::Empty),
                1..=LONGEST_LABEL => {}
                _ => return Err(BadName::TooLong),
            }
            wire.push(label.len() as u8);
            wire.extend(label.bytes());
        }
        wire.push(0);
        if wire.len() > LONGEST_NAME { Err(BadName::TooLong) } else { Ok(Name(wire)) }
    }
}

/// In RFC 1035 §5.1's form: what is not a letter, digit, hyphen or underscore is escaped, so that a
/// name from the wire does a terminal no harm.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == 1 {
            return f.write_str(".");
        }
        for (number, part) in self.parts().enumerate() {
            if number > 0 {
                f.write_str(".")?;
            }
            for &byte in part {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    byte if byte.is_ascii_graphic() => write!(f, "{}", char::from(byte))?,
                    byte => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        // A length is below 64 and no letter.
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> std::cmp::Ordering {
        self.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8], mut at: usize) -> Result<(String, usize), Malformed> {
        Name::read(message, &mut at).map(|name| (name.to_string(), at))
    }

    #[test]
    fn texts() {
        let name: Name = "www.Example.org.".parse().unwrap();
        assert_eq!(name.as_wire(), b"\x03www\x07Example\x03org\x00");
        assert_eq!(name, "WWW.example.ORG".parse().unwrap());
        assert_eq!((name.to_string().as_str(), name.labels()), ("www.Example.org", 3));
        let parse = |text: &str| text.parse::<Name>().unwrap_err();
        assert_eq!(parse(""), BadName::Empty);
        assert_eq!(parse("a..b"), BadName::Empty);
        assert_eq!(parse("a b"), BadName::Character(' '));
        assert_eq!(parse("müller.de"), BadName::Character('ü'));
        assert_eq!(parse(&"x".repeat(64)), BadName::TooLong);
        assert_eq!(parse(&vec!["x".repeat(63); 4].join(".")), BadName::TooLong);
        assert!("_ldap._tcp.x".parse::<Name>().is_ok());
    }

    #[test]
    fn reverse_names() {
        let name = |addr: &str| Name::reverse(addr.parse().unwrap()).to_string();
        assert_eq!(name("10.0.0.2"), "2.0.0.10.in-addr.arpa");
        assert!(
            name("fe80::1").starts_with("1.0.0.0.") && name("fe80::1").ends_with(".e.f.ip6.arpa")
        );
    }

    /// RFC 1035 §4.1.4's own example.
    #[test]
    fn compressed_names() {
        let mut message = vec![0; 20];
        message.extend(b"\x01F\x03ISI\x04ARPA\x00");
        message.resize(40, 0);
        message.extend(b"\x03FOO\xc0\x14");
        message.resize(64, 0);
        message.extend(b"\xc0\x1a");
        message.resize(92, 0);
        message.push(0);
        assert_eq!(read(&message, 20), Ok(("F.ISI.ARPA".into(), 32)));
        assert_eq!(read(&message, 40), Ok(("FOO.F.ISI.ARPA".into(), 46)));
        assert_eq!(read(&message, 64), Ok(("ARPA".into(), 66)));
        assert_eq!(read(&message, 92), Ok((".".into(), 93)));
    }

    #[test]
    fn loops_and_ends_are_found() {
        assert_eq!(read(b"\xc0\x00", 0), Err(Malformed::Name), "to itself");
        assert_eq!(read(b"\xc0\x02\xc0\x00", 2), Err(Malformed::Name), "to each other");
        assert_eq!(read(b"\x01a\xc0\x00", 0), Err(Malformed::Name), "round its own label");
        assert_eq!(read(b"\xc0\x10", 0), Err(Malformed::Name), "forwards");
        assert_eq!(read(b"\x05ab", 0), Err(Malformed::Name), "over the end");
        assert_eq!(read(b"\x40a\x00", 0), Err(Malformed::Name), "a reserved kind of label");
        assert_eq!(read(b"\xc0", 0), Err(Malformed::Name), "half a pointer");
        assert_eq!(read(b"", 0), Err(Malformed::Name));
        // Each of many pointers adds a label: beyond 255 bytes it is no name.
        let mut message = vec![0];
        let mut last = 0u16;
        for _ in 0..10 {
            let at = message.len() as u16;
            message.push(63);
            message.extend([b'x'; 63]);
            message.extend((last | 0xc000).to_be_bytes());
            last = at;
        }
        assert_eq!(read(&message, last.into()), Err(Malformed::Name));
    }

    #[test]
    fn what_is_printed_is_harmless() {
        let mut at = 0;
        let name = Name::read(b"\x04a\x1b.\\\x00", &mut at).unwrap();
        assert_eq!(name.to_string(), "a\\027\\.\\\\");
    }
}
