//! Two stacks and a hostile network.

use std::time::Duration;

use netdev::{FaultConfig, GilbertElliott, Instant, Probability};
use tcp::State;

use crate::sim::programs::{Receiver, Sender};
use crate::sim::{LinkConfig, Network, layers};
use crate::virtual_net::{rfc9293, small};

/// How long nothing may come forward while something is still due. An end gives up after at most
/// fifteen retransmissions two minutes apart (R2, RFC 1122 §4.2.3.5); then there are FIN-WAIT-2
/// and TIME-WAIT, a minute each, and ARP forgets after twenty.
const PATIENCE: Duration = Duration::from_secs(3600);

/// When a cable is pulled out, and how long it stays out, in milliseconds; `None`: for good.
pub type Cut = (u64, Option<u64>);

/// Transfers both ways between two hosts with a router between them, one link of which is bad.
///
/// `whole` says which of the two has the TCP that does all of RFC 9293.
///
/// # Panics
/// Where a byte is wrong, or somebody waits for ever.
pub fn hostile(
    seed: u64,
    [there, back]: [FaultConfig; 2],
    mtu: usize,
    cut: Option<Cut>,
    lens: [u64; 2],
    whole: [bool; 2],
) {
    let mut net = Network::new(seed);
    let [a, b] = [("a", whole[0]), ("b", whole[1])].map(|(name, whole)| {
        let make = if whole { rfc9293 } else { small };
        net.host_with(name, |seed| socket::Layers { tcp: make(seed), ..layers(seed) })
    });
    let router = net.router("r");
    // Two bits flipped in two fragments of one segment cancel each other out in the Internet
    // checksum now and then (RFC 1071): no TCP can tell.
    let fragments = mtu < 1500;
    let [there, back] = [there, back].map(|faults| FaultConfig {
        corrupt: if fragments { Probability::NEVER } else { faults.corrupt },
        ..faults
    });
    let good = LinkConfig::delay(Duration::from_millis(1));
    let bad = LinkConfig { there, back, mtu };
    net.link(a.at("10.0.1.1/24").via("10.0.1.254"), router.at("10.0.1.254/24"), good);
    let link = net.link(b.at("10.0.2.1/24").via("10.0.2.254"), router.at("10.0.2.254/24"), bad);
    let receivers = [a, b].map(|host| net.start(host, Receiver::new(80)));
    let to = |addr: &str, len| Sender::new(&format!("{addr}:80"), len);
    let senders = [net.start(a, to("10.0.2.1", lens[0])), net.start(b, to("10.0.1.1", lens[1]))];
    net.set_bound(5_000_000);
    if let Some((at, out)) = cut {
        net.run_until(Instant::from_millis(at)).unwrap();
        net.cut(link);
        if let Some(out) = out {
            net.run_for(Duration::from_millis(out)).unwrap();
            net.set_link(link, bad);
        }
    }
    // Each byte is compared as it comes.
    let progress = |net: &Network| {
        let sent = senders.map(|sender| net[sender].sent + u64::from(net[sender].ended.is_some()));
        let received = receivers.map(|receiver| net[receiver].received + net[receiver].complete);
        sent.iter().chain(&received).sum::<u64>()
    };
    while net.due().is_some() {
        let before = progress(&net);
        net.run_for(PATIENCE).unwrap();
        let forward = progress(&net) > before;
        assert!(forward || net.due().is_none(), "waiting for ever at {:?}", net.elapsed());
    }
    // Nothing is due any more. Whoever still has a connection owes the peer nothing: it was cut
    // off from one that gave up meanwhile, and a TCP without keep-alives does not ask after it.
    let mut left = 0;
    for host in [a, b] {
        for info in net.stack(host).tcp_sockets(net.now()) {
            match info.state {
                State::Listen => continue,
                State::Established | State::FinWait2 => left += 1,
                state => panic!("{} is in {state} for ever", net.name(host)),
            }
            assert_eq!((info.send_queue, info.unacked), (0, 0), "{info:?} for ever");
        }
    }
    let ended = senders.iter().filter(|sender| net[**sender].ended.is_some()).count();
    let waiting = receivers.iter().map(|receiver| net[*receiver].connections()).sum::<usize>();
    assert_eq!(2 - ended + waiting, left, "a program waits for what is not there");
    for (from, to) in [(0, 1), (1, 0)] {
        if net[senders[from]].is_done() {
            assert!(net[receivers[to]].received == lens[from] && net[receivers[to]].complete == 1);
        }
    }
}

/// [`hostile`], with all that it leaves open chosen by the seed; so often.
pub(super) fn hostile_networks(seed: u64) -> String {
    const COUNT: usize = 5;
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..COUNT {
        let ways = [faults(&mut rng), faults(&mut rng)];
        let mtu = if rng.bool() { 1500 } else { rng.usize(296..1500) };
        let cut = rng.bool().then(|| {
            let back = rng.bool().then(|| rng.u64(1..1_200_000));
            (rng.u64(1..20_000), back)
        });
        let lens = [rng.u64(..200_000), rng.u64(..200_000)];
        let whole = [rng.u8(..5) > 0, rng.u8(..5) > 0];
        hostile(rng.u64(..), ways, mtu, cut, lens, whole);
    }
    format!("{COUNT} networks")
}

fn faults(rng: &mut fastrand::Rng) -> FaultConfig {
    let mut share = |most: f64| match rng.bool() {
        // Often not at all.
        true => Probability::NEVER,
        false => Probability::new(rng.f64() * most),
    };
    let (loss, duplicate, corrupt, reorder) = (share(0.3), share(0.2), share(0.1), share(0.3));
    let bursts = rng.bool().then(|| {
        let (worsens, improves) = (rng.f64() * 0.1, 0.05 + rng.f64() * 0.95);
        GilbertElliott::new(Probability::new(worsens), Probability::new(improves)).into()
    });
    let rate = rng.bool().then(|| rng.u64(50_000..20_000_000));
    FaultConfig {
        loss: bursts.unwrap_or(loss.into()),
        duplicate,
        corrupt,
        reorder,
        rate: rate.and_then(netdev::Rate::from_bits_per_second),
        queue: rng.usize(1..100),
        delay: Duration::from_millis(rng.u64(..300)),
        jitter: Duration::from_millis(rng.u64(..100)),
        ..FaultConfig::default()
    }
}
