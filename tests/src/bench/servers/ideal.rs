//! What the TAP allows: a program that floods and acknowledges, and does nothing else.
//!
//! It has no timers, so whatever is lost is lost; no reassembly, so whatever comes out of order is
//! thrown away; no congestion control and no copy, for there is nothing to copy: all that it sends
//! is one page of payload. It is no stack, and nobody should make one of it. It verifies and fills
//! in checksums, where the kernel does not, since every stack has to.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use netdev::checksum::Sum;

use crate::bench::place::{SERVER, TAP};
use crate::bench::sys::{self, Waited};
use crate::bench::{Job, Row};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Bytes of Ethernet's, IPv4's and TCP's headers, without options.
const ETHERNET: usize = 14;
const IP: usize = 20;
const TCP: usize = 20;
/// Bytes of the offload header of a frame.
const VNET: usize = netdev::vnet::LEN;
/// Payload bytes of one packet on a wire of 1500.
const MSS: usize = 1460;
/// Segments in one frame with offload: as many as an IPv4 datagram of 64 KiB takes.
const SUPER: usize = 44;
/// Our window's scale (RFC 7323 §2), and the most that we let the kernel have under way.
const SCALE: u8 = 8;
const WINDOW: usize = 4 << 20;
/// What may wait in the TAP's queue: beyond it the kernel drops, and this program cannot cope.
const QUEUED: usize = 2500 * MSS;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

pub(super) fn serve(job: &Job) -> Result<()> {
    let offload = job.stack.offloads();
    let connections = job.row.connections();
    let mut ideal = Ideal {
        tap: sys::open_tap(TAP, offload).context("open the TAP")?,
        offload,
        window: if offload { WINDOW } else { (QUEUED / connections).min(WINDOW) },
        neighbour: [0; 6],
        connections: HashMap::new(),
        unacknowledged: Vec::new(),
        payload: vec![b'.'; SUPER * MSS],
    };
    let mut frame = vec![0; VNET + (1 << 16) + ETHERNET];
    loop {
        match ideal.tap.read(&mut frame) {
            Ok(len) => {
                // What this program cannot make sense of is for nobody.
                let _ = ideal.input(&mut frame[..len]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !ideal.acknowledge()? && job.row != Row::RrBusy {
                    sys::wait(&mut [Waited::readable(&ideal.tap)], Duration::MAX)?;
                }
            }
            Err(error) => return Err(error).context("read from the TAP"),
        }
    }
}

struct Ideal {
    tap: File,
    offload: bool,
    window: usize,
    neighbour: [u8; 6],
    /// By the port of ours and that of the kernel's.
    connections: HashMap<(u16, u16), Connection>,
    /// Those that are owed an acknowledgment when the TAP is empty.
    unacknowledged: Vec<(u16, u16)>,
    payload: Vec<u8>,
}

/// RFC 9293 §3.3.1, and no more of it than a flood needs.
#[derive(Clone, Copy)]
struct Connection {
    peer: Ipv4Addr,
    snd_una: u32,
    snd_nxt: u32,
    snd_wnd: u32,
    snd_scale: u8,
    rcv_nxt: u32,
    /// Bytes since the last acknowledgment.
    owed: usize,
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl Ideal {
    fn vnet(&self) -> usize {
        if self.offload { VNET } else { 0 }
    }

    fn input(&mut self, frame: &mut [u8]) -> Option<()> {
        let vnet = self.vnet();
        match (word(frame, vnet + 12)?, frame.get(vnet + ETHERNET + 9)?) {
            (0x0806, _) => self.arp(frame),
            (0x0800, 6) => self.tcp(&frame[vnet + ETHERNET..]),
            (0x0800, 17) => self.udp(frame),
            _ => None,
        }
    }

    /// RFC 826: the request becomes its own reply.
    fn arp(&mut self, frame: &mut [u8]) -> Option<()> {
        let arp = self.vnet() + ETHERNET;
        if word(frame, arp + 6)? != 1 || frame.get(arp + 24..arp + 28)? != SERVER.octets() {
            return None;
        }
        let asker: [u8; 10] = frame[arp + 8..arp + 18].try_into().ok()?;
        self.neighbour.copy_from_slice(&asker[..6]);
        frame[arp + 7] = 2;
        frame[arp + 18..arp + 28].copy_from_slice(&asker);
        frame[arp + 8..arp + 14].copy_from_slice(&MAC);
        frame[arp + 14..arp + 18].copy_from_slice(&SERVER.octets());
        self.turn_round(frame)
    }

    /// RFC 862: addresses and ports change places, which no checksum minds. What has none yet goes
    /// back without one, as RFC 768 allows.
    fn udp(&mut self, frame: &mut [u8]) -> Option<()> {
        let ip = self.vnet() + ETHERNET;
        let udp = ip + IP;
        if word(frame, udp + 2)? != 7 {
            return None;
        }
        if self.offload {
            frame[udp + 6..udp + 8].fill(0);
        }
        for (at, len) in [(ip + 12, 4), (udp, 2)] {
            let (first, second) = frame[at..at + 2 * len].split_at_mut(len);
            first.swap_with_slice(second);
        }
        self.turn_round(frame)
    }

    fn turn_round(&mut self, frame: &mut [u8]) -> Option<()> {
        let vnet = self.vnet();
        frame[..vnet].fill(0);
        frame[vnet..vnet + 6].copy_from_slice(&self.neighbour);
        frame[vnet + 6..vnet + 12].copy_from_slice(&MAC);
        self.tap.write_all(frame).ok()
    }

    fn tcp(&mut self, datagram: &[u8]) -> Option<()> {
        let total = usize::from(word(datagram, 2)?);
        let peer = Ipv4Addr::from(long(datagram, 12)?);
        let segment = datagram.get(IP..total)?;
        let checksum = || Sum::pseudo_header(peer.into(), SERVER.into(), 6, segment.len());
        if !self.offload && !checksum().bytes(segment).is_valid() {
            return None;
        }
        let key = (word(segment, 2)?, word(segment, 0)?);
        let (seq, ack) = (long(segment, 4)?, long(segment, 8)?);
        let header = usize::from(segment.get(12)? >> 4) * 4;
        let (flags, window) = (segment[13], word(segment, 14)?);
        let data = segment.get(header..)?;

        if flags & SYN != 0 {
            let snd_scale = window_scale(segment.get(TCP..header)?);
            let connection = Connection {
                peer,
                snd_una: 0,
                snd_nxt: 0,
                snd_wnd: 0,
                snd_scale,
                rcv_nxt: seq.wrapping_add(1),
                owed: 0,
            };
            self.connections.insert(key, connection);
            return self.send(key, SYN | ACK, &[]);
        }
        if flags & RST != 0 {
            self.connections.remove(&key);
            return None;
        }
        let connection = self.connections.get_mut(&key)?;
        connection.snd_una = ack;
        connection.snd_wnd = u32::from(window) << connection.snd_scale;
        if seq != connection.rcv_nxt {
            return if data.is_empty() { None } else { self.send(key, ACK, &[]) };
        }
        connection.rcv_nxt = seq.wrapping_add(data.len() as u32);
        if flags & FIN != 0 {
            connection.rcv_nxt = connection.rcv_nxt.wrapping_add(1);
            return self.send(key, FIN | ACK, &[]);
        }
        if key.0 == 7 && !data.is_empty() {
            return self.send(key, PSH | ACK, data);
        }
        if !data.is_empty() {
            if connection.owed == 0 {
                self.unacknowledged.push(key);
            }
            connection.owed += data.len();
            // The kernel is to hear of it before it has to stop.
            if connection.owed > self.window / 8 {
                return self.send(key, ACK, &[]);
            }
        }
        if key.0 == 19 { self.flood(key) } else { None }
    }

    /// Fills the peer's window, though not all of it at once: its acknowledgments want to be read.
    fn flood(&mut self, key: (u16, u16)) -> Option<()> {
        let (most, frames) = if self.offload { (SUPER * MSS, 16) } else { (MSS, 64) };
        for _ in 0..frames {
            let connection = self.connections.get(&key)?;
            let under_way = connection.snd_nxt.wrapping_sub(connection.snd_una);
            let room = (connection.snd_wnd.saturating_sub(under_way) as usize).min(most);
            if room < MSS {
                break;
            }
            let payload = std::mem::take(&mut self.payload);
            self.send(key, ACK, &payload[..room / MSS * MSS]);
            self.payload = payload;
        }
        Some(())
    }

    /// Acknowledges what has come; whether there was anything.
    fn acknowledge(&mut self) -> Result<bool> {
        let mut any = false;
        while let Some(key) = self.unacknowledged.pop() {
            if self.connections.get(&key).is_some_and(|connection| connection.owed > 0) {
                self.send(key, ACK, &[]);
                any = true;
            }
        }
        Ok(any)
    }

    fn send(&mut self, key: (u16, u16), flags: u8, data: &[u8]) -> Option<()> {
        let connection = self.connections.get_mut(&key)?;
        connection.owed = 0;
        let syn = flags & SYN != 0;
        // RFC 9293 §3.2: MSS; RFC 7323 §2.2: the window's scale, behind a filling byte.
        let options: &[u8] =
            if syn { &[2, 4, (MSS >> 8) as u8, MSS as u8, 1, 3, 3, SCALE] } else { &[] };
        let header = TCP + options.len();
        let window = if syn { self.window.min(0xffff) } else { self.window >> SCALE };
        let mut head = [0; VNET + ETHERNET + IP + TCP + 8];
        let vnet = if self.offload { VNET } else { 0 };
        let (ip, tcp) = (vnet + ETHERNET, vnet + ETHERNET + IP);
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(vnet, &self.neighbour);
        put(vnet + 6, &MAC);
        put(vnet + 12, &[8, 0]);
        let total = (IP + header + data.len()) as u16;
        put(ip, &[0x45, 0]);
        put(ip + 2, &total.to_be_bytes());
        put(ip + 6, &[0x40, 0, 64, 6]);
        put(ip + 12, &SERVER.octets());
        put(ip + 16, &connection.peer.octets());
        put(tcp, &key.0.to_be_bytes());
        put(tcp + 2, &key.1.to_be_bytes());
        put(tcp + 4, &connection.snd_nxt.to_be_bytes());
        put(tcp + 8, &connection.rcv_nxt.to_be_bytes());
        put(tcp + 12, &[(header as u8 / 4) << 4, flags]);
        put(tcp + 14, &(window as u16).to_be_bytes());
        put(tcp + TCP, options);
        let check = Sum::default().bytes(&head[ip..tcp]).finish();
        head[ip + 10..ip + 12].copy_from_slice(&check.to_be_bytes());
        let (from, to) = (SERVER.into(), connection.peer.into());
        let sum = Sum::pseudo_header(from, to, 6, header + data.len());
        let check = if self.offload {
            offload_header(&mut head[..VNET], header, data.len());
            sum.folded()
        } else {
            sum.bytes(&head[tcp..tcp + header]).bytes(data).finish()
        };
        head[tcp + 16..tcp + 18].copy_from_slice(&check.to_be_bytes());
        let taken = data.len() as u32 + u32::from(syn) + u32::from(flags & FIN != 0);
        connection.snd_nxt = connection.snd_nxt.wrapping_add(taken);
        let pieces = [IoSlice::new(&head[..tcp + header]), IoSlice::new(data)];
        self.tap.write_vectored(&pieces).ok().map(drop)
    }
}

/// virtio 1.2 §5.1.6: the checksum is to be filled in, and what is longer than a segment cut up.
fn offload_header(into: &mut [u8], tcp_header: usize, data: usize) {
    let mut put = |at: usize, value: usize| {
        into[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes());
    };
    put(6, ETHERNET + IP);
    put(8, 16);
    if data > MSS {
        put(2, ETHERNET + IP + tcp_header);
        put(4, MSS);
    }
    into[0] = 1;
    into[1] = u8::from(data > MSS);
}

/// The scale among the options of a SYN; 0 where it has none.
fn window_scale(mut options: &[u8]) -> u8 {
    loop {
        match *options {
            [3, 3, scale, ..] => return scale.min(14),
            [1, ..] => options = &options[1..],
            [_, len @ 2..=255, ..] if options.len() > usize::from(len) => {
                options = &options[usize::from(len)..];
            }
            _ => return 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_found_behind_other_options() {
        assert_eq!(
            window_scale(&[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7]),
            7
        );
        assert_eq!(window_scale(&[3, 3, 200]), 14);
        assert_eq!(window_scale(&[2, 4, 5, 180]), 0);
        assert_eq!(window_scale(&[8, 0, 3, 3, 7]), 0, "a length of nothing");
        assert_eq!(window_scale(&[8, 10, 3, 3, 7]), 0, "a length beyond the end");
    }

    #[test]
    fn the_offload_header_is_the_one_that_the_tap_device_reads() {
        use netdev::{Checksum, Segmentation};
        let mut header = [0; VNET];
        offload_header(&mut header, TCP, 3 * MSS);
        let partial = Checksum::Partial { start: 34, offset: 16 };
        let many = Segmentation::Tcp4 { size: MSS as u16 };
        assert_eq!(netdev::vnet::decode(&header, 54 + 3 * MSS), Ok((partial, many)));
        let mut header = [0; VNET];
        offload_header(&mut header, TCP, MSS);
        assert_eq!(netdev::vnet::decode(&header, 54 + MSS), Ok((partial, Segmentation::None)));
    }
}
