//! What the implementations of this crate are known not to keep of the kit, and why. Whoever grades
//! them reads it too.

use netdev::conformance::Exception;

const NO_GROUPS: &str = "no multicast";
const NO_TOS: &str = "the service class cannot be set";
const NO_DF: &str = "no path MTU discovery";

/// `SimpleUdp`.
pub(crate) const SIMPLE_UDP: &[Exception] = &[
    ("a_multicast_has_one_hop", NO_GROUPS),
    ("a_multicast_is_for_members", NO_GROUPS),
    ("an_own_multicast_is_heard_unless_its_sender_says_no", NO_GROUPS),
    ("only_groups_can_be_joined", NO_GROUPS),
    ("the_hops_of_a_multicast_can_be_set", NO_GROUPS),
    ("who_left_hears_no_more", NO_GROUPS),
    ("ecn_is_not_set_by_a_program", NO_TOS),
    ("the_tos_can_be_set", NO_TOS),
    ("fragmentation_needed_is_told_to_who_set_df", NO_DF),
    ("with_df_a_datagram_beyond_the_path_mtu_is_refused", NO_DF),
    ("sockets_that_allow_it_share_a_port", "no address reuse"),
    ("successive_ephemeral_ports_are_not_neighbours", "one port after the other"),
    ("the_receive_buffer_can_be_set", "a queue of 64 datagrams for everybody"),
];
