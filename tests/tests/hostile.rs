//! What somebody at the kernel's end can send who means harm: the stack counts it, its memory
//! stays bounded, and its services go on.
//!
//! The frames come from a packet socket, which needs the link's namespace, and that a process
//! enters before its first thread. So this file's binary runs itself there, by `tapip host`, with
//! [`SENDER`] set.

use std::net::Ipv4Addr;

use netdev::checksum::Sum;
use netdev::{Device as _, Instant, Packet, PacketOptions, PacketSocket};
use tests::Instance;

/// Names the attack that this process is to carry out at the kernel's end.
const SENDER: &str = "TAPIP_TEST_SENDER";

const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const STACK_MAC: [u8; 6] = [0x00, 0x34, 0x45, 0x67, 0x89, 0xab];
const SENDER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x66];

/// Kilobytes of memory that the process may have after any of this: many times what it needs,
/// and far less than one leaked buffer a frame.
const MEMORY_LIMIT: u64 = 96 * 1024;

fn frame(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&STACK_MAC[..], &SENDER_MAC, &ethertype.to_be_bytes(), payload].concat()
}

/// A datagram to the stack. `fragment` is flags and offset as the header has them.
fn datagram(src: Ipv4Addr, protocol: u8, id: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + payload.len() as u16).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(src.octets());
    header.extend(STACK.octets());
    let sum = Sum::default().bytes(&header).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(payload);
    frame(0x0800, &header)
}

fn segment(src: Ipv4Addr, ports: (u16, u16), seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(ports.0.to_be_bytes());
    tcp.extend(ports.1.to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.extend(ack.to_be_bytes());
    tcp.extend([0x50, flags, 0x10, 0, 0, 0, 0, 0]);
    let sum = Sum::pseudo_header(src.into(), STACK.into(), 6, tcp.len()).bytes(&tcp).finish();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    datagram(src, 6, 1, 0, &tcp)
}

fn arp(operation: u8, mac: [u8; 6], addr: Ipv4Addr) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4, 0, operation];
    let target = [&STACK_MAC[..], &STACK.octets()].concat();
    frame(0x0806, &[&fixed[..], &mac, &addr.octets(), &target].concat())
}

/// The frames of an attack, the same on every run.
fn attack(name: &str) -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut frames = Vec::new();
    let bytes = |rng: &mut fastrand::Rng, len: usize| {
        let mut bytes = vec![0; len];
        rng.fill(&mut bytes);
        bytes
    };
    match name {
        "rarp" => frames.resize_with(300, || frame(0x8035, &[0; 46])),
        "junk" => {
            for n in 0..3000u16 {
                let len = rng.usize(..1400);
                frames.push(frame(0x0800, &bytes(&mut rng, len)));
                frames.push(frame(0x0806, &bytes(&mut rng, 46)));
                let protocol = [1, 6, 17, 41][usize::from(n) % 4];
                frames.push(datagram(KERNEL, protocol, n, 0, &bytes(&mut rng, len.min(200))));
            }
        }
        // Endless ones, overlapping ones, and one beyond 65,535 bytes.
        "fragments" => {
            for n in 0..3000u16 {
                let offset = rng.u16(..500);
                frames.push(datagram(KERNEL, 17, n, 0x2000 | offset, &bytes(&mut rng, 1400)));
                frames.push(datagram(KERNEL, 17, n % 64, 3, &bytes(&mut rng, 40)));
                frames.push(datagram(KERNEL, 17, n % 64, 0x1fff, &bytes(&mut rng, 1480)));
            }
        }
        "arp" => {
            for n in 0..6000u32 {
                let addr = Ipv4Addr::from(0x0a00_0003 + n % 250);
                let [.., a, b] = rng.u32(..).to_be_bytes();
                frames.push(arp(1 + (n % 2) as u8, [2, 0, 0, 0, a, b], addr));
            }
        }
        "flags" => {
            for port in [7, 80, 4321] {
                for flags in 0..=255 {
                    for (seq, ack) in [(0, 0), (1, 1), (rng.u32(..), rng.u32(..))] {
                        let ports = (rng.u16(1024..), port);
                        // From where nobody answers: what opens stays half open.
                        let peer = Ipv4Addr::new(10, 0, 0, 66);
                        if flags & 0x17 != 2 {
                            frames.push(segment(peer, ports, seq, ack, flags));
                        }
                    }
                }
            }
        }
        "syns" => {
            for _ in 0..20_000 {
                let peer = Ipv4Addr::from(0x0a00_0000 | rng.u32(1..0xff_ffff));
                frames.push(segment(peer, (rng.u16(1024..), 9), rng.u32(..), 0, 2));
            }
        }
        _ => panic!("no attack is called {name}"),
    }
    frames
}

/// Not a test by itself, but the other half of the one below.
#[test]
fn sender() {
    let Ok(name) = std::env::var(SENDER) else { return };
    let options = PacketOptions { vnet_hdr: false, ..PacketOptions::default() };
    let mut socket = PacketSocket::open("tap0", options).unwrap();
    for bytes in attack(&name) {
        let _ = socket.transmit(Instant::ZERO, Packet::from_payload(&bytes));
    }
    socket.flush(Instant::ZERO);
    assert!(socket.stats().tx_packets > 0, "{:?}", socket.stats());
}

fn resident_kilobytes(stack: &Instance) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The number in front of `what` in the table that `stat` prints under `title`.
fn counter(stat: &str, title: &str, what: &str) -> u64 {
    let table = stat.split("\n\n").find(|table| table.trim_start().starts_with(title));
    let row = table.and_then(|table| table.lines().find(|line| line.ends_with(what)));
    row.map_or(0, |row| row.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
fn what_a_hostile_neighbour_sends_is_counted_and_harms_no_service() {
    let Some(mut stack) = Instance::start("hostile", &[]) else { return };
    stack.run("serve echo 7; serve discard 9; serve http 80 .");
    let me = std::env::current_exe().unwrap();
    for name in ["rarp", "junk", "fragments", "arp", "flags", "syns"] {
        let args = ["--exact", "sender", "--nocapture"];
        let sent = stack.host_command(me.to_str().unwrap(), &args).env(SENDER, name).output();
        let sent = sent.unwrap();
        assert!(sent.status.success(), "{name}: {sent:?}");
        let echo = stack.host("sh", &["-c", "echo alive | nc -N -w 20 10.0.0.1 7"]);
        assert_eq!(echo.stdout, "alive\n", "after {name}: {echo:?}");
        let http = stack.host("curl", &["-s", "-m", "20", "-I", "http://10.0.0.1/"]);
        assert!(http.stdout.starts_with("HTTP/1.1 200"), "after {name}: {http:?}");
        let memory = resident_kilobytes(&stack);
        println!("after {name}: {memory} kB");
        assert!(memory < MEMORY_LIMIT, "after {name}: {memory} kB");
    }

    let ifconfig = stack.run("ifconfig");
    assert!(ifconfig.contains("dropped:300 RARP"), "r01: {ifconfig}");
    // Everything that came in has become something that has a name.
    let stat = stack.run("stat");
    let ip = |what| counter(&stat, "ip:", what);
    for reason in ["bad header length", "not IPv4", "overlapping fragments", "malformed fragment"] {
        assert!(ip(reason) > 0, "{reason}: {stat}");
    }
    assert!(ip("reassembly memory full") > 0, "{stat}");
    // No table grows with the number of those who ask.
    let connections = stat.split_once("tcp: ").unwrap().1.split(' ').next().unwrap();
    assert!(connections.parse::<u32>().unwrap() < 2_000, "{stat}");
}
