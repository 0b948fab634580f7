//! A host, two routers in a row, a host.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ip::{Protocol, Ttl};
use netdev::{FaultConfig, GilbertElliott, Probability};
use socket::{Key, RawSetting};
use tests::sim::programs::{EchoServer, Pinger, Receiver, Sender};
use tests::sim::{Event, Io, LinkConfig, LinkId, Network, NodeId};
use tests::virtual_net::echo_request;

const MS: Duration = Duration::from_millis(1);
/// RFC 792.
const ECHO_REQUEST: u8 = 8;

/// 10.0.1.1 – r1 – r2 – 10.0.3.1, and the link between the routers.
fn routed(net: &mut Network, outer: LinkConfig, middle: LinkConfig) -> (NodeId, NodeId, LinkId) {
    let [a, b] = [net.host("a"), net.host("b")];
    let [r1, r2] = [net.router("r1"), net.router("r2")];
    net.link(a.at("10.0.1.1/24").via("10.0.1.254"), r1.at("10.0.1.254/24"), outer);
    let link = net.link(r1.at("10.0.2.1/24"), r2.at("10.0.2.2/24"), middle);
    net.link(b.at("10.0.3.1/24").via("10.0.3.254"), r2.at("10.0.3.254/24"), outer);
    net.route(r1, "10.0.3.0/24", "10.0.2.2");
    net.route(r2, "10.0.1.0/24", "10.0.2.1");
    (a, b, link)
}

/// Sends echo requests with one hop more each time, until one is answered by whom it is for.
fn traceroute(dst: IpAddr, hops: Rc<RefCell<Vec<(IpAddr, u8)>>>) -> impl FnMut(Event, &mut Io<'_>) {
    let mut ttl = 0;
    move |event: Event, io: &mut Io<'_>| {
        let socket = match event {
            Event::Start => io.raw(Protocol::ICMP).unwrap(),
            Event::Ready(Key::Raw(socket)) => {
                let Ok(answer) = io.receive_raw(socket) else { return };
                let kind = answer.packet[answer.header_len];
                // A raw socket sees what others ask of this host, too.
                if kind == ECHO_REQUEST {
                    return;
                }
                hops.borrow_mut().push((answer.from, kind));
                socket
            }
            _ => return,
        };
        if hops.borrow().last().is_some_and(|(from, _)| *from == dst) {
            return io.close(Key::Raw(socket));
        }
        ttl += 1;
        let now = io.now();
        io.stack().with_raw(now, |raw, _| raw.set(socket, RawSetting::Ttl(Ttl(ttl)))).unwrap();
        io.send_raw(socket, dst, &echo_request(1, ttl.into(), b"how far?")).unwrap();
    }
}

#[test]
fn a_traceroute_sees_each_router() {
    let mut net = Network::new(1);
    let (a, b, _) = routed(&mut net, LinkConfig::delay(MS), LinkConfig::delay(10 * MS));
    let hops = Rc::new(RefCell::new(Vec::new()));
    net.start(a, traceroute("10.0.3.1".parse().unwrap(), Rc::clone(&hops)));
    let pinger = net.start(b, Pinger::new("10.0.1.1", 2, 100 * MS));
    net.run_until_idle(1_000).unwrap();
    let hops: Vec<(String, u8)> =
        hops.borrow().iter().map(|(from, kind)| (from.to_string(), *kind)).collect();
    // Time exceeded from each, then the reply (RFC 792).
    assert_eq!(
        hops,
        [("10.0.1.254".to_string(), 11), ("10.0.2.2".to_string(), 11), ("10.0.3.1".to_string(), 0)]
    );
    assert_eq!(net[pinger].times[1], Some(24 * MS));
}

#[test]
fn tcp_finds_the_path_mtu_over_a_narrow_link_between_routers() {
    let mut net = Network::new(2);
    let narrow = LinkConfig::delay(5 * MS).with_mtu(600);
    let (a, b, link) = routed(&mut net, LinkConfig::delay(MS), narrow);
    let receiver = net.start(b, Receiver::new(80));
    let sender = net.start(a, Sender::new("10.0.3.1:80", 500_000));
    net.run_while(|net| net[sender].sent < 500_000).unwrap();
    let info = net.stack(a).tcp_sockets(net.now()).into_iter().next().unwrap();
    assert_eq!(info.pmtu, 600);
    net.run_until_idle(10_000).unwrap();
    assert!(net[sender].is_done() && net[receiver].received == 500_000);
    for router in [2, 3] {
        // RFC 1191: nobody fragments, nobody sends what is too long.
        let name = ["a", "b", "r1", "r2"][router];
        let fragments = net.counter(net.find(name).unwrap(), "ip", "fragments made");
        assert_eq!(fragments, 0, "at {name}");
    }
    assert_eq!(net.counts(link).map(|way| way.too_long), [0, 0]);
}

#[test]
fn a_datagram_without_df_is_cut_up_by_the_router_and_comes_back_whole() {
    let mut net = Network::new(3);
    let narrow = LinkConfig::delay(MS).with_mtu(576);
    let (a, b, _) = routed(&mut net, LinkConfig::delay(MS), narrow);
    let server = net.start(b, EchoServer::new(7));
    let data = tests::payload(1, 4_000);
    let to = Some("10.0.3.1:7".parse().unwrap());
    let client = net.with(a, |stack, now| {
        stack.with_udp(now, |udp, out| {
            let socket = udp.open()?;
            udp.send(now, socket, to, &data, out).map(|_| socket)
        })
    });
    net.run_for(100 * MS).unwrap();
    assert_eq!(net[server].echoed, (0, 1));
    let back =
        net.with(a, |stack, now| stack.with_udp(now, |udp, _| udp.receive(client.unwrap(), false)));
    assert!(back.unwrap().data[..] == data[..]);
    assert!(net.counter(net.find("r1").unwrap(), "ip", "fragments made") > 4);
}

#[test]
fn bursts_of_loss_cost_time_and_no_byte() {
    let chance = Probability::new;
    let rate = "20mbit".parse().ok();
    let good = FaultConfig { rate, delay: 10 * MS, ..FaultConfig::default() };
    // One in fifty packets, in bursts of four.
    let bursts = GilbertElliott::new(chance(0.005), chance(0.25));
    let bad = FaultConfig { loss: bursts.into(), ..good };
    let times = [good, bad].map(|middle| {
        let mut net = Network::new(4);
        let middle = LinkConfig::both(middle);
        let (a, b, link) = routed(&mut net, LinkConfig::delay(MS), middle);
        let receiver = net.start(b, Receiver::new(80));
        let sender = net.start(a, Sender::new("10.0.3.1:80", 4_000_000));
        net.run_until_idle(200_000).unwrap();
        assert!(net[sender].is_done(), "{:?}", net[sender].ended);
        assert_eq!((net[receiver].received, net[receiver].complete), (4_000_000, 1));
        let lost = net.counts(link)[0].faults.lost;
        assert_eq!(lost > 20, middle.there == bad, "{lost} lost");
        net[sender].took().unwrap()
    });
    // 4 MB at 20 Mbit/s are 1.6 s.
    assert!(times[0] < Duration::from_millis(2_500) && times[1] > times[0], "{times:?}");
    assert!(times[1] < 20 * times[0], "{times:?}");
}
