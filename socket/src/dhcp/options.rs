//! The options of a message (RFC 2132) and how they lie in it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Malformed;

/// The options that are sent or understood here.
pub(super) mod code {
    pub(crate) const PAD: u8 = 0;
    pub(crate) const SUBNET_MASK: u8 = 1;
    pub(crate) const ROUTER: u8 = 3;
    pub(crate) const DNS: u8 = 6;
    pub(crate) const HOST_NAME: u8 = 12;
    pub(crate) const DOMAIN: u8 = 15;
    pub(crate) const MTU: u8 = 26;
    pub(crate) const BROADCAST: u8 = 28;
    pub(crate) const REQUESTED: u8 = 50;
    pub(crate) const LEASE_TIME: u8 = 51;
    pub(crate) const OVERLOAD: u8 = 52;
    pub(crate) const MESSAGE_TYPE: u8 = 53;
    pub(crate) const SERVER_ID: u8 = 54;
    pub(crate) const PARAMETERS: u8 = 55;
    pub(crate) const MESSAGE: u8 = 56;
    pub(crate) const MAX_SIZE: u8 = 57;
    pub(crate) const T1: u8 = 58;
    pub(crate) const T2: u8 = 59;
    pub(crate) const CLIENT_ID: u8 = 61;
    pub(crate) const END: u8 = 255;
}

/// The options of one message, by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<u8, Vec<u8>>);

impl Options {
    /// Reads one field of options up to its end. RFC 3396: what is said twice is one long option.
    pub(super) fn read(&mut self, mut field: &[u8]) -> Result<(), Malformed> {
        loop {
            match *field {
                // RFC 2132 §3.2 wants an end; servers that leave it out are understood.
                [] | [code::END, ..] => return Ok(()),
                [code::PAD, ref rest @ ..] => field = rest,
                [code, len, ref rest @ ..] => {
                    let (data, rest) =
                        rest.split_at_checked(len.into()).ok_or(Malformed::Options)?;
                    self.0.entry(code).or_default().extend_from_slice(data);
                    field = rest;
                }
                [_] => return Err(Malformed::Options),
            }
        }
    }

    /// The wire form, with an end.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        for (&code, data) in &self.0 {
            if data.is_empty() {
                to.extend([code, 0]);
            }
            // RFC 3396 §5: what is longer than 255 bytes is said in parts.
            for part in data.chunks(255) {
                to.extend([code, part.len() as u8]);
                to.extend(part);
            }
        }
        to.push(code::END);
    }

    /// Adds an option, or replaces it.
    pub(super) fn set(&mut self, code: u8, data: impl Into<Vec<u8>>) {
        self.0.insert(code, data.into());
    }

    pub(super) fn remove(&mut self, code: u8) {
        self.0.remove(&code);
    }

    /// The data of an option.
    pub fn bytes(&self, code: u8) -> Option<&[u8]> {
        self.0.get(&code).map(Vec::as_slice)
    }

    /// An option of exactly `N` bytes.
    fn exact<const N: usize>(&self, code: u8) -> Result<Option<[u8; N]>, Malformed> {
        self.bytes(code).map(<[u8; N]>::try_from).transpose().map_err(|_| Malformed::Option(code))
    }

    /// An option that is one byte.
    pub(super) fn byte(&self, code: u8) -> Result<Option<u8>, Malformed> {
        Ok(self.exact::<1>(code)?.map(|[byte]| byte))
    }

    pub(super) fn half(&self, code: u8) -> Result<Option<u16>, Malformed> {
        Ok(self.exact(code)?.map(u16::from_be_bytes))
    }

    pub(super) fn addr(&self, code: u8) -> Result<Option<Ipv4Addr>, Malformed> {
        Ok(self.exact::<4>(code)?.map(Ipv4Addr::from))
    }

    /// A time in seconds. RFC 2131 §3.3: all bits set are infinity, here 136 years.
    pub(super) fn time(&self, code: u8) -> Result<Option<Duration>, Malformed> {
        let seconds = self.exact(code)?.map(u32::from_be_bytes);
        Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
    }

    /// A list of addresses, one at least.
    pub(super) fn addrs(&self, code: u8) -> Result<Vec<Ipv4Addr>, Malformed> {
        let Some(bytes) = self.bytes(code) else { return Ok(Vec::new()) };
        let (addrs, rest) = bytes.as_chunks::<4>();
        if addrs.is_empty() || !rest.is_empty() {
            return Err(Malformed::Option(code));
        }
        Ok(addrs.iter().map(|addr| Ipv4Addr::from(*addr)).collect())
    }

    /// A text, without the zero bytes that some servers end it with. What is not ASCII text is no
    /// name, and would be printed.
    pub(super) fn text(&self, code: u8) -> Result<Option<String>, Malformed> {
        let Some(bytes) = self.bytes(code) else { return Ok(None) };
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| Malformed::Option(code))?;
        let text = text.trim_end_matches('\0');
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if text.is_empty() || !printable {
            return Err(Malformed::Option(code));
        }
        Ok(Some(text.to_string()))
    }
}
