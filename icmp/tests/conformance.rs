//! The conformance kit, held against each ICMP of this crate, and against none.

mod whole {
    use icmp::{Config, Icmp};

    icmp::conformance_tests!(
        make: |seed| Box::new(Icmp::new(Config::default(), seed)),
        except: [
            ("a_source_route_is_reversed", "source routes are refused by IP"),
        ]
    );
}

mod echo_only {
    const NO_OPTIONS: &str = "replies carry no options: see the deviations of the crate";

    icmp::conformance_tests!(
        make: |_seed| Box::new(icmp::EchoOnly::new()),
        except: [
            ("a_source_route_is_reversed", NO_OPTIONS),
            ("a_recorded_route_comes_back", NO_OPTIONS),
            ("errors_in", "reads no errors"),
            ("errors_out", "sends no errors"),
            ("silence", "sends no errors, so that it cannot be told from a layer that is silent"),
        ]
    );
}

/// A layer that does nothing keeps no case: none is a matter of course.
mod nothing {
    use icmp::conformance::{KIT, Make};
    use icmp::{ControlMessages, DropReason, Input, Suppressed};
    use ip::{Datagram, Output, Report};
    use netdev::{Counter, Instant};

    struct Nothing;

    impl ControlMessages for Nothing {
        fn input(&mut self, _: Instant, _: Datagram, _: &mut dyn Output) -> Input {
            Input::Dropped(DropReason::Unsupported)
        }
        fn report(&mut self, _: Instant, _: Report, _: &mut dyn Output) -> Result<(), Suppressed> {
            Err(Suppressed::Unsupported)
        }
        fn poll(&mut self, _: Instant, _: &mut dyn Output) {}
        fn poll_at(&self) -> Option<Instant> {
            None
        }
        fn counters(&self) -> Vec<Counter> {
            Vec::new()
        }
    }

    #[test]
    fn keeps_no_case() {
        let make: Make = |_seed| Box::new(Nothing);
        let grade = netdev::conformance::grade("nothing", KIT, make);
        let kept = grade.marks.iter().filter(|mark| mark.failure.is_none());
        let kept: Vec<&str> = kept.map(|mark| mark.case.as_str()).collect();
        assert_eq!(kept, [""; 0]);
        assert!(grade.marks.len() >= 40, "{} cases", grade.marks.len());
    }
}
