//! Flows over one bottleneck, on virtual time: how much of it they use, and how they share it.
//!
//! The queue of the bottleneck is as long as the path (one bandwidth-delay product), and drops
//! what does not fit. The tables are printed: `cargo test -p tcp --test bottleneck -- --nocapture`.

use std::time::Duration;

use ip::{Readiness, SocketError};
use tcp::testing::{LinkConfig, Pair, World};
use tcp::{CONGESTION_CONTROLS, CaState, Config, Sizes, Tcp, find};

const MS: Duration = Duration::from_millis(1);
/// Of 1500 bytes on the wire, what is left beside the headers of IP and TCP with timestamps.
const PAYLOAD: f64 = 1448.0 / 1500.0;
const PORT: u16 = 80;

/// Bulk flows from A to B, and what they brought there.
struct Flows {
    world: World,
    pairs: Vec<Pair>,
    received: Vec<u64>,
}

impl Flows {
    /// A link of so many bits a second and a round trip of so long.
    fn new(name: &str, bits: u64, rtt: Duration) -> Flows {
        Flows::with(1, Config::default(), name, bits, rtt, rtt)
    }

    fn with(
        seed: u64,
        config: Config,
        name: &str,
        bits: u64,
        rtt: Duration,
        queue: Duration,
    ) -> Flows {
        let congestion = find(CONGESTION_CONTROLS, name).expect("a name of the list");
        // Larger than any window of these paths.
        let buffer = Sizes { min: 4096, default: 8 << 20, max: 8 << 20 };
        let config = Config { congestion, send_buffer: buffer, receive_buffer: buffer, ..config };
        let link =
            LinkConfig { latency: rtt / 2, rate: Some(bits / 8), queue, ..LinkConfig::default() };
        let (a, b) = (Tcp::new(config.clone(), seed << 8), Tcp::new(config, seed << 8 | 1));
        let world = World::with_link(seed, link, Box::new(a), Box::new(b));
        Flows { world, pairs: Vec::new(), received: Vec::new() }
    }

    /// One more flow, whose round trip is longer by `detour`.
    fn join(&mut self, detour: Duration) {
        let port = PORT + self.pairs.len() as u16;
        self.world.link.detours.insert(port, detour);
        self.pairs.push(self.world.connect_pair(port));
        self.received.push(0);
    }

    /// Whether the first flow is past its slow start and what came of it.
    fn settled(&self) -> bool {
        let info = self.world.a.info(self.pairs[0].a).expect("an open socket");
        info.ca_state == CaState::Open && info.cwnd >= info.ssthresh
    }

    /// Keeps all flows busy for a while; the bytes that each brought over meanwhile.
    fn run(&mut self, time: Duration) -> Vec<f64> {
        let before = self.received.clone();
        let end = self.world.now() + time;
        let data = vec![0; 1 << 16];
        while self.world.now() < end {
            for pair in &self.pairs {
                while self.world.a.send(pair.a, &data).is_ok() {}
            }
            self.world.drive_for(5 * MS);
            self.world.log.clear();
            self.receive();
        }
        self.received.iter().zip(before).map(|(now, before)| (now - before) as f64).collect()
    }

    fn receive(&mut self) {
        for (pair, received) in self.pairs.iter().zip(&mut self.received) {
            while self.world.b.readiness(pair.b).contains(Readiness::READABLE) {
                match self.world.b.receive(pair.b, 1 << 16) {
                    Ok(some) => *received += some.len() as u64,
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// Jain's index: 1 where all have the same, 1/n where one has all.
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    sum * sum / (shares.len() as f64 * shares.iter().map(|it| it * it).sum::<f64>())
}

/// One flow on links from 10 to 100 Mbit/s and 10 to 100 ms: the least share of the link that it
/// uses in congestion avoidance. What comes before is printed too; how long the losses at the end
/// of slow start take to repair is a matter of loss recovery, not of the window.
fn utilisation(name: &str) -> f64 {
    let mut least = 1.0_f64;
    println!("{name}: share of the link in the first 5 s, and in 10 s of congestion avoidance");
    println!("{:12} {:>13} {:>13} {:>13}", "", "10 ms", "40 ms", "100 ms");
    for mbit in [10, 30, 100] {
        let mut line = format!("{mbit:>5} Mbit/s");
        for rtt in [10, 40, 100] {
            let mut flows = Flows::new(name, mbit * 1_000_000, MS * rtt);
            flows.join(Duration::ZERO);
            let full = mbit as f64 * 1e6 / 8.0 * PAYLOAD;
            let first = flows.run(Duration::from_secs(5))[0] / full / 5.0;
            while !flows.settled() {
                flows.run(Duration::from_secs(1));
            }
            let then = flows.run(Duration::from_secs(10))[0] / full / 10.0;
            line += &format!("   {first:.3} {then:.3}");
            least = least.min(then);
            // A segment more or less.
            assert!(then <= 1.001, "more than there is: {then}");
        }
        println!("{line}");
    }
    least
}

#[test]
fn one_cubic_flow_fills_the_link() {
    let least = utilisation("cubic");
    assert!(least >= 0.9, "{least}");
}

#[test]
fn one_newreno_flow_fills_the_link() {
    let least = utilisation("newreno");
    assert!(least >= 0.9, "{least}");
}

/// RFC 9406: the first window that is longer than the path is seen two round trips later, at four
/// times the path, and five rounds of CSS make three times as much of that (1.25⁵). With room for
/// so much slow start ends without a loss; without HyStart++ it ends with many, however much room
/// there is.
#[test]
fn hystart_ends_slow_start_before_the_queue_overflows() {
    for name in ["cubic", "newreno"] {
        let lost = |hystart| {
            let config = Config { hystart, ..Config::default() };
            let mut flows = Flows::with(1, config, name, 20_000_000, 50 * MS, 700 * MS);
            flows.join(Duration::ZERO);
            flows.run(Duration::from_secs(5));
            let info = flows.world.a.info(flows.pairs[0].a).expect("an open socket");
            assert!(info.ssthresh != u32::MAX, "slow start has ended");
            flows.world.a.counter("fast recoveries")
        };
        assert_eq!(lost(true), 0, "{name}");
        assert!(lost(false) > 0, "{name}");
    }
}

/// Four flows that begin one after the other, `apart` from each other, and how they share the link
/// once all are there.
fn share(name: &str, detours: [u32; 4], apart: Duration) -> f64 {
    let mut flows = Flows::new(name, 20_000_000, 20 * MS);
    for detour in detours {
        flows.join(MS * detour);
        flows.run(apart);
    }
    flows.run(Duration::from_secs(10));
    let shares = flows.run(Duration::from_secs(30));
    let total: f64 = shares.iter().sum();
    let index = jain(&shares);
    let used = total * 8.0 / (20e6 * 30.0 * PAYLOAD);
    let percent: Vec<_> = shares.iter().map(|it| (it / total * 100.0).round()).collect();
    println!(
        "{name}, detours {detours:?} ms, {apart:?} apart: {percent:?} %, index {index:.3}, \
         {used:.3} used"
    );
    assert!(used > 0.9, "{used}");
    index
}

/// Nothing is random on this link: what differs from run to run is when the flows begin, from all
/// at once to one after the other.
const APART: [Duration; 3] = [Duration::ZERO, Duration::from_millis(370), Duration::from_secs(1)];

/// RFC 9438 §5.6: flows with the same round trip get the same.
#[test]
fn four_cubic_flows_share_the_link() {
    for apart in APART {
        let index = share("cubic", [0; 4], apart);
        assert!(index >= 0.95, "{index}");
    }
}

#[test]
fn four_newreno_flows_share_the_link() {
    for apart in APART {
        let index = share("newreno", [0; 4], apart);
        assert!(index >= 0.95, "{index}");
    }
}

/// RFC 9438 §5.6: with different round trips, in inverse proportion to them at worst; Reno does
/// worse than that.
#[test]
fn different_round_trips_share_too() {
    assert!(share("cubic", [0, 10, 20, 40], APART[2]) >= 0.6);
    assert!(share("newreno", [0, 10, 20, 40], APART[2]) >= 0.5);
}

/// What random loss leaves of 100 Mbit/s over 40 ms: at least what Mathis' formula gives Reno,
/// `MSS / RTT · √(3/2) / √p`, less a fifth. CUBIC aims at Reno's window here (RFC 9438 §4.3).
#[test]
fn random_loss_leaves_what_theory_says() {
    for name in ["cubic", "newreno"] {
        for (seed, loss) in [(1, 0.01), (2, 0.01), (3, 0.01), (1, 0.02)] {
            let (config, rtt) = (Config::default(), 40 * MS);
            let mut flows = Flows::with(seed, config, name, 100_000_000, rtt, rtt);
            flows.world.link.config.loss = loss;
            flows.join(Duration::ZERO);
            flows.run(Duration::from_secs(5));
            let rate = flows.run(Duration::from_secs(60))[0] / 60.0;
            let mathis = 1448.0 / 0.04 * (1.5 / loss).sqrt();
            let timeouts = flows.world.a.counter("retransmission timeouts");
            let share = rate / mathis;
            println!(
                "{name}, seed {seed}, {loss} lost: {rate:.0} bytes/s, {share:.2} of it, \
                 {timeouts} timeouts"
            );
            // At 2 % it is no longer only the formula: retransmissions are lost as well.
            let least = if loss > 0.01 { 0.7 } else { 0.8 };
            assert!(share >= least, "{name}, seed {seed}, {loss} lost: {share:.2}");
        }
    }
}
