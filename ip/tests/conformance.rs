//! The conformance kit, held against each internet layer of this crate.

#[path = "conformance/exceptions.rs"]
mod exceptions;

mod router {
    use ip::{Config, Router};

    ip::conformance_tests! { make: |seed| Box::new(Router::new(Config::default(), seed)) }
}

/// No fragments in or out, no forwarding, no learning: those chapters are not for it.
mod simple_host {
    ip::conformance_tests!(
        ip::SimpleHost,
        chapters: [input_checks, addresses, source_addresses, routing, options, errors],
        exceptions: super::exceptions::SIMPLE_HOST,
    );
}

/// A case that passes where nothing is done says nothing of what is.
mod nothing {
    use std::net::IpAddr;

    use ip::conformance::KIT;
    use ip::{
        Cause, Change, DropReason, Error, Header, IfIndex, Input, Interface, Internet, NextHop,
        Quoted, Report, Route, RouteEntry, SendError,
    };
    use netdev::conformance::grade;
    use netdev::{Cast, Counter, Instant, Packet, Reason};

    /// Drops and refuses everything, and agrees to every change.
    struct Nothing;

    impl Internet for Nothing {
        fn input(
            &mut self,
            _: Instant,
            _: IfIndex,
            _: Cast,
            _: Packet,
            _: &mut dyn NextHop,
        ) -> Input {
            Input::Dropped(DropReason::NotForUs)
        }

        fn send(
            &mut self,
            _: Instant,
            _: &Header,
            packet: Packet,
            _: &mut dyn NextHop,
        ) -> Result<(), SendError> {
            Err(SendError { cause: Cause::NetworkUnreachable, packet })
        }

        fn route(&self, _: Instant, _: IpAddr, _: Option<IpAddr>) -> Result<Route, Cause> {
            Err(Cause::NetworkUnreachable)
        }

        fn error(&mut self, _: Instant, _: IpAddr, _: Cause, _: &Quoted) {}

        fn poll(&mut self, _: Instant, _: &mut dyn NextHop) -> Vec<Report> {
            Vec::new()
        }

        fn poll_at(&self) -> Option<Instant> {
            None
        }

        fn is_local(&self, _: IpAddr) -> bool {
            false
        }

        fn configure(&mut self, _: Instant, _: Change) -> Result<(), Error> {
            Ok(())
        }

        fn interfaces(&self) -> Vec<Interface> {
            Vec::new()
        }

        fn routes(&self) -> Vec<RouteEntry> {
            Vec::new()
        }

        fn counters(&self) -> Vec<Counter> {
            DropReason::ALL.iter().map(|r| Counter { name: r.text(), count: 0 }).collect()
        }
    }

    #[test]
    fn who_does_nothing_earns_nothing() {
        let grade = grade("nothing", KIT, |_seed| Box::new(Nothing));
        let kept: Vec<&str> = grade
            .marks
            .iter()
            .filter(|mark| mark.failure.is_none())
            .map(|mark| &mark.case[..])
            .collect();
        assert_eq!(kept, [""; 0]);
        assert!(grade.marks.len() >= 80, "{grade}");
    }
}
