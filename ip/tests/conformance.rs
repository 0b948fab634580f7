//! The conformance kit, held against each internet layer of this crate.

mod router {
    use ip::{Config, Router};

    ip::conformance_tests! { make: |seed| Box::new(Router::new(Config::default(), seed)) }
}

/// No fragments in or out, no forwarding, no learning: those chapters are not for it.
mod simple_host {
    ip::conformance_tests!(
        ip::SimpleHost,
        chapters: [input_checks, addresses, source_addresses, routing, options, errors],
        except: [
            ("a_destination_adds_its_time", "options are passed on as they came"),
            ("a_given_address_is_stamped_by_its_host_alone", "options are passed on as they came"),
            ("a_sender_stamps_its_time", "options are sent as they are given"),
            ("a_membership_is_one_interface_s", "one interface beside the loopback one"),
            ("an_address_of_another_interface_is_answered_for", "one interface beside the loopback one"),
            ("a_worse_route_stands_in_while_the_better_one_s_link_is_down", "one interface beside the loopback one"),
            ("a_route_to_one_host_wins_over_its_network", "no route but the default gateway"),
            ("a_route_without_a_gateway_makes_its_hosts_neighbours", "no route but the default gateway"),
            ("of_equal_prefixes_the_lower_metric_wins", "no route but the default gateway"),
            ("prefixes_of_all_lengths_are_told_apart", "no route but the default gateway"),
            ("the_longest_prefix_wins", "no route but the default gateway"),
            ("the_order_of_the_routes_does_not_matter", "no route but the default gateway"),
            ("there_are_several_default_gateways", "one interface beside the loopback one"),
            ("a_member_hears_what_it_sends", "loops no group datagrams back"),
            ("a_named_source_does_not_choose_the_interface", "one interface beside the loopback one"),
            ("a_route_can_name_the_source", "no route but the default gateway"),
            ("the_source_is_on_the_network_of_the_destination", "one interface beside the loopback one"),
            ("the_source_is_on_the_network_of_the_gateway", "one interface beside the loopback one"),
        ],
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
