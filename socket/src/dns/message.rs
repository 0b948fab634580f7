//! Messages (RFC 1035 §4), as far as a stub resolver reads and writes them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Name;

/// Bytes of a header.
const HEADER: usize = 12;
/// Bytes that an answer by UDP may have. RFC 6891 §6.2.3 asks for what is not fragmented; 1232 is
/// what fits into IPv6's least MTU, and what servers agreed on in 2020.
pub(super) const UDP_PAYLOAD: u16 = 1232;
/// The class of the Internet.
const IN: u16 = 1;
const RECURSION_DESIRED: u16 = 0x0100;
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const OPCODE: u16 = 0x7800;
/// Records of a section that are looked at. An honest answer has a few.
const MOST_RECORDS: usize = 256;
/// The pseudo record of EDNS (RFC 6891 §6.1.1).
const OPT: u16 = 41;

/// Types of records that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses (RFC 3596).
    Aaaa,
    /// The name of an address.
    Ptr,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Ptr => 12,
            Kind::Aaaa => 28,
        }
    }

    /// As a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
            Kind::Ptr => "PTR",
        }
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It ends too early.
    Short,
    /// A name without an end, or one that leads in circles.
    Name,
    /// A record whose data is not what its type wants.
    Data,
    /// Not an answer to one question.
    NotAnAnswer,
}

/// RFC 1035 §4.1.1, of the codes those that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rcode {
    NoError,
    FormErr,
    NxDomain,
    /// SERVFAIL, REFUSED and all others: this server does not know.
    Other(u8),
}

/// A received answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) id: u16,
    pub(super) truncated: bool,
    pub(super) rcode: Rcode,
    /// What was asked, as the server repeats it; `None`: something that is never asked here.
    pub(super) question: Option<(Name, Kind)>,
    pub(super) answers: Vec<Record>,
    /// For how long a negative answer holds, in seconds (RFC 2308 §5).
    pub(super) negative_ttl: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: Name,
    pub(super) ttl: u32,
    pub(super) data: Data,
}

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name for what was asked for.
    Cname(Name),
    /// The name of an address.
    Ptr(Name),
}

impl Data {
    pub(super) fn is(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Data::A(_), Kind::A) | (Data::Aaaa(_), Kind::Aaaa) | (Data::Ptr(_), Kind::Ptr)
        )
    }
}

/// A question, with EDNS where the server understands it.
pub(super) fn query(id: u16, name: &Name, kind: Kind, edns: bool) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + name.as_wire().len() + 15);
    let word = |message: &mut Vec<u8>, word: u16| message.extend(word.to_be_bytes());
    for field in [id, RECURSION_DESIRED, 1, 0, 0, u16::from(edns)] {
        word(&mut message, field);
    }
    message.extend_from_slice(name.as_wire());
    word(&mut message, kind.number());
    word(&mut message, IN);
    if edns {
        // The root's name, the type, our payload instead of a class; no flags, no options.
        message.push(0);
        word(&mut message, OPT);
        word(&mut message, UDP_PAYLOAD);
        message.extend([0; 6]);
    }
    message
}

impl Response {
    pub(super) fn parse(message: &[u8]) -> Result<Response, Malformed> {
        let mut reader = Reader { message, at: 0 };
        let id = reader.half()?;
        let flags = reader.half()?;
        let questions = reader.half()?;
        let (answers, authority) = (reader.half()?, reader.half()?);
        let _additional = reader.half()?;
        if flags & RESPONSE == 0 || flags & OPCODE != 0 || questions > 1 {
            return Err(Malformed::NotAnAnswer);
        }
        // RFC 1035 §7.3 wants it repeated; a server that fails may leave it out, and is not
        // believed then.
        let question = if questions == 1 { reader.question()? } else { None };
        let mut response = Response {
            id,
            truncated: flags & TRUNCATED != 0,
            rcode: match (flags & 0xf) as u8 {
                0 => Rcode::NoError,
                1 => Rcode::FormErr,
                3 => Rcode::NxDomain,
                other => Rcode::Other(other),
            },
            question,
            answers: Vec::new(),
            negative_ttl: None,
        };
        // What was cut off is asked for again anyway.
        if response.truncated {
            return Ok(response);
        }
        for _ in 0..answers {
            let record = reader.record()?;
            if response.answers.len() < MOST_RECORDS
                && let Some(Found::Record(record)) = record
            {
                response.answers.push(record);
            }
        }
        for _ in 0..authority {
            if let Some(Found::Negative(ttl)) = reader.record()? {
                response.negative_ttl = Some(ttl);
            }
        }
        Ok(response)
    }
}

/// What a record is good for.
enum Found {
    Record(Record),
    /// A start of authority: how long "there is none" holds.
    Negative(u32),
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let bytes = self.message.get(self.at..).and_then(|rest| rest.get(..len));
        self.at += len;
        bytes.ok_or(Malformed::Short)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed::Short)
    }

    fn half(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn word(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn name(&mut self) -> Result<Name, Malformed> {
        Name::read(self.message, &mut self.at)
    }

    fn question(&mut self) -> Result<Option<(Name, Kind)>, Malformed> {
        let name = self.name()?;
        let (kind, class) = (self.half()?, self.half()?);
        let kind = [Kind::A, Kind::Aaaa, Kind::Ptr].into_iter().find(|k| k.number() == kind);
        Ok(kind.filter(|_| class == IN).map(|kind| (name, kind)))
    }

    fn record(&mut self) -> Result<Option<Found>, Malformed> {
        let name = self.name()?;
        let (kind, class, ttl, len) = (self.half()?, self.half()?, self.word()?, self.half()?);
        let start = self.at;
        let bytes = self.take(len.into())?;
        let end = self.at;
        // RFC 2181 §8: a TTL with its first bit set is zero.
        let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
        if class != IN {
            return Ok(None);
        }
        // A name in the data may point to anywhere before it, so it is read from the message.
        let mut inner = Reader { message: &self.message[..end], at: start };
        let data = match kind {
            1 => Data::A(<[u8; 4]>::try_from(bytes).map_err(|_| Malformed::Data)?.into()),
            28 => Data::Aaaa(<[u8; 16]>::try_from(bytes).map_err(|_| Malformed::Data)?.into()),
            5 => Data::Cname(inner.name()?),
            12 => Data::Ptr(inner.name()?),
            6 => {
                inner.name()?;
                inner.name()?;
                // Serial, refresh, retry, expire; then the least TTL.
                inner.take(16)?;
                return Ok(Some(Found::Negative(inner.word()?.min(ttl))));
            }
            _ => return Ok(None),
        };
        Ok(Some(Found::Record(Record { name, ttl, data })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_its_place_for_edns() {
        let name: Name = "a.bc".parse().unwrap();
        let plain = query(0x1234, &name, Kind::A, false);
        assert_eq!(plain, *b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01");
        let edns = query(0x1234, &name, Kind::A, true);
        assert_eq!(edns[11], 1);
        assert_eq!(&edns[plain.len()..], b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    }

    #[test]
    fn records_of_a_wrong_length_are_refused() {
        let name: Name = "a".parse().unwrap();
        let mut message = query(1, &name, Kind::A, false);
        message[2] = 0x81;
        message[7] = 1;
        let mut good = message.clone();
        good.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a\0\0\x01");
        let read = Response::parse(&good).unwrap();
        assert_eq!(read.answers[0].data, Data::A([10, 0, 0, 1].into()));
        assert_eq!((read.answers[0].ttl, read.question), (5, Some((name, Kind::A))));
        let mut bad = message.clone();
        bad.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x03\x0a\0\0");
        assert_eq!(Response::parse(&bad), Err(Malformed::Data));
        let mut short = message;
        short.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x09\x0a\0\0");
        assert_eq!(Response::parse(&short), Err(Malformed::Short));
        // RFC 2181 §8.
        let ttl = good.len() - 10;
        good[ttl] = 0x80;
        assert_eq!(Response::parse(&good).unwrap().answers[0].ttl, 0);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            head in proptest::collection::vec(proptest::num::u8::ANY, 0..12),
            rest in proptest::collection::vec(0u8..=255, 0..200),
            pointers in proptest::collection::vec((0usize..200, 0u8..200), 0..20),
        ) {
            let mut message = head;
            if message.len() == 12 {
                // As an answer with few records, or all would be refused at the first look.
                (message[2], message[4]) = (0x80, 0);
                (message[6], message[8]) = (0, 0);
            }
            message.extend(rest);
            for (at, to) in pointers {
                if at + 1 < message.len() {
                    (message[at], message[at + 1]) = (0xc0, to);
                }
            }
            let _ = Response::parse(&message);
            for at in 0..message.len() {
                let mut end = at;
                if let Ok(name) = Name::read(&message, &mut end) {
                    proptest::prop_assert!(end > at && end <= message.len());
                    proptest::prop_assert!(name.as_wire().len() <= 255);
                    let _ = name.to_string();
                }
            }
        }
    }
}
