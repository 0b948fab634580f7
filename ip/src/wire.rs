//! The IPv4 header between bytes and fields (RFC 791 §3.1).

use std::net::Ipv4Addr;

use netdev::checksum::Sum;

use crate::{DropReason, Header, Options, Protocol, Tos, Ttl};

/// Bytes of a header without options.
pub(crate) const MIN_HEADER: usize = 20;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// Every field of a header but the checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ipv4Fields {
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
    pub(crate) protocol: Protocol,
    pub(crate) ttl: Ttl,
    pub(crate) tos: Tos,
    pub(crate) id: u16,
    pub(crate) dont_fragment: bool,
    pub(crate) more_fragments: bool,
    /// Where the payload stands in the whole datagram's, in bytes.
    pub(crate) offset: usize,
    /// Header and payload, in bytes.
    pub(crate) total_len: usize,
    pub(crate) options: Options,
}

impl Ipv4Fields {
    /// Reads the header at the front of `bytes`, the checksum left aside.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Ipv4Fields, DropReason> {
        use etherparse::err::ipv4::{HeaderError, HeaderSliceError};
        let header =
            etherparse::Ipv4HeaderSlice::from_slice(bytes).map_err(|error| match error {
                HeaderSliceError::Len(_) => DropReason::Truncated,
                HeaderSliceError::Content(HeaderError::UnexpectedVersion { .. }) => {
                    DropReason::Version
                }
                HeaderSliceError::Content(HeaderError::HeaderLengthSmallerThanHeader {
                    ..
                }) => DropReason::HeaderLength,
            })?;
        Ok(Ipv4Fields {
            src: header.source().into(),
            dst: header.destination().into(),
            protocol: Protocol(header.protocol().0),
            ttl: Ttl(header.ttl()),
            tos: Tos(bytes[1]),
            id: header.identification(),
            dont_fragment: header.dont_fragment(),
            more_fragments: header.more_fragments(),
            offset: usize::from(header.fragments_offset().value()) * 8,
            total_len: header.total_len().into(),
            options: Options::from_wire(header.options()).ok_or(DropReason::HeaderLength)?,
        })
    }

    /// Fills `room`, which is [`Ipv4Fields::header_len`] bytes long, checksum included.
    pub(crate) fn write(&self, room: &mut [u8]) {
        let mut flags = (self.offset / 8) as u16 & OFFSET_MASK;
        if self.dont_fragment {
            flags |= DONT_FRAGMENT;
        }
        if self.more_fragments {
            flags |= MORE_FRAGMENTS;
        }
        room[0] = 0x40 | (self.header_len() / 4) as u8;
        room[1] = self.tos.0;
        room[2..4].copy_from_slice(&(self.total_len as u16).to_be_bytes());
        room[4..6].copy_from_slice(&self.id.to_be_bytes());
        room[6..8].copy_from_slice(&flags.to_be_bytes());
        room[8] = self.ttl.0;
        room[9] = self.protocol.0;
        room[10..12].fill(0);
        room[12..16].copy_from_slice(&self.src.octets());
        room[16..20].copy_from_slice(&self.dst.octets());
        room[MIN_HEADER..].copy_from_slice(self.options.as_wire());
        let check = Sum::default().bytes(room).finish();
        room[10..12].copy_from_slice(&check.to_be_bytes());
    }

    /// Bytes of header.
    pub(crate) fn header_len(&self) -> usize {
        MIN_HEADER + self.options.as_wire().len()
    }

    /// Whether this is a part of a datagram.
    pub(crate) fn is_fragment(&self) -> bool {
        self.more_fragments || self.offset != 0
    }

    /// What the layers above see of it.
    pub(crate) fn header(&self) -> Header {
        Header {
            src: self.src.into(),
            dst: self.dst.into(),
            protocol: self.protocol,
            ttl: self.ttl,
            tos: self.tos,
            dont_fragment: self.dont_fragment,
            options: self.options,
        }
    }
}
