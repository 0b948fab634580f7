//! Datagrams.

use super::*;

/// [`udp::Udp`] and [`udp::SimpleUdp`]: datagrams as they come or nearly right, and quotes of
/// ICMP errors, to sockets that have little room. They agree on all that is delivered.
pub fn udp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (now, mut below) = (Instant::ZERO, Below::default());
    let mut layers: Vec<Box<dyn Datagrams>> =
        vec![Box::new(udp::Udp::new(udp::Config::default(), 1)), Box::new(udp::SimpleUdp::new(1))];
    let any = |port| SocketAddr::new([0, 0, 0, 0].into(), port);
    let sockets: Vec<[_; 2]> = layers
        .iter_mut()
        .map(|udp| {
            [7, 53].map(|port| {
                let socket = udp.open().expect("a socket");
                udp.bind(socket, any(port), &below).expect("a free port");
                let _ = udp.set(socket, udp::Setting::ReceiveBuffer(2000));
                socket
            })
        })
        .collect();
    for (udp, sockets) in layers.iter_mut().zip(&sockets) {
        let peer = Some(SocketAddr::new(PEER.into(), 4000));
        udp.connect(now, sockets[1], peer, &below).expect("a peer");
    }
    while let Some(event) = choices.next() {
        match event % 4 {
            0 => {
                let got = received(&mut layers, &sockets);
                assert_eq!(got[0], got[1]);
            }
            1 => {
                let (src, dst, protocol) = (ME.into(), PEER.into(), Protocol::UDP);
                let payload = choices.bytes(12);
                let quoted = Quoted { src, dst, protocol, total_len: choices.word(), payload };
                for udp in &mut layers {
                    udp.error(now, Cause::PortUnreachable, &quoted);
                }
            }
            which => {
                let mut bytes = choices.bytes(200);
                if which == 3 {
                    let ports = (choices.of(&[4000, 1]), choices.of(&[7, 53, 9]));
                    bytes = crate::probe::udp(ports.0, ports.1, &bytes);
                    bytes[5] = bytes[5].wrapping_add(choices.of(&[0, 0, 0, 1, 255]));
                }
                let datagram = delivered(&mut choices, Protocol::UDP, &bytes);
                let right = is_right(&datagram);
                let (mut came, mut full) = (Vec::new(), false);
                for udp in &mut layers {
                    let before = udp.counters();
                    let again = copy(&datagram);
                    let input = udp.input(now, again);
                    let after = udp.counters();
                    // Of the pieces of one datagram some may have found room, and others none.
                    let no_room = udp::DropReason::QueueFull.text();
                    full |= count(&after, no_room) > count(&before, no_room);
                    assert!(total(after) >= total(before) + 2, "{input:?} and not counted");
                    let dropped = matches!(input, udp::Input::Dropped(_));
                    assert!(right || dropped, "a bad checksum: {input:?}");
                    if let udp::Input::Unreachable(back) = &input {
                        assert_eq!(back.payload, datagram.payload, "it comes back as it was given");
                    }
                    came.push(std::mem::discriminant(&input));
                }
                // They charge for a datagram differently: from a full queue on they go apart. And the
                // simple one knows no membership of a group.
                if full || datagram.cast == Cast::Multicast {
                    received(&mut layers, &sockets);
                } else {
                    assert_eq!(came[0], came[1], "the two disagree about {bytes:02x?}");
                }
            }
        }
        for (udp, sockets) in layers.iter_mut().zip(&sockets) {
            for socket in sockets {
                let info = udp.info(*socket).expect("an open socket");
                assert!(info.receive_queue <= info.receive_buffer, "{info:?}");
                let _ = udp.take_error(*socket);
            }
            udp.poll(now + Duration::from_secs(1), &mut below);
            while udp.changed().is_some() {}
        }
    }
}

/// RFC 768: length and checksum, counted here once more.
fn is_right(datagram: &Datagram) -> bool {
    let (header, bytes) = (&datagram.header, &datagram.payload[..]);
    let Some([a, b, check @ ..]) = bytes.get(4..8) else { return false };
    let len = usize::from(u16::from_be_bytes([*a, *b]));
    let Some(covered) = bytes.get(..len).filter(|_| len >= 8) else { return false };
    let sum = Sum::pseudo_header(header.src, header.dst, Protocol::UDP.0, len).bytes(covered);
    *check == [0, 0] || datagram.payload.checksum() != Checksum::None || sum.is_valid()
}

/// What waits in every socket of each of them.
fn received(layers: &mut [Box<dyn Datagrams>], sockets: &[[Handle; 2]]) -> Vec<[Vec<Vec<u8>>; 2]> {
    let both = layers.iter_mut().zip(sockets);
    let all = both.map(|(udp, sockets)| {
        sockets.map(|socket| {
            let next = || udp.receive(socket, false).ok();
            std::iter::from_fn(next).map(|received| received.data.to_vec()).collect()
        })
    });
    all.collect()
}

fn copy(datagram: &Datagram) -> Datagram {
    let Datagram { header, iface, cast, header_len, payload } = datagram;
    Datagram {
        header: header.clone(),
        iface: *iface,
        cast: *cast,
        header_len: *header_len,
        payload: payload.clone(),
    }
}
