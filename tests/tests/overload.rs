//! More than is good for a stack, from the kernel's end of a real link: a flood of SYNs, thousands
//! of connections, senders whose readers are slow. It serves on, and the peak of its memory is
//! printed and bounded.
//!
//! The short form takes seconds; `TAPIP_OVERLOAD=full` makes it the whole: 10 s of SYNs, 10,000
//! idle and 1,000 active connections, 1,000 slow readers. All run in one test, after another, since
//! each wants the machine for itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netdev::checksum::Sum;
use netdev::{Device as _, Packet, PacketOptions, PacketSocket};
use tests::{Instance, payload};

/// Says, to this binary at the kernel's end, what it is there for.
const ROLE: &str = "TAPIP_TEST_ROLE";
const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const STACK_MAC: [u8; 6] = [0x00, 0x34, 0x45, 0x67, 0x89, 0xab];
const PATIENCE: Duration = Duration::from_secs(100);

/// Descriptors that a process needs beside those of the connections.
const OTHER_DESCRIPTORS: usize = 50;
/// Connections that a service of the shell serves at a time; each of them has a thread.
const SERVED: usize = 4000;

/// How much there is of everything.
struct Load {
    flood: Duration,
    idle: usize,
    active: usize,
    slow: usize,
}

impl Load {
    fn chosen() -> Load {
        match std::env::var("TAPIP_OVERLOAD").as_deref() {
            Ok("full") => {
                Load { flood: Duration::from_secs(10), idle: 10_000, active: 1_000, slow: 1_000 }
            }
            _ => Load { flood: Duration::from_secs(3), idle: 1_000, active: 200, slow: 100 },
        }
    }
}

/// The highest that the memory of a process was, in kilobytes.
fn peak(stack: &Instance) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// This binary at the kernel's end, with as many descriptors as it may have.
fn at_the_kernels_end(stack: &Instance, role: &str) -> Command {
    let me = std::env::current_exe().unwrap();
    let run = "ulimit -Sn $(ulimit -Hn); exec \"$0\" --exact kernels_end --nocapture";
    let mut command = stack.host_command("sh", &["-c", run, me.to_str().unwrap()]);
    command.env(ROLE, role).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// What [`kernels_end`] said in the end, after `done `.
fn said(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let done = text.lines().find_map(|line| line.split_once("done ")).expect("a last word");
    done.1.to_string()
}

#[test]
fn overload_is_served_in_bounded_memory() {
    let load = Load::chosen();
    syn_flood(&load);
    many_connections(&load);
    slow_readers(&load);
}

fn syn_flood(load: &Load) {
    let Some(mut stack) = Instance::start("syn-flood", &[]) else { return };
    stack.run("serve echo 7");
    let millis = load.flood.as_millis();
    let flood = at_the_kernels_end(&stack, &format!("flood {millis}")).spawn().unwrap();
    let honest = at_the_kernels_end(&stack, &format!("honest {millis}")).spawn().unwrap();
    let (flood, honest) = (said(flood), said(honest));
    println!("{flood}; meanwhile {honest}; peak {} kB", peak(&stack));
    let stat = stack.run("stat");
    let rows = stat.lines().filter_map(|line| line.trim().split_once("  "));
    let cookies: u64 = rows
        .filter(|(_, what)| what.contains("SYN cookies sent"))
        .filter_map(|(count, _)| count.parse::<u64>().ok())
        .sum();
    assert!(cookies > 0, "the flood did not fill the queue: {stat}");
    // The queue of half-open connections has a limit, and so has its memory.
    assert!(peak(&stack) < 128 << 10, "{} kB", peak(&stack));
    assert_eq!(stack.finish(), 0);
}

fn many_connections(load: &Load) {
    let Some(mut stack) = Instance::start("many", &[]) else { return };
    // A service has so many threads; more connections need more services.
    let services = load.idle.div_ceil(SERVED);
    for port in 0..services {
        stack.run(&format!("serve discard {}", 100 + port));
    }
    stack.run("serve echo 7");
    let role = format!("many {} {}", load.idle, load.active);
    let many = at_the_kernels_end(&stack, &role).spawn().unwrap();
    let many = said(many);
    println!("{many}; peak {} kB", peak(&stack));
    // Threads and all: 64 KiB a connection, 1 MiB an active one.
    let limit = 64 * 1024 + 64 * load.idle as u64 + 1024 * load.active as u64;
    assert!(peak(&stack) < limit, "{} kB of {limit}", peak(&stack));
}

fn slow_readers(load: &Load) {
    let Some(mut stack) = Instance::start("slow", &[]) else { return };
    stack.run("serve chargen 19; serve echo 7");
    let slow = at_the_kernels_end(&stack, &format!("slow {}", load.slow)).spawn().unwrap();
    let slow = said(slow);
    println!("{slow}; peak {} kB", peak(&stack));
    // A send buffer of 256 KiB each and what the service has in hand; far from what each would
    // take whose buffer grew as if it were read.
    let limit = 64 * 1024 + 1024 * load.slow as u64;
    assert!(peak(&stack) < limit, "{} kB of {limit}", peak(&stack));
    assert_eq!(stack.host("sh", &["-c", "echo alive | nc -N -w 60 10.0.0.1 7"]).stdout, "alive\n");
}

/// Not a test by itself, but the kernel's end of the one above.
#[test]
fn kernels_end() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.split(' ');
    let kind = words.next().unwrap();
    let numbers: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
    let said = match kind {
        "flood" => flood(Duration::from_millis(numbers[0] as u64)),
        "honest" => honest(Duration::from_millis(numbers[0] as u64)),
        "many" => many(numbers[0], numbers[1]),
        "slow" => slow(numbers[0]),
        _ => panic!("no role {kind}"),
    };
    println!("done {said}");
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((STACK, port)), PATIENCE)
        .unwrap_or_else(|why| panic!("port {port}: {why}"));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn echo(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert!(back == bytes, "other bytes came back");
}

/// SYNs from everywhere, as fast as the device takes them.
fn flood(time: Duration) -> String {
    let options = PacketOptions { vnet_hdr: false, ..PacketOptions::default() };
    let mut socket = PacketSocket::open("tap0", options).unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let start = Instant::now();
    while start.elapsed() < time {
        for _ in 0..64 {
            let peer = Ipv4Addr::from(0x0a00_0000 | rng.u32(0x100..0xff_ffff));
            let frame = syn(peer, rng.u16(1024..), rng.u32(..));
            let _ = socket.transmit(netdev::Instant::ZERO, Packet::from_payload(&frame));
        }
        socket.flush(netdev::Instant::ZERO);
    }
    let sent = socket.stats().tx_packets;
    assert!(sent > 1000, "{:?}", socket.stats());
    format!("{sent} SYNs in {:.1?}", start.elapsed())
}

fn syn(src: Ipv4Addr, port: u16, seq: u32) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(port.to_be_bytes());
    tcp.extend(7u16.to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.extend([0, 0, 0, 0, 0x50, 2, 0x10, 0, 0, 0, 0, 0]);
    let sum = Sum::pseudo_header(src.into(), STACK.into(), 6, tcp.len()).bytes(&tcp).finish();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut header = vec![0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0];
    header.extend(src.octets());
    header.extend(STACK.octets());
    let sum = Sum::default().bytes(&header).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&STACK_MAC[..], &[2, 0, 0, 0, 0, 0x66], &[8, 0], &header, &tcp].concat()
}

/// Connections of somebody who means well, one after another.
fn honest(time: Duration) -> String {
    let start = Instant::now();
    let (mut served, mut longest) = (0, Duration::ZERO);
    while start.elapsed() < time {
        let begun = Instant::now();
        echo(&mut connect(7), b"hello");
        longest = longest.max(begun.elapsed());
        served += 1;
    }
    format!("{served} connections were served, the slowest in {longest:.1?}")
}

/// How many connections this process may have, where more were wanted: said loudly.
fn affordable(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limit: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    let most = limit.saturating_sub(OTHER_DESCRIPTORS);
    if wanted > most {
        eprintln!("SCALED DOWN: {most} connections instead of {wanted}: {limit} descriptors");
    }
    wanted.min(most)
}

/// Many that do nothing, and some that do much at the same time.
fn many(idle: usize, active: usize) -> String {
    let all = affordable(idle + active);
    let idle = idle * all / (idle + active);
    let active = all - idle;
    let start = Instant::now();
    let idlers: Vec<TcpStream> = (0..idle).map(|n| connect(100 + (n / SERVED) as u16)).collect();
    let connected = start.elapsed();
    let mut streams: Vec<TcpStream> = (0..active).map(|_| connect(7)).collect();
    let bytes = payload(1, 4096);
    for _ in 0..5 {
        // All have something under way at once.
        streams.iter_mut().for_each(|stream| stream.write_all(&bytes).unwrap());
        for stream in &mut streams {
            let mut back = vec![0; bytes.len()];
            stream.read_exact(&mut back).unwrap();
            assert!(back == bytes, "other bytes came back");
        }
    }
    // The idle ones are still there: no end of file, no reset.
    for mut stream in &idlers {
        stream.set_nonblocking(true).unwrap();
        let error = stream.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "an idle connection ended");
    }
    let time = start.elapsed();
    format!("{idle} idle connections in {connected:.1?}, {active} active ones, {time:.1?} in all")
}

/// Readers that take a little of what comes without end, again and again.
fn slow(count: usize) -> String {
    let count = affordable(count);
    let start = Instant::now();
    let mut streams: Vec<TcpStream> = (0..count).map(|_| connect(19)).collect();
    // RFC 864's pattern: each line begins one character further on.
    let mut read = 0;
    let mut buffer = [0; 4 * 74];
    for round in 0..20u8 {
        for stream in &mut streams {
            stream.read_exact(&mut buffer).unwrap();
            for (number, line) in buffer.chunks(74).enumerate() {
                assert_eq!(line[0], b' ' + (round * 4 + number as u8) % 95, "another line");
                assert_eq!(&line[72..], b"\r\n");
            }
            read += buffer.len();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    format!("{count} slow readers of endless senders, {read} bytes in {:.1?}", start.elapsed())
}
