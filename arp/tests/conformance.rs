//! The conformance kit, held against each resolver of this crate, and against none.

#[path = "conformance/exceptions.rs"]
mod exceptions;

mod cache {
    use arp::conformance::MY_MAC;
    use arp::{Cache, Config};

    arp::conformance_tests!(make: |seed| Box::new(Cache::new(MY_MAC, Config::default(), seed)));
}

mod static_table {
    use arp::StaticTable;
    use arp::conformance::MY_MAC;

    arp::conformance_tests!(
        make: |_seed| Box::new(StaticTable::new(MY_MAC)),
        exceptions: super::exceptions::STATIC_TABLE
    );
}

/// A resolver that does nothing keeps no case: none is a matter of course.
mod nothing {
    use std::net::IpAddr;

    use arp::conformance::{KIT, Make};
    use arp::{Change, Entry, Error, Event, Link, Resolver};
    use netdev::{Counter, Instant, Packet};

    struct Nothing;

    impl Resolver for Nothing {
        fn send(&mut self, _: Instant, _: IpAddr, _: Packet, _: &mut dyn Link) -> Event {
            Event::None
        }
        fn input(&mut self, _: Instant, _: Packet, _: &mut dyn Link) -> Event {
            Event::None
        }
        fn poll(&mut self, _: Instant, _: &mut dyn Link) -> Event {
            Event::None
        }
        fn poll_at(&self) -> Option<Instant> {
            None
        }
        fn confirm(&mut self, _: Instant, _: IpAddr) {}
        fn configure(&mut self, _: Instant, _: Change, _: &mut dyn Link) -> Result<(), Error> {
            Ok(())
        }
        fn entries(&self, _: Instant) -> Vec<Entry> {
            Vec::new()
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
