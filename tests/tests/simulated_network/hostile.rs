//! Two stacks and a hostile network: whatever happens, no byte is wrong and no side waits for
//! ever.

use std::time::Duration;

use netdev::{FaultConfig, GilbertElliott, Probability};
use proptest::prelude::*;
use tests::soak::{self, Cut};

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

prop_compose! {
    fn cuts()(cut in proptest::option::of((1u64..20_000, proptest::option::of(1u64..1_200_000))))
        -> Option<Cut> {
        cut
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
        soak::hostile(seed, ways, mtu, cut, lens, whole);
    }
}
