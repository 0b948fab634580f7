//! The few requests of rtnetlink(7) that ioctls cannot make: a veth pair, an address, the end of
//! an interface.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::sys;

/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_INFO_PEER: u16 = 1;
/// `IFLA_MACVLAN_MODE` of linux/if_link.h.
const IFLA_MACVLAN_MODE: u16 = 1;
/// `MACVLAN_MODE_BRIDGE`: macvtaps on the same card reach each other.
const MACVLAN_MODE_BRIDGE: u32 = 4;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// Makes a cable: an interface `name` here, and one of the same name in the network namespace
/// `there`.
pub(super) fn add_veth(name: &str, mtu: usize, there: BorrowedFd<'_>) -> io::Result<()> {
    let mtu = u32::try_from(mtu).unwrap_or(u32::MAX).to_ne_bytes();
    let create = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let mut request = Request::new(libc::RTM_NEWLINK, create);
    request.put(&link(0));
    request.text(libc::IFLA_IFNAME, name);
    request.attribute(libc::IFLA_MTU, &mtu);
    request.nest(libc::IFLA_LINKINFO, |info| {
        info.text(libc::IFLA_INFO_KIND, "veth");
        info.nest(libc::IFLA_INFO_DATA, |data| {
            data.nest(VETH_INFO_PEER, |peer| {
                peer.put(&link(0));
                peer.text(libc::IFLA_IFNAME, name);
                peer.attribute(libc::IFLA_MTU, &mtu);
                peer.attribute(libc::IFLA_NET_NS_FD, &there.as_raw_fd().to_ne_bytes());
            });
        });
    });
    request.send()
}

/// Makes a macvtap `name` in bridge mode on the interface of number `lower`. Its Ethernet address is
/// the kernel's choice.
pub(super) fn add_macvtap(name: &str, lower: i32) -> io::Result<()> {
    let create = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let mut request = Request::new(libc::RTM_NEWLINK, create);
    request.put(&link(0));
    request.text(libc::IFLA_IFNAME, name);
    request.attribute(libc::IFLA_LINK, &lower.to_ne_bytes());
    request.nest(libc::IFLA_LINKINFO, |info| {
        info.text(libc::IFLA_INFO_KIND, "macvtap");
        info.nest(libc::IFLA_INFO_DATA, |data| {
            data.attribute(IFLA_MACVLAN_MODE, &MACVLAN_MODE_BRIDGE.to_ne_bytes());
        });
    });
    request.send()
}

/// Of what kind the interface of number `index` is (`ip -d link` shows it): `veth`, `macvtap`;
/// `None` for a card of the machine.
pub(super) fn kind(index: i32) -> io::Result<Option<String>> {
    let mut request = Request::new(libc::RTM_GETLINK, 0);
    request.put(&link(index));
    let answer = request.ask(&sys::route_socket()?)?;
    Ok(kind_in(&answer).map(|kind| String::from_utf8_lossy(kind).into_owned()))
}

/// The kind in an RTM_NEWLINK message.
fn kind_in(message: &[u8]) -> Option<&[u8]> {
    let attributes = message.get(HEADER + 16..)?;
    let info = find(attributes, libc::IFLA_LINKINFO)?;
    find(info, libc::IFLA_INFO_KIND)?.strip_suffix(&[0])
}

/// The value of the first attribute of this kind.
fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    /// The upper bits of a kind say how its value is laid out (NLA_F_NESTED).
    const KIND: u16 = 0x3fff;
    loop {
        let (head, _) = attributes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let value = attributes.get(4..len)?;
        if u16::from_ne_bytes([head[2], head[3]]) & KIND == kind {
            return Some(value);
        }
        attributes = attributes.get(len.next_multiple_of(4)..)?;
    }
}

/// Gives the interface of number `index` an address, and the route to its network.
pub(super) fn add_address(index: i32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let create = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
    let mut request = Request::new(libc::RTM_NEWADDR, create);
    // struct ifaddrmsg: family, prefix length, flags, scope (0: universe), index.
    request.put(&[libc::AF_INET as u8, prefix, 0, 0]);
    request.put(&index.to_ne_bytes());
    request.attribute(libc::IFA_LOCAL, &address.octets());
    request.attribute(libc::IFA_ADDRESS, &address.octets());
    // RFC 3021: links of two hosts or one have no broadcast address.
    if prefix < 31 {
        let broadcast = u32::from(address) | u32::MAX >> prefix;
        request.attribute(libc::IFA_BROADCAST, &broadcast.to_be_bytes());
    }
    request.send()
}

/// Sets how many packets the kernel queues for a reader of the interface. (The ioctl for it wants
/// root of the whole machine.)
pub(super) fn set_transmit_queue(index: i32, packets: u32) -> io::Result<()> {
    let mut request = Request::new(libc::RTM_NEWLINK, 0);
    request.put(&link(index));
    request.attribute(libc::IFLA_TXQLEN, &packets.to_ne_bytes());
    request.send()
}

/// Deletes the interface of number `index` in the network namespace in which `socket` was made.
pub(super) fn delete(socket: &File, index: i32) -> io::Result<()> {
    let mut request = Request::new(libc::RTM_DELLINK, 0);
    request.put(&link(index));
    request.send_on(socket)
}

/// An interface that is deleted with this value, in the network namespace in which `socket` was
/// made, wherever the caller is then.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) socket: File,
    pub(super) name: String,
    pub(super) index: i32,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(cause) = delete(&self.socket, self.index) {
            tracing::debug!(name = %self.name, %cause, "an interface of ours was not deleted");
        }
    }
}

/// `struct ifinfomsg`: family, padding, type, index, flags and their mask; all but one zero.
fn link(index: i32) -> [u8; 16] {
    let mut message = [0; 16];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message
}

/// A message in the making.
struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: i32) -> Request {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Request(bytes)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// `struct rtattr`: length with this header, type, value, zeros up to a multiple of four.
    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |inner| inner.put(value));
    }

    fn text(&mut self, kind: u16, value: &str) {
        self.nest(kind, |inner| {
            inner.put(value.as_bytes());
            inner.put(&[0]);
        });
    }

    fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        let start = self.0.len();
        self.put(&[0; 2]);
        self.put(&kind.to_ne_bytes());
        fill(self);
        let len = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Sends it and waits for the kernel's word, which comes at once.
    fn send(self) -> io::Result<()> {
        self.send_on(&sys::route_socket()?)
    }

    fn send_on(self, socket: &File) -> io::Result<()> {
        acknowledged(&self.exchange(socket)?)
    }

    /// Sends it and gives the message that the kernel answers with.
    fn ask(self, socket: &File) -> io::Result<Vec<u8>> {
        let answer = self.exchange(socket)?;
        match kind_of(&answer) {
            Some(libc::NLMSG_ERROR) => acknowledged(&answer).map(|()| Vec::new()),
            _ => Ok(answer),
        }
    }

    fn exchange(mut self, mut socket: &File) -> io::Result<Vec<u8>> {
        /// What the kernel keeps its own messages below (NLMSG_GOODSIZE), twice.
        const ROOM: usize = 16 << 10;
        let len = self.0.len() as u32;
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        socket.write_all(&self.0)?;
        let mut answer = vec![0; ROOM];
        let len = socket.read(&mut answer)?;
        answer.truncate(len);
        Ok(answer)
    }
}

/// The kind of a message, from its header.
fn kind_of(message: &[u8]) -> Option<i32> {
    message.get(4..6).map(|kind| i32::from(u16::from_ne_bytes([kind[0], kind[1]])))
}

/// `struct nlmsgerr` behind the header: a negative errno, or zero for "done".
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let word = answer.get(HEADER..HEADER + 4);
    match (kind_of(answer), word) {
        (Some(libc::NLMSG_ERROR), Some(word)) => {
            match i32::from_ne_bytes([word[0], word[1], word[2], word[3]]) {
                0 => Ok(()),
                errno => Err(io::Error::from_raw_os_error(-errno)),
            }
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested_ones_count_their_padding() {
        let mut request = Request::new(16, 0);
        request.nest(18, |inner| inner.text(1, "veth"));
        let text = [9u16.to_ne_bytes(), 1u16.to_ne_bytes()].concat();
        let nest = [16u16.to_ne_bytes(), 18u16.to_ne_bytes()].concat();
        assert_eq!(request.0[HEADER..], [&nest[..], &text, b"veth\0\0\0\0"].concat());
    }

    #[test]
    fn a_kind_is_found_among_other_attributes_and_broken_ones_are_none() {
        let mut message = Request::new(libc::RTM_NEWLINK, 0);
        message.put(&link(7));
        message.text(libc::IFLA_IFNAME, "v0");
        message.nest(libc::IFLA_LINKINFO | 1 << 15, |info| {
            info.attribute(3, &[1, 2, 3, 4, 5]);
            info.text(libc::IFLA_INFO_KIND, "veth");
        });
        assert_eq!(kind_in(&message.0), Some(&b"veth"[..]));
        for len in 0..message.0.len() {
            assert_eq!(kind_in(&message.0[..len]), None, "{len}");
        }
        message.0[HEADER + 16] = 0;
        message.0[HEADER + 17] = 0;
        assert_eq!(kind_in(&message.0), None, "an attribute without a length");
    }

    #[test]
    fn an_answer_is_an_errno_and_a_short_one_no_answer() {
        let mut answer = vec![0; HEADER + 4];
        answer[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert!(acknowledged(&answer).is_ok());
        answer[HEADER..].copy_from_slice(&(-libc::EEXIST).to_ne_bytes());
        let error = acknowledged(&answer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(acknowledged(&answer[..HEADER + 3]).is_err());
        assert!(acknowledged(&[]).is_err());
    }
}
