//! What the implementations of this crate are known not to keep of the kit, and why. Whoever grades
//! them reads it too.

use netdev::conformance::Exception;

/// `SimpleHost`.
pub(crate) const SIMPLE_HOST: &[Exception] = &[
    ("a_destination_adds_its_time", "options are passed on as they came"),
    ("a_given_address_is_stamped_by_its_host_alone", "options are passed on as they came"),
    ("a_sender_stamps_its_time", "options are sent as they are given"),
    ("a_membership_is_one_interface_s", "one interface beside the loopback one"),
    ("an_address_of_another_interface_is_answered_for", "one interface beside the loopback one"),
    (
        "a_worse_route_stands_in_while_the_better_one_s_link_is_down",
        "one interface beside the loopback one",
    ),
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
    (
        "redirects fragmenting reassembly broken_fragments forwarding path_mtu",
        "no fragments, no forwarding, and nothing is learnt",
    ),
];
