//! Writes what the fuzzer begins with: `cargo run -p tests --bin fuzz_seeds -- FOLDER` makes a
//! folder of inputs for each target that reads plain packets or text, from a session of two of our
//! own stacks, our packet scripts, and lines that people write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use netdev::{Device as _, Instant, Packet, Wire};
use tests::virtual_net::{World, attach, echo_request, rfc9293, stack};

/// Writes what the fuzzer begins with.
#[derive(Parser)]
struct Args {
    /// Where to: a folder of this gets the inputs of each target
    folder: PathBuf,
}

/// Scripts that are taken: the shortest, which are read the most often a second.
const SCRIPTS: usize = 12;

/// The frames of a session: address resolution, a ping in fragments, a datagram and its refusal,
/// and a connection from its SYN to its end.
fn session() -> Vec<Vec<u8>> {
    let [a, b] = [(); 2].map(|()| Wire::pair(Duration::ZERO));
    let mut world = World::new([stack(rfc9293, 1), stack(rfc9293, 2)]);
    attach(&mut world.stacks[0], a.1, 1, "10.0.0.1/24", None);
    attach(&mut world.stacks[1], b.1, 2, "10.0.0.2/24", None);
    let mut ends = [a.0, b.0];
    let mut frames = Vec::new();
    let mut carry = |world: &mut World, frames: &mut Vec<Vec<u8>>| {
        for _ in 0..50 {
            world.millis(1);
            for from in 0..2 {
                while let Some(packet) = ends[from].receive(world.now) {
                    frames.push(packet.to_vec());
                    let copy = Packet::from_payload(&packet);
                    ends[1 - from].transmit(world.now, copy).expect("room on the wire");
                }
            }
        }
    };
    let raw = world.raw(0, ip::Protocol::ICMP);
    let long = [7; 1600];
    world.send_raw(0, raw, "10.0.0.2", &echo_request(1, 1, &long)).expect("sent");
    let socket = world.udp(0, "0.0.0.0:5000");
    carry(&mut world, &mut frames);
    world.send_udp(0, socket, "10.0.0.2:9", b"nobody listens").expect("sent");
    let listener = world.listen(1, "10.0.0.2:80", 1);
    let client = world.connect(0, "10.0.0.2:80");
    carry(&mut world, &mut frames);
    let (server, _) = world.accept(1, listener).expect("a connection");
    world.send(0, client, b"GET / HTTP/1.1\r\n\r\n");
    carry(&mut world, &mut frames);
    world.send(1, server, &[b'x'; 200]);
    carry(&mut world, &mut frames);
    let _ = world.receive(1, server);
    world.close(1, server);
    carry(&mut world, &mut frames);
    let _ = world.receive(0, client);
    world.close(0, client);
    carry(&mut world, &mut frames);
    assert!(world.now > Instant::ZERO && frames.len() > 10, "{} frames", frames.len());
    frames
}

/// An input's bytes behind those that choose what is done with it.
fn behind(prefix: &[u8], bytes: &[u8]) -> Vec<u8> {
    [prefix, bytes].concat()
}

fn write(folder: &Path, target: &str, inputs: Vec<Vec<u8>>) -> anyhow::Result<()> {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    for (number, bytes) in inputs.into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:02}")), bytes)?;
    }
    Ok(())
}

fn scripts() -> anyhow::Result<Vec<Vec<u8>>> {
    let root = tests::workspace().join("tests/scripts");
    let mut all = Vec::new();
    for group in std::fs::read_dir(root)? {
        let group = group?.path();
        if !group.is_dir() {
            continue;
        }
        for script in std::fs::read_dir(group)? {
            all.push(std::fs::read(script?.path())?);
        }
    }
    all.sort_by_key(|script| (script.len(), script.clone()));
    all.truncate(SCRIPTS);
    Ok(all)
}

fn lines(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|line| line.as_bytes().to_vec()).collect()
}

fn main() -> anyhow::Result<()> {
    let Args { folder } = Args::parse();
    let frames = session();
    let of = |kind: [u8; 2]| frames.iter().filter(move |frame| frame[12..14] == kind);
    let datagrams: Vec<_> = of([8, 0]).map(|frame| frame[14..].to_vec()).collect();
    let segments = datagrams.iter().filter(|d| d[9] == 6).map(|d| d[20..].to_vec()).collect();
    let all = |prefix: &[u8]| frames.iter().map(|frame| behind(prefix, frame)).collect();
    write(&folder, "dump", all(&[0]))?;
    write(&folder, "quoted", datagrams.clone())?;
    write(&folder, "tcp_segment", segments)?;
    write(&folder, "vnet_header", all(&[1, 1, 54, 0, 100, 0, 34, 0, 16, 0]))?;
    let framed = |frame: &Vec<u8>| behind(&(frame.len() as u32).to_be_bytes(), frame);
    let stream: Vec<u8> = frames.iter().take(6).flat_map(framed).collect();
    write(&folder, "unix_link", vec![behind(&[99], &stream), behind(&[3], &stream[..70])])?;
    // An event that has bytes of any length, which has to be a byte.
    let short = |frame: &&Vec<u8>| frame.len() < 100;
    let port = frames.iter().filter(short).map(|f| behind(&[1, 1, 1, f.len() as u8], f));
    write(&folder, "ethernet_port", port.collect())?;
    let arp = of([8, 6]).map(|f| behind(&[0, 3, 1, 28], &f[14..42]));
    write(&folder, "arp_input", arp.collect())?;
    let ip = datagrams.iter().filter(|d| d.len() < 80).map(|d| behind(&[0, 0, d.len() as u8], d));
    write(&folder, "ip_input", ip.collect())?;
    let icmp = datagrams.iter().filter(|d| d[9] == 1 && d.len() < 120);
    write(
        &folder,
        "icmp_input",
        icmp.map(|d| behind(&[2, d.len() as u8 - 20], &d[20..])).collect(),
    )?;
    let udp = datagrams.iter().filter(|d| d[9] == 17 && d.len() < 200);
    write(&folder, "udp_input", udp.map(|d| behind(&[2, d.len() as u8 - 20], &d[20..])).collect())?;
    write(&folder, "packet_script", scripts()?)?;
    let quantities = ["02:00:00:00:00:01", "10.0.0.1/24", "20ms", "1.5%", "10mbit", "ge:1%,25%"];
    write(&folder, "quantities", lines(&quantities))?;
    let shell = [
        "ping -c 3 10.0.0.2; stat # all",
        "serve http 80 'a b'; jobs; kill 1; wait",
        "snc -l 10.0.0.1 80; ss -i; debug -n tcp",
        "!curl -s \"http://10.0.0.1/\" | wc; route add",
    ];
    write(&folder, "shell_line", lines(&shell))?;
    let filters = [
        "tcp port 80 or 443 and (syn or fin)",
        "not (arp or ether src 02:00:00:00:00:01) and net 10.1",
        "ip proto 2 && !udp dst portrange 30-20 || less 60",
    ];
    write(&folder, "packet_filter", lines(&filters))?;
    let toml = [
        "link = 'sim'\naddr = '10.0.0.1/24'\nmtu = 1400\nloss = '1%/ge:1%,25%'\n",
        "neighbour = ['10.0.0.2=02:00:00:00:00:02']\narp = 'static'\ndebug = ['tcp']\n",
        "tcp = 'small'\nrate = '10mbit'\ndelay = '20ms/5ms'\ngw = 'none'\nseed = 7\n",
        "mac = '02:00:00:00:00:01'\nhost-addr = '10.0.0.9/24'\nforward = false\necn = 'on'\n",
    ];
    write(&folder, "tapip_toml", lines(&toml))?;
    // What plays a session by itself: the numbers say how it begins.
    for target in ["stack", "tcp_input", "tcp_small_input"] {
        let plays = (0..8u8).map(|kind| {
            let play =
                [12, 0, 0, 100, 5, 8, 0x55, 15, 0, 1, 200, 255, 127, 1, 8, 0x55, 20, 0, 0, 2];
            behind(&[kind, kind * 17], &play.repeat(3))
        });
        write(&folder, target, plays.collect())?;
    }
    Ok(())
}
