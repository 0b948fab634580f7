//! The program at the sockets: what it writes is known from place to place, and what it reads is
//! compared with what peers said.

use super::*;

impl Session<'_> {
    /// One of the program's sockets, by its place.
    pub(super) fn socket(&mut self) -> Option<usize> {
        let which = self.choices.below(self.sockets.len());
        (which < self.sockets.len()).then_some(which)
    }

    pub(super) fn send(&mut self) {
        let (Some(at), len) = (self.socket(), self.choices.len(20_000)) else { return };
        let Socket { handle, written, .. } = self.sockets[at];
        if let Ok(taken) = self.host.send(handle, &pattern(written, len)) {
            assert!(taken <= len && (taken > 0 || len == 0), "{taken} of {len} bytes taken");
            self.sockets[at].written += taken;
        }
    }

    pub(super) fn receive(&mut self) {
        let (Some(at), len) = (self.socket(), self.choices.len(60_000)) else { return };
        let handle = self.sockets[at].handle;
        let info = self.host.info(handle).expect("an open socket");
        let Ok(bytes) = self.host.receive(handle, len) else { return };
        assert!(bytes.len() <= len);
        // Nothing rules nothing out: before the handshake, peers have still to choose a number.
        if bytes.is_empty() {
            return;
        }
        let socket = &mut self.sockets[at];
        let ports = (info.local.port(), info.peer.port());
        let firsts = socket
            .firsts
            .get_or_insert_with(|| self.peers.get(&ports).cloned().unwrap_or_default());
        let read = socket.read;
        firsts
            .retain(|first| Self::numbered(first.wrapping_add(read as u32), bytes.len()) == bytes);
        assert!(!firsts.is_empty(), "wrong bytes at {read}");
        socket.read += bytes.len();
    }

    pub(super) fn accept(&mut self) {
        let which = self.choices.below(LISTENING.len());
        let listener = self.sockets.iter().filter(|socket| socket.listens).nth(which);
        let Some(listener) = listener.map(|socket| socket.handle) else { return };
        if let Ok((handle, _)) = self.host.accept(listener) {
            self.add(handle, false);
            if self.sockets.len() > SOCKETS {
                let oldest = self.sockets.iter().position(|socket| !socket.listens);
                self.close(oldest.expect("one that was accepted"));
            }
        }
    }

    pub(super) fn connect(&mut self) {
        if self.sockets.len() >= SOCKETS {
            return;
        }
        let peer = SocketAddr::new(PEER.into(), 2000 + u16::from(self.choices.byte() % 4));
        let handle = self.host.open();
        // From a port that is known, so that old connections meet new ones.
        let from = 3000 + u16::from(self.choices.byte() % 4);
        let _ = self.host.set(handle, Setting::ReuseAddr(true));
        let bound = self.host.bind(handle, from);
        let begun = self.host.call(|tcp, now, out| tcp.connect(now, handle, peer, out));
        match begun {
            Err(SocketError::InProgress) => self.add(handle, false),
            _ => {
                assert!(begun.is_err(), "connected at once: {bound:?}");
                self.host.close(handle);
            }
        }
    }

    pub(super) fn shutdown(&mut self) {
        let Some(at) = self.socket().filter(|at| !self.sockets[*at].listens) else { return };
        match self.choices.byte() % 4 {
            0 => self.close(at),
            how => {
                let how = [Shutdown::Write, Shutdown::Read, Shutdown::Both][usize::from(how) - 1];
                let _ = self.host.shutdown(self.sockets[at].handle, how);
            }
        }
    }

    pub(super) fn close(&mut self, at: usize) {
        let socket = self.sockets.remove(at);
        self.host.close(socket.handle);
        let gone: Result<Settings, _> = self.host.tcp.settings(socket.handle);
        assert_eq!(gone, Err(SocketError::BadHandle));
    }

    pub(super) fn set(&mut self) {
        let Some(at) = self.socket() else { return };
        let seconds = Duration::from_secs(u64::from(self.choices.byte()));
        let on = self.choices.flag();
        let some = on.then_some(seconds);
        let setting = match self.choices.byte() % 14 {
            0 => Setting::NoDelay(on),
            1 => Setting::Cork(on),
            2 => Setting::KeepAlive(on.then_some(KeepAlive {
                idle: seconds,
                interval: seconds,
                count: 3,
            })),
            3 => Setting::Linger(some),
            4 => Setting::SendBuffer(self.choices.word().into()),
            5 => Setting::ReceiveBuffer(self.choices.word().into()),
            6 => Setting::MaxSegment(self.choices.word()),
            7 => Setting::UserTimeout(some),
            8 => Setting::NotSentLowat(self.choices.word().into()),
            9 => Setting::QuickAck(on),
            10 => Setting::DeferAccept(some),
            11 => Setting::MtuDiscover(on),
            12 => Setting::ReceiveErrors(on),
            _ => Setting::FinWait2Timeout(seconds),
        };
        let _ = self.host.set(self.sockets[at].handle, setting);
        let _ = self.host.take_error(self.sockets[at].handle);
        while self.host.tcp.take_notice(self.sockets[at].handle).is_some() {}
    }
}
