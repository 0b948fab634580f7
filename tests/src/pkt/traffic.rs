//! Packets in and out, and the connections that they belong to.

use std::net::SocketAddr;

use netdev::Segmentation;

use super::machine::Machine;
use super::network::{LOCAL, PORT, REMOTE};
use super::report::{Result, failed};
use super::script::{Body, Packet};
use super::wire::{self, Flow};

impl Machine<'_> {
    /// Takes what was sent; what belongs to no connection of the script is left out.
    pub(super) fn collect(&mut self, line: u32) -> Result<()> {
        for sent in std::mem::take(&mut self.net.sent) {
            let bad = |what| failed(line, format!("TCP sent {what}"));
            let (segment, payload) = wire::read(&sent).map_err(bad)?;
            if payload.iter().any(|byte| *byte != 0) && !self.text_written {
                return Err(failed(line, format!("bytes that nobody wrote: {segment}")));
            }
            let syn = segment.flags.contains(tcp::Flags::SYN);
            let flow = wire::ends(&sent).and_then(|(local, remote)| {
                self.flows.iter().position(|flow| {
                    flow.remote == remote
                        // A connect has no port before its SYN.
                        && (flow.local == local || syn && flow.local.port() == 0)
                })
            });
            let Some(index) = flow else {
                self.note(sent.at, format!("> (to {}) {segment}", sent.header.dst));
                continue;
            };
            let flow = &mut self.flows[index];
            if let Some((local, _)) = wire::ends(&sent) {
                flow.local = local;
            }
            if syn && (flow.wire_isn.is_none() || flow.renewed) {
                flow.wire_isn = Some(segment.seq);
                flow.renewed = false;
            }
            let seen = flow.seen(&sent).map_err(bad)?;
            self.note(sent.at, format!("> {seen}"));
            self.queue.push_back((index, sent));
        }
        Ok(())
    }

    pub(super) fn inject(&mut self, line: u32, packet: &Packet) -> Result<()> {
        let index = self.flow_of(line, packet, true)?;
        self.note(self.now, format!("< {packet}"));
        let flow = &mut self.flows[index];
        match &packet.body {
            Body::Tcp(segment) => {
                if segment.flags.contains(tcp::Flags::SYN) {
                    let before = flow.peer_syn.replace(segment.seq);
                    flow.renewed = before.is_some_and(|before| before != segment.seq);
                }
                let mut datagram = flow.datagram(packet, segment);
                if let Some(size) = self.peer_segment.filter(|size| segment.len > (*size).into()) {
                    datagram.payload.set_segmentation(Segmentation::Tcp4 { size });
                }
                let (tcp, now, net) = self.parts(line)?;
                tcp.input(now, datagram, net);
            }
            Body::Icmp(error) => {
                let quoted = flow.quoted(error);
                if let ip::Cause::FragmentationNeeded { mtu } = error.cause {
                    self.net.lower_mtu(mtu);
                }
                let (tcp, now, net) = self.parts(line)?;
                tcp.error(now, error.cause, &quoted, net);
            }
        }
        self.settle(line, true)
    }

    /// The connection that a packet of the script belongs to; a new one where an injected segment
    /// meets a listener, or nobody.
    pub(super) fn flow_of(&mut self, line: u32, packet: &Packet, injected: bool) -> Result<usize> {
        let at = |addr: std::net::Ipv4Addr, port| SocketAddr::new(addr.into(), port);
        let ends = match (packet.ports, injected) {
            (Some((src, dst)), true) => Some((at(LOCAL, dst), at(REMOTE, src))),
            (Some((src, dst)), false) => Some((at(LOCAL, src), at(REMOTE, dst))),
            (None, _) => None,
        };
        if let Some((local, remote)) = ends {
            let known = self.flows.iter().position(|f| f.local == local && f.remote == remote);
            return Ok(known.unwrap_or_else(|| {
                self.flows.push(Flow::new(local, remote));
                self.flows.len() - 1
            }));
        }
        match self.current {
            Some(current) if !(injected && self.listening) => Ok(current),
            _ if injected => {
                self.listening = false;
                let remote = at(REMOTE, self.next_peer_port);
                self.next_peer_port += 1;
                self.flows.push(Flow::new(at(LOCAL, PORT), remote));
                let index = self.flows.len() - 1;
                self.current = Some(index);
                Ok(index)
            }
            _ => Err(failed(line, "a packet is expected before there is any connection")),
        }
    }
}
