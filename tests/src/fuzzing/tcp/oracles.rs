//! What holds of all that the TCP sends, keeps and counts.

use super::*;

impl Session<'_> {
    /// What is sent has the program's bytes at the program's places.
    pub(super) fn look_at(&mut self, sent: &Sent) {
        let port = |addr: Option<SocketAddr>| addr.expect("seen on the way").port();
        let ports = (port(sent.seg.src), port(sent.seg.dst));
        let seq = sent.seg.seq.expect("a segment has a number");
        if sent.seg.flags.contains(Flags::SYN) {
            self.number_own(ports.0, ports.1, seq);
        }
        let len = sent.seg.payload_len();
        if len == 0 {
            return;
        }
        let payload = &sent.packet[sent.packet.len() - len..];
        let firsts = self.own.get(&ports).map(Vec::as_slice).unwrap_or_default();
        let fits = firsts.iter().any(|first| {
            // One byte in front of the first is a keep-alive's (RFC 9293 §3.8.4).
            let place = seq.wrapping_sub(*first);
            payload == pattern(place as usize, len) || len == 1
        });
        assert!(fits, "bytes that nobody wrote: {}", sent.seg);
    }

    /// The stack's SYN of a connection has this number.
    pub(super) fn number_own(&mut self, local: u16, peer: u16, seq: u32) {
        let firsts = self.own.entry((local, peer)).or_default();
        let first = seq.wrapping_add(1);
        if !firsts.contains(&first) {
            firsts.push(first);
        }
    }

    pub(super) fn limits(&mut self) {
        let infos = self.host.tcp.sockets(self.host.now);
        // A SYN that found no way out is not seen, but has its number.
        for info in &infos {
            if matches!(info.state, State::SynSent | State::SynReceived) {
                self.number_own(info.local.port(), info.peer.port(), info.snd_una);
            }
        }
        // Listeners' queues and TIME-WAIT have limits of their own, far under this.
        assert!(infos.len() < 200, "{} connections", infos.len());
        if let Some(limit) = self.limits.memory {
            let memory: usize = infos.iter().map(|info| info.memory).sum();
            assert!(memory <= limit, "{memory} bytes of {limit}");
        }
        for socket in &self.sockets {
            let info = self.host.info(socket.handle).expect("an open socket");
            let settings = self.host.tcp.settings(socket.handle).expect("an open socket");
            assert!(info.receive_queue <= settings.receive_buffer.max(15 << 20));
            assert!(
                info.receive_queue == 0
                    || self.host.readiness(socket.handle).contains(Readiness::READABLE)
                    || info.state == State::Closed,
                "{} bytes, and not readable: {:?}",
                info.receive_queue,
                info.state
            );
        }
    }

    /// Every segment was counted, and every drop under the reason that was given for it.
    pub(super) fn count(&self) {
        assert_eq!(self.host.counter("segments received"), self.inputs);
        for Counter { name, count } in self.host.tcp.counters() {
            if DropReason::ALL.iter().any(|reason| reason.text() == name) {
                assert_eq!(count, self.dropped.get(name).copied().unwrap_or(0), "{name}");
            }
        }
    }
}
