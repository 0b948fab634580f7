//! The programs at the sockets of the two hosts: what they send is known from place to place, and
//! what arrives is compared with it.

use super::*;

impl Net<'_> {
    /// One end of a connection, by the place of the connection and the number of the host.
    pub(super) fn pick(&mut self) -> Option<(usize, usize)> {
        let (which, host) = (self.choices.byte(), usize::from(self.choices.flag()));
        let place = usize::from(which) % self.connections.len().max(1);
        self.connections.get(place)?.ends[host].map(|_| (place, host))
    }

    /// What host `host` says on its connections, from a place on.
    pub(super) fn said_by(host: usize, from: usize, len: usize) -> Vec<u8> {
        let flip = if host == 0 { 0 } else { 0x55 };
        pattern(from, len).into_iter().map(|byte| byte ^ flip).collect()
    }

    pub(super) fn send(&mut self) {
        let (Some((place, host)), len) = (self.pick(), self.choices.len(30_000)) else { return };
        let Some(end) = &mut self.connections[place].ends[host] else { return };
        let data = Self::said_by(host, end.written, len);
        let flags = match self.choices.byte() % 8 {
            0 => SendFlags::MORE,
            1 => SendFlags::END_OF_RECORD,
            2 => SendFlags::ZERO_COPY,
            _ => SendFlags::empty(),
        };
        let (now, handle) = (self.now, end.handle);
        let taken = self.stacks[host].with_tcp(now, |tcp, out| {
            while tcp.take_notice(handle).is_some() {}
            tcp.send(now, handle, &data, flags, out)
        });
        if let Ok(taken) = taken {
            assert!(taken <= len && (taken > 0 || len == 0), "{taken} of {len} bytes taken");
            end.written += taken;
        }
    }

    pub(super) fn receive(&mut self) {
        let (Some((place, host)), len) = (self.pick(), self.choices.len(60_000)) else { return };
        let peek = self.choices.one_in(8);
        self.receive_from(place, host, len, peek);
        self.receive_datagrams(host);
    }

    /// How many bytes were there; whatever is delivered is what the other side said.
    pub(super) fn receive_from(
        &mut self,
        place: usize,
        host: usize,
        len: usize,
        peek: bool,
    ) -> usize {
        let Some(end) = &mut self.connections[place].ends[host] else { return 0 };
        let mut buffer = vec![0; len];
        let flags = if peek { ReceiveFlags::PEEK } else { ReceiveFlags::empty() };
        let (now, handle) = (self.now, end.handle);
        let received = self.stacks[host]
            .with_tcp(now, |tcp, out| tcp.receive(now, handle, &mut buffer, flags, out));
        let Ok(count) = received else { return 0 };
        let expected = Self::said_by(1 - host, end.read, count);
        assert!(buffer[..count] == expected, "host {host} got wrong bytes at {}", end.read);
        if !peek {
            end.read += count;
        }
        count
    }

    pub(super) fn connect(&mut self) {
        let from = usize::from(self.choices.flag());
        if self.connections.len() >= CONNECTIONS {
            return;
        }
        let (now, peer) = (self.now, SocketAddr::new(HOSTS[1 - from].into(), STREAMS));
        let begun = self.stacks[from].with_tcp(now, |tcp, out| {
            let socket = tcp.open().expect("a socket");
            match tcp.connect(now, socket, peer, out) {
                Err(SocketError::InProgress) => {
                    Some((socket, tcp.info(now, socket).expect("it is open").local.port()))
                }
                _ => {
                    tcp.close(now, socket, out);
                    None
                }
            }
        });
        let Some((handle, port)) = begun else { return };
        let mut ends = [None; 2];
        ends[from] = Some(End { handle, written: 0, read: 0 });
        self.connections.push(Connection { from, port, ends });
    }

    pub(super) fn accept(&mut self) {
        let host = usize::from(self.choices.flag());
        let listener = self.listeners[host];
        let accepted = self.stacks[host].with_tcp(self.now, |tcp, _| tcp.accept(listener));
        let Ok((handle, peer)) = accepted else { return };
        let end = Some(End { handle, written: 0, read: 0 });
        let theirs = self.connections.iter_mut().find(|connection| {
            peer == SocketAddr::new(HOSTS[connection.from].into(), connection.port)
                && connection.from != host
                && connection.ends[host].is_none()
        });
        match theirs {
            Some(connection) => connection.ends[host] = end,
            None => self.strangers.push((host, handle)),
        }
        if self.strangers.len() > CONNECTIONS {
            let (host, handle) = self.strangers.remove(0);
            let now = self.now;
            self.stacks[host].with_tcp(now, |tcp, out| tcp.close(now, handle, out));
        }
    }

    pub(super) fn end(&mut self) {
        let Some((place, host)) = self.pick() else { return };
        let Some(end) = self.connections[place].ends[host] else { return };
        let (now, how) = (self.now, self.choices.byte());
        self.stacks[host].with_tcp(now, |tcp, out| match how % 8 {
            0 | 1 => tcp.close(now, end.handle, out),
            2 => {
                let _ = tcp.shutdown(now, end.handle, Shutdown::Read, out);
            }
            3 => {
                let _ = tcp.shutdown(now, end.handle, Shutdown::Both, out);
            }
            _ => {
                let _ = tcp.shutdown(now, end.handle, Shutdown::Write, out);
            }
        });
        if how % 8 < 2 {
            // Never picked again; when both are gone there is room for another connection.
            self.connections[place].ends[host] = None;
            if self.connections[place].ends.iter().all(Option::is_none) {
                self.connections.remove(place);
            }
        }
    }

    pub(super) fn set(&mut self) {
        let Some((place, host)) = self.pick() else { return };
        let Some(end) = self.connections[place].ends[host] else { return };
        let on = self.choices.flag();
        let seconds = Duration::from_secs(u64::from(self.choices.byte()) + 1);
        let keep_alive = KeepAlive { idle: seconds, interval: seconds, count: 3 };
        let setting = match self.choices.byte() % 10 {
            0 => Setting::NoDelay(on),
            1 => Setting::Cork(on),
            2 => Setting::KeepAlive(on.then_some(keep_alive)),
            3 => Setting::Linger(on.then_some(seconds)),
            4 => Setting::SendBuffer(self.choices.word().into()),
            5 => Setting::ReceiveBuffer(self.choices.word().into()),
            6 => Setting::UserTimeout(on.then_some(seconds)),
            7 => Setting::MtuDiscover(on),
            8 => Setting::ReceiveErrors(on),
            _ => Setting::Timestamping(on),
        };
        let now = self.now;
        self.stacks[host].with_tcp(now, |tcp, out| {
            let _ = tcp.set(now, end.handle, setting, out);
            let _ = tcp.take_error(end.handle);
        });
    }

    pub(super) fn send_datagram(&mut self) {
        let host = usize::from(self.choices.flag());
        let len = self.choices.len(9000);
        if self.datagrams.len() >= MOST_DATAGRAMS {
            return;
        }
        let number = self.datagrams.len() as u32;
        let mut data = number.to_be_bytes().to_vec();
        data.extend(pattern(number as usize, len));
        let (now, socket) = (self.now, self.udp[host]);
        let to = Some(SocketAddr::new(HOSTS[1 - host].into(), DATAGRAMS));
        let sent =
            self.stacks[host].with_udp(now, |udp, out| udp.send(now, socket, to, &data, out));
        if sent.is_ok() {
            self.datagrams.insert(number, len);
        }
    }

    /// Whatever is received from the other host is what it sent, whole.
    pub(super) fn receive_datagrams(&mut self, host: usize) {
        let socket = self.udp[host];
        let receive =
            |stack: &mut Stack| stack.with_udp(self.now, |udp, _| udp.receive(socket, false));
        while let Ok(received) = receive(&mut self.stacks[host]) {
            if received.from != SocketAddr::new(HOSTS[1 - host].into(), DATAGRAMS) {
                continue;
            }
            let (number, rest) = received.data.split_first_chunk().expect("no number");
            let number = u32::from_be_bytes(*number);
            let len = *self.datagrams.get(&number).expect("a datagram that was sent");
            assert!(rest == pattern(number as usize, len), "datagram {number} is another");
        }
        let raw = self.raw[host];
        while self.stacks[host].with_raw(self.now, |all, _| all.receive(raw, false)).is_ok() {}
    }

    pub(super) fn ping(&mut self) {
        let host = usize::from(self.choices.flag());
        let data = vec![7; self.choices.len(3000)];
        let (now, socket, to) = (self.now, self.raw[host], Some(IpAddr::from(HOSTS[1 - host])));
        let message = echo_request(1, 1, &data);
        let _ =
            self.stacks[host].with_raw(now, |raw, out| raw.send(now, socket, to, &message, out));
    }
}
