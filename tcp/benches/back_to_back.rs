//! Two TCPs joined by lists in memory: what the protocol itself costs. `cargo bench -p tcp`.

use std::net::IpAddr;
use std::time::{Duration, Instant as Clock};

use ip::{Cause, Datagram, Header, Hop, IfIndex, Offload, Output, Route, SendError};
use netdev::{Cast, Instant, Packet};
use tcp::{Config, ReceiveFlags, SendFlags, SmallTcp, Streams, Tcp};

struct Below {
    addr: IpAddr,
    offload: Offload,
    sent: Vec<(Header, Packet)>,
}

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        let (iface, hop) = (IfIndex(1), Hop::Neighbour(dst));
        let offload = self.offload;
        Ok(Route { source: self.addr, iface, hop, mtu: 1500, local: false, offload })
    }
    fn send(&mut self, _: Instant, header: &Header, packet: Packet) -> Result<(), SendError> {
        self.sent.push((header.clone(), packet));
        Ok(())
    }
    fn is_local(&self, addr: IpAddr) -> bool {
        addr == self.addr
    }
}

fn carry(from: &mut Below, to: &mut dyn Streams, out: &mut Below, now: Instant) -> usize {
    let count = from.sent.len();
    for (header, payload) in from.sent.drain(..) {
        let datagram =
            Datagram { header, iface: IfIndex(1), cast: Cast::Unicast, header_len: 0, payload };
        to.input(now, datagram, out);
    }
    to.poll(now, out);
    count
}

fn run(
    name: &str,
    offload: Offload,
    mut a: Box<dyn Streams>,
    mut b: Box<dyn Streams>,
    total: usize,
) {
    let below = |last| Below { addr: [10, 0, 0, last].into(), offload, sent: Vec::new() };
    let (mut below_a, mut below_b) = (below(1), below(2));
    let mut now = Instant::ZERO;
    let listener = b.open().unwrap();
    b.bind(listener, "0.0.0.0:80".parse().unwrap(), &below_b).unwrap();
    b.listen(listener, 5).unwrap();
    let client = a.open().unwrap();
    let _ = a.connect(now, client, "10.0.0.2:80".parse().unwrap(), &mut below_a);
    carry(&mut below_a, &mut *b, &mut below_b, now);
    carry(&mut below_b, &mut *a, &mut below_a, now);
    carry(&mut below_a, &mut *b, &mut below_b, now);
    let (server, _) = b.accept(listener).unwrap();
    let data = vec![0x5a; 256 << 10];
    let mut buffer = vec![0; 256 << 10];
    let (mut received, mut packets, mut stalls) = (0, 0, 0);
    let start = Clock::now();
    while received < total {
        while a.send(now, client, &data, SendFlags::empty(), &mut below_a).is_ok() {}
        let moved = carry(&mut below_a, &mut *b, &mut below_b, now);
        while let Ok(len) = b.receive(now, server, &mut buffer, ReceiveFlags::empty(), &mut below_b)
        {
            received += len;
        }
        packets += moved + carry(&mut below_b, &mut *a, &mut below_a, now);
        if moved == 0 {
            stalls += 1;
        }
        now += Duration::from_micros(if moved == 0 { 10_000 } else { 10 });
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{name:<28} {:>8.2} Gbit/s {:>10.0} packets/s  ({packets} packets, {stalls} stalls)",
        received as f64 * 8.0 / seconds / 1e9,
        packets as f64 / seconds,
    );
}

fn main() {
    let whole = |seed| Box::new(Tcp::new(Config::default(), seed)) as Box<dyn Streams>;
    let small = |seed| Box::new(SmallTcp::new(seed)) as Box<dyn Streams>;
    let plain = Offload::default();
    let sums = Offload { checksum: true, ..plain };
    let all = Offload { tcp_segmentation: 65_000, ..sums };
    run("Tcp, 1500 bytes", plain, whole(1), whole(2), 2 << 30);
    run("Tcp, checksum offload", sums, whole(1), whole(2), 2 << 30);
    run("Tcp, segmentation offload", all, whole(1), whole(2), 8 << 30);
    run("SmallTcp, 1500 bytes", plain, small(1), small(2), 1 << 30);
}
