//! Better first hops that a gateway tells of (RFC 1122 §3.2.2.2, §3.3.1.2).

use std::time::Duration;

use netdev::cases;

use super::host::{addr, neighbour, quoted, via};
use super::{FAR, Frame, Host, Make, NEAR, Wire};
use crate::{Cause, Quoted, RouteOrigin};

cases! { ($) redirects_cases: Make, Host;
    Must 2 "RFC 1122 §3.2.2.2" a_redirect_is_followed
        "A host receiving a Redirect message MUST update its routing information accordingly.";
    Should 2 "RFC 1122 §3.3.1.2" a_network_redirect_counts_for_the_one_host
        "… a Network Redirect message SHOULD be treated identically to a Host Redirect message; \
         i.e., the cache entry for the destination host (only) would be updated …";
    Should 3 "RFC 1122 §3.2.2.2" a_redirect_of_another_than_the_present_gateway_is_ignored
        "A Redirect message SHOULD be silently discarded … if the source of the Redirect is not \
         the current first-hop gateway for the specified destination …";
    Should 3 "RFC 1122 §3.2.2.2" after_a_redirect_the_better_gateway_is_the_present_one
        "… if the source of the Redirect is not the current first-hop gateway …";
    Should 2 "RFC 1122 §3.2.2.2" a_redirect_to_who_is_no_neighbour_is_ignored
        "A Redirect message SHOULD be silently discarded if the new gateway address it specifies \
         is not on the same connected (sub-) net through which the Redirect arrived …";
    Ours 2 "RFC 1122 §3.2.2.2" a_redirect_to_who_can_be_no_gateway_is_ignored
        "A gateway is one other host: not this one, not everybody, not a group, not the same again.";
    Ours 2 "RFC 1122 §3.2.2.2" a_redirect_about_somebody_else_s_datagram_is_ignored
        "An error about a datagram that this host did not send was made up.";
    Ours 1 "RFC 1122 §3.3.1.2" a_neighbour_is_not_redirected
        "What is sent directly is sent by no gateway that could know better.";
    Ours 2 "RFC 1122 §3.3.1.2" a_redirect_ends_with_the_route_that_it_corrected
        "It says that the gateway was wrong, and that is asked no more.";
    Ours 1 "RFC 1122 §3.3.1.3" a_redirect_is_shown_as_a_route_and_can_be_taken_away
        "Redirects are found in the routing table, and removed from it.";
    Ours 2 "RFC 1122 §3.3.1.4" a_redirect_is_not_followed_for_ever
        "The better gateway may fail in silence, and then the first is to be asked again.";
    Must 3 "RFC 1812 §5.2.7.2" what_is_forwarded_follows_no_redirect
        "A router using a routing protocol (other than static routes) MUST NOT consider paths \
         learned from ICMP Redirects when forwarding a packet.";
}

const REMOTE: &str = "192.0.2.1";
const GATEWAY: &str = "10.0.0.254";
const BETTER: &str = "10.0.0.253";

/// `from` says that `gateway` is better for what was sent to [`REMOTE`].
fn redirect(host: &mut Host, from: &str, gateway: &str) {
    let cause = Cause::Redirect { gateway: addr(gateway), host: true };
    host.learns(from, cause, &quoted(REMOTE, 100));
}

fn a_redirect_is_followed(host: &mut Host) {
    redirect(host, GATEWAY, BETTER);
    host.goes(REMOTE, NEAR, neighbour(BETTER));
    let sent = host.sends(&super::host::header(REMOTE), b"data");
    host.one(sent, NEAR, neighbour(BETTER));
}

fn a_network_redirect_counts_for_the_one_host(host: &mut Host) {
    let cause = Cause::Redirect { gateway: addr(BETTER), host: false };
    host.learns(GATEWAY, cause, &quoted(REMOTE, 100));
    host.goes(REMOTE, NEAR, neighbour(BETTER));
    host.goes("192.0.2.2", NEAR, neighbour(GATEWAY));
}

fn a_redirect_of_another_than_the_present_gateway_is_ignored(host: &mut Host) {
    for stranger in ["10.0.0.9", BETTER, "192.0.2.99", REMOTE] {
        redirect(host, stranger, "10.0.0.252");
        host.goes(REMOTE, NEAR, neighbour(GATEWAY));
    }
    redirect(host, GATEWAY, BETTER);
    host.goes(REMOTE, NEAR, neighbour(BETTER));
}

fn after_a_redirect_the_better_gateway_is_the_present_one(host: &mut Host) {
    redirect(host, GATEWAY, BETTER);
    redirect(host, GATEWAY, "10.0.0.252");
    host.goes(REMOTE, NEAR, neighbour(BETTER));
    redirect(host, BETTER, "10.0.0.252");
    host.goes(REMOTE, NEAR, neighbour("10.0.0.252"));
}

fn ignored(host: &mut Host, gateways: &[&str]) {
    for gateway in gateways {
        redirect(host, GATEWAY, gateway);
        host.goes(REMOTE, NEAR, neighbour(GATEWAY));
    }
    redirect(host, GATEWAY, BETTER);
    host.goes(REMOTE, NEAR, neighbour(BETTER));
}

fn a_redirect_to_who_is_no_neighbour_is_ignored(host: &mut Host) {
    host.second_link();
    ignored(host, &["10.0.2.9", "192.0.2.9", "10.0.1.9"]);
}

fn a_redirect_to_who_can_be_no_gateway_is_ignored(host: &mut Host) {
    ignored(host, &["10.0.0.1", "10.0.0.255", "224.0.0.1", "127.0.0.1", "0.0.0.0"]);
}

fn a_redirect_about_somebody_else_s_datagram_is_ignored(host: &mut Host) {
    let foreign = Quoted { src: addr("10.0.0.7"), ..quoted(REMOTE, 100) };
    let cause = Cause::Redirect { gateway: addr(BETTER), host: true };
    host.learns(GATEWAY, cause, &foreign);
    host.goes(REMOTE, NEAR, neighbour(GATEWAY));
    host.learns(GATEWAY, cause, &quoted(REMOTE, 100));
    host.goes(REMOTE, NEAR, neighbour(BETTER));
}

fn a_neighbour_is_not_redirected(host: &mut Host) {
    let cause = Cause::Redirect { gateway: addr(BETTER), host: true };
    for from in ["10.0.0.2", GATEWAY] {
        host.learns(from, cause, &quoted("10.0.0.2", 100));
        host.goes("10.0.0.2", NEAR, neighbour("10.0.0.2"));
    }
}

fn a_redirect_ends_with_the_route_that_it_corrected(host: &mut Host) {
    redirect(host, GATEWAY, BETTER);
    host.goes(REMOTE, NEAR, neighbour(BETTER));
    host.add_route(via("0.0.0.0/0", "10.0.0.99", NEAR));
    host.goes(REMOTE, NEAR, neighbour("10.0.0.99"));
}

fn a_redirect_is_shown_as_a_route_and_can_be_taken_away(host: &mut Host) {
    redirect(host, GATEWAY, BETTER);
    let shown = host.ip().routes().into_iter().find(|r| r.origin == RouteOrigin::Redirect);
    let shown = shown.map(|route| (route.dst.to_string(), route.gateway));
    let expected = Some(("192.0.2.1/32".to_owned(), Some(addr(BETTER))));
    host.record().expect_eq("the route of the redirect", shown, expected);
    host.remove_route("192.0.2.1/32");
    host.goes(REMOTE, NEAR, neighbour(GATEWAY));
}

fn a_redirect_is_not_followed_for_ever(host: &mut Host) {
    redirect(host, GATEWAY, BETTER);
    host.wait(Duration::from_secs(30));
    host.goes(REMOTE, NEAR, neighbour(BETTER));
    host.wait(Duration::from_secs(3600));
    host.goes(REMOTE, NEAR, neighbour(GATEWAY));
}

fn what_is_forwarded_follows_no_redirect(host: &mut Host) {
    host.router();
    redirect(host, GATEWAY, BETTER);
    host.goes(REMOTE, NEAR, neighbour(BETTER));
    let across = Frame::from(Wire::between("10.0.1.2", REMOTE)).on(FAR);
    host.forwards(across, NEAR, neighbour(GATEWAY));
}
