//! Two stacks and a hostile network: whatever happens, no byte is wrong and no side waits for
//! ever.

use std::time::Duration;

use netdev::{FaultConfig, GilbertElliott, Instant, Probability};
use proptest::prelude::*;
use tcp::State;
use tests::sim::programs::{Receiver, Sender};
use tests::sim::{LinkConfig, Network, layers};
use tests::virtual_net::{rfc9293, small};

/// How long nothing may come forward while something is still due. An end gives up after at most
/// fifteen retransmissions two minutes apart (R2, RFC 1122 §4.2.3.5); then there are FIN-WAIT-2
/// and TIME-WAIT, a minute each, and ARP forgets after twenty.
const PATIENCE: Duration = Duration::from_secs(3600);

fn share(most: f64) -> impl Strategy<Value = Probability> {
    // Often not at all.
    prop_oneof![Just(Probability::NEVER), (0.0..most).prop_map(Probability::new)]
}

prop_compose! {
    fn faults()(
        loss in share(0.3),
        bursts in proptest::option::of((0.0..0.1, 0.05..1.0)),
        duplicate in share(0.2),
        corrupt in share(0.1),
        reorder in share(0.3),
        rate in proptest::option::of(50_000u64..20_000_000),
        queue in 1usize..100,
        delay in 0u64..300,
        jitter in 0u64..100,
    ) -> FaultConfig {
        let bursts = bursts.map(|(worsens, improves): (f64, f64)| {
            GilbertElliott::new(Probability::new(worsens), Probability::new(improves)).into()
        });
        FaultConfig {
            loss: bursts.unwrap_or(loss.into()),
            duplicate,
            corrupt,
            reorder,
            rate: rate.and_then(netdev::Rate::from_bits_per_second),
            queue,
            delay: Duration::from_millis(delay),
            jitter: Duration::from_millis(jitter),
            ..FaultConfig::default()
        }
    }
}

/// When a cable is pulled out, and how long it stays out, in milliseconds; `None`: for good.
type Cut = (u64, Option<u64>);

prop_compose! {
    fn cuts()(cut in proptest::option::of((1u64..20_000, proptest::option::of(1u64..1_200_000))))
        -> Option<Cut> {
        cut
    }
}

/// Transfers both ways between two hosts with a router between them, one link of which is bad.
fn hostile(
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_byte_is_wrong_and_nobody_waits_for_ever(
        seed in any::<u64>(),
        ways in proptest::array::uniform2(faults()),
        mtu in prop_oneof![Just(1500usize), 296usize..1500],
        cut in cuts(),
        lens in proptest::array::uniform2(0u64..200_000),
        whole in proptest::array::uniform2(proptest::bool::weighted(0.8)),
    ) {
        hostile(seed, ways, mtu, cut, lens, whole);
    }
}
