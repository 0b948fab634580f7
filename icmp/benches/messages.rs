//! Echo requests and their answers: `cargo bench -p icmp`.

use std::net::IpAddr;

use divan::Bencher;
use icmp::{Config, ControlMessages as _, Icmp};
use ip::{Cause, Datagram, Header, Hop, IfIndex, Offload, Output, Protocol, Route, SendError};
use netdev::checksum::Sum;
use netdev::{Cast, Instant, Packet};

const OWN: [u8; 4] = [10, 0, 0, 1];
const PEER: [u8; 4] = [10, 0, 0, 2];

fn main() {
    divan::main();
}

/// The layer below: whatever is sent is dropped, and counted.
#[derive(Default)]
struct Below(usize);

impl Output for Below {
    fn route(&self, _: Instant, dst: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
        let (iface, hop) = (IfIndex(1), Hop::Neighbour(dst));
        let (source, offload) = (OWN.into(), Offload::default());
        Ok(Route { source, iface, hop, mtu: 1500, local: false, offload })
    }
    fn send(&mut self, _: Instant, _: &Header, _: Packet) -> Result<(), SendError> {
        self.0 += 1;
        Ok(())
    }
    fn is_local(&self, addr: IpAddr) -> bool {
        addr == IpAddr::from(OWN)
    }
}

/// An echo request (RFC 792) is checked and answered.
#[divan::bench(args = [56, 1472])]
fn echo(bencher: Bencher<'_, '_>, len: usize) {
    let mut request = vec![0; 8 + len];
    request[0] = 8;
    let check = Sum::default().bytes(&request).finish();
    request[2..4].copy_from_slice(&check.to_be_bytes());
    let ip_header = [0; 20];
    let (mut icmp, mut below) = (Icmp::new(Config::default(), 1), Below::default());
    bencher
        .with_inputs(|| {
            let mut payload = Packet::from_payload(&request);
            // What IP has stripped.
            payload.prepend(ip_header.len()).copy_from_slice(&ip_header);
            payload.strip(ip_header.len());
            let header = Header::new(PEER.into(), OWN.into(), Protocol::ICMP);
            let (iface, cast, header_len) = (IfIndex(1), Cast::Unicast, ip_header.len());
            Datagram { header, iface, cast, header_len, payload }
        })
        .bench_local_values(|datagram| icmp.input(Instant::ZERO, datagram, &mut below));
    assert!(below.0 > 0, "nothing was answered");
}
