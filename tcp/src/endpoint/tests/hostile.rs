//! Two TCPs over a link that does its worst, and segments that make no sense.

use super::*;
use crate::testing::LinkConfig;
use crate::{Flags, Segment, SeqNum};
use ip::{Header, Protocol};
use netdev::Packet;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// The bytes arrive, all and in order, both ways, and both ends come to their end.
    #[test]
    fn bytes_arrive_whatever_the_link_does(
        seed: u64,
        loss in 0.0..0.15f64,
        duplication in 0.0..0.1f64,
        reordering in 0.0..0.3f64,
        corruption in 0.0..0.03f64,
        latency in 0u64..100,
        lens in (0usize..60_000, 0usize..60_000),
        a_first: bool,
    ) {
        let link = LinkConfig {
            latency: Duration::from_millis(latency),
            loss,
            duplication,
            reordering,
            delay: 50 * MS,
            corruption,
            ..LinkConfig::default()
        };
        let (a, b) = (tcp(Config::default(), seed), tcp(Config::default(), !seed));
        let mut world = World::with_link(seed, link, a, b);
        let pair = world.connect_pair(80);
        world.exchange(pair, &pattern(0, lens.0), &pattern(9, lens.1));
        if a_first {
            world.a.close(pair.a);
            world.drive_for(SECOND);
            world.b.close(pair.b);
        } else {
            world.b.close(pair.b);
            world.a.close(pair.a);
        }
        world.drive_for(2000 * SECOND);
        for host in [&world.a, &world.b] {
            prop_assert_eq!(host.counter("connections"), 0);
            prop_assert_eq!(host.counter("connections in TIME-WAIT"), 0);
            prop_assert_eq!(host.counter("connections without a socket"), 0);
            prop_assert_eq!(host.counter("bytes of buffer memory"), 0);
            prop_assert_eq!(host.tcp.poll_at(), None);
        }
    }

    /// Any segments at all, near the numbers that matter, in any state: no panic, no endless
    /// chatter, no memory that is not given back.
    #[test]
    fn arbitrary_segments_do_no_harm(
        seed: u64,
        opening in 0u8..4,
        segments in prop::collection::vec(
            (any::<u8>(), -70_000i64..70_000, -3000i64..3000, any::<u16>(), 0usize..3000, 0u8..8),
            1..60,
        ),
    ) {
        let mut script = Script::new(tcp(Config::default(), seed));
        let mut listener = None;
        match opening {
            0 => listener = Some(script.accept_one(80)),
            1 => script.connect(),
            2 => { script.connect_one(); script.send(&[5; 4000]) }
            _ => { listener = Some(script.accept_one(80)); script.shutdown(Shutdown::Write) }
        }
        for (flags, seq, ack, window, len, step) in segments {
            let info = script.info();
            let near = |base: u32, by: i64| SeqNum(base.wrapping_add(by as u32));
            let (rcv, una) = info.map_or((0, 0), |info| (info.rcv_nxt, info.snd_una));
            let (local, peer) = (script.local(), script.peer);
            let mut segment = Segment::new(
                peer.port(),
                local.port(),
                near(rcv, seq / [1, 50, 70_000][usize::from(step % 3)]),
                near(una, ack / [1, 300, 3000][usize::from(step % 3)]),
                Flags::from_bits_retain(flags),
            );
            (segment.window, segment.len, segment.urgent) = (window, len, window / 3);
            let packet = segment.emit(Packet::from_payload(&vec![7; len]), peer.ip(), local.ip(), false);
            script.host.input(Header::new(peer.ip(), local.ip(), Protocol::TCP), packet);
            prop_assert!(script.host.out.sent.len() <= 200);
            script.host.out.sent.clear();
            match step {
                0 => script.host.poll(),
                1 => script.wait(Duration::from_millis(u64::from(window))),
                2 => _ = script.host.send(script.current(), &vec![1; len]),
                3 => _ = script.host.receive(script.current(), len.max(1)),
                _ => {}
            }
        }
        script.close();
        if let Some(listener) = listener {
            // What the segments may have opened goes with it.
            script.host.close(listener);
        }
        script.wait(10_000 * SECOND);
        script.host.out.sent.clear();
        prop_assert_eq!(script.host.counter("connections without a socket"), 0);
        prop_assert_eq!(script.host.counter("bytes of buffer memory"), 0);
    }
}
