//! The conformance kit, held against each ICMP of this crate, and against none.

#[path = "conformance/exceptions.rs"]
mod exceptions;

mod whole {
    use icmp::{Config, Icmp};

    icmp::conformance_tests!(
        make: |seed| Box::new(Icmp::new(Config::default(), seed)),
        exceptions: super::exceptions::ICMP
    );
}

mod echo_only {
    icmp::conformance_tests!(
        make: |_seed| Box::new(icmp::EchoOnly::new()),
        exceptions: super::exceptions::ECHO_ONLY
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
