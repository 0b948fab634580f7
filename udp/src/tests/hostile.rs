//! Bytes from the wire: no panic, no silence; and two implementations that must agree.

use etherparse::UdpHeaderSlice;
use pnet_packet::udp::{UdpPacket, ipv4_checksum};
use proptest::prelude::*;

use super::*;
use crate::SimpleUdp;

fn both() -> [Bench; 2] {
    [Bench::udp(Config::default()), Bench::over(Box::new(SimpleUdp::new(1)))]
}

/// What a program or the wire does.
#[derive(Clone, Debug)]
enum Step {
    Bind(usize, usize, usize),
    Connect(usize, usize),
    Close(usize),
    Input { from: usize, to: usize, port: usize },
    Error { peer: usize, addr: usize, port: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..6, 0usize..3, 0usize..3).prop_map(|(s, a, p)| Step::Bind(s, a, p)),
        (0usize..6, 0usize..3).prop_map(|(s, p)| Step::Connect(s, p)),
        (0usize..6).prop_map(Step::Close),
        (0usize..3, 0usize..4, 0usize..3).prop_map(|(from, to, port)| Step::Input {
            from,
            to,
            port
        }),
        (0usize..3, 0usize..2, 0usize..3).prop_map(|(peer, addr, port)| Step::Error {
            peer,
            addr,
            port
        }),
    ]
}

/// Runs a step and gives all that can be seen of it.
fn run(bench: &mut Bench, sockets: &mut [Option<Handle>; 6], step: &Step) -> String {
    const ADDRS: [Ipv4Addr; 4] = [ANY, ME, ME_TOO, SUBNET_BROADCAST];
    let peers = [at(PEER, 4000), at(PEER, 4001), at([10, 0, 0, 3].into(), 4000)];
    let mut socket = |bench: &mut Bench, n: usize| *sockets[n].get_or_insert_with(|| bench.open());
    match *step {
        Step::Bind(n, addr, port) => {
            let socket = socket(bench, n);
            format!("{:?}", bench.bind(socket, at(ADDRS[addr], 53 + port as u16)))
        }
        Step::Connect(n, peer) => {
            let socket = socket(bench, n);
            // Ephemeral ports differ by design.
            if bench.local(socket).port() == 0 {
                return String::new();
            }
            format!("{:?} {}", bench.connect(socket, peers[peer]), bench.local(socket))
        }
        Step::Close(n) => {
            if let Some(socket) = sockets[n].take() {
                bench.udp.close(socket);
            }
            String::new()
        }
        Step::Input { from, to, port } => {
            let to = at([ME, ME_TOO, SUBNET_BROADCAST, Ipv4Addr::LOCALHOST][to], 53 + port as u16);
            let delivered =
                matches!(bench.input(datagram(peers[from], to, b"x")), Input::Delivered);
            let mut got = Vec::new();
            for socket in sockets.iter().flatten() {
                got.push(bench.drain(*socket).len());
            }
            format!("{delivered} {got:?}")
        }
        Step::Error { peer, addr, port } => {
            let local = at([ME, ME_TOO][addr], 53 + port as u16);
            bench.error(Cause::PortUnreachable, local, peers[peer]);
            let told = sockets.iter().flatten().map(|s| bench.udp.take_error(*s));
            format!("{:?}", told.collect::<Vec<_>>())
        }
    }
}

proptest! {
    /// The search through hash tables finds what the search through all sockets finds.
    #[test]
    fn both_implementations_agree(steps in prop::collection::vec(step(), 0..60)) {
        let [mut one, mut two] = both();
        let (mut ones, mut twos) = ([None; 6], [None; 6]);
        for step in &steps {
            let (a, b) = (run(&mut one, &mut ones, step), run(&mut two, &mut twos, step));
            prop_assert_eq!(a, b, "{:?}", step);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_nor_vanish(
        mut bytes in prop::collection::vec(any::<u8>(), 0..100),
        plausible: bool,
    ) {
        if plausible && bytes.len() >= 8 {
            let len = bytes[5] % 16;
            bytes[2..8].copy_from_slice(&[0, 53, 0, len, 0, 0]);
        }
        for mut bench in both() {
            bench.bound(ANY, 53);
            let _ = bench.input(raw(PEER.into(), ME.into(), Packet::from_payload(&bytes)));
            let counted: u64 = bench.udp.counters().iter().map(|row| row.count).sum();
            prop_assert!(counted >= 2, "received, and what became of it");
        }
    }

    #[test]
    fn arbitrary_quotes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..12)) {
        for mut bench in both() {
            let (src, dst, protocol) = (ME.into(), PEER.into(), Protocol::UDP);
            let quoted = Quoted { src, dst, protocol, total_len: 28, payload: payload.clone() };
            bench.udp.error(bench.now, Cause::PortUnreachable, &quoted);
        }
    }

    #[test]
    fn pnet_reads_the_same_fields(bytes in prop::collection::vec(any::<u8>(), 8..60)) {
        let one = UdpHeaderSlice::from_slice(&bytes).unwrap();
        let two = UdpPacket::new(&bytes).unwrap();
        prop_assert_eq!(one.source_port(), two.get_source());
        prop_assert_eq!(one.destination_port(), two.get_destination());
        prop_assert_eq!(one.length(), two.get_length());
        prop_assert_eq!(one.checksum(), two.get_checksum());
    }

    /// What is accepted has the checksum that pnet computes, and what has it is accepted.
    #[test]
    fn pnet_agrees_on_checksums(
        data in prop::collection::vec(any::<u8>(), 0..60),
        flip in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut packet = wire::build(at(PEER, 4000), at(ME, 53), &data, false);
        let udp = UdpPacket::new(&packet).unwrap();
        let expected = ipv4_checksum(&udp, &PEER, &ME);
        prop_assert!(udp.get_checksum() == expected || (udp.get_checksum(), expected) == (0xffff, 0));
        prop_assert!(wire::parse(&raw(PEER.into(), ME.into(), packet.clone())).is_ok());
        let place = flip.index(packet.len());
        packet[place] ^= 1 << bit;
        let zero = packet[6..8] == [0, 0];
        let flipped = wire::parse(&raw(PEER.into(), ME.into(), packet));
        prop_assert!(flipped.is_err() || zero, "one wrong bit is always seen");
    }
}
