//! Which commands take the kernel from what it has to what is wanted. Pure: state in, words out.
//!
//! Going up, the host keeps its network at every step: what prepares the bridge disturbs nothing;
//! once the NIC is a port the kernel takes its frames by way of the bridge, which has the same
//! Ethernet address, while what it sends leaves by the NIC as before; each address and route is
//! on the bridge before it goes from the NIC.
//!
//! Going down asks what is there instead of trusting that all of `up` was done, so it is right
//! after any part of either.

use super::journal::Journal;
use super::state::{Address, FOREVER, Route, State};
use super::words;

/// Frames that may wait at the TAP for the stack to read them. The default of 1000 overflows when
/// a full window of many connections leaves at once.
const TRANSMIT_QUEUE: u32 = 5000;

/// The commands of `up`.
pub(super) fn up(journal: &Journal) -> Vec<String> {
    let Journal { nic, mac, mtu, bridge, tap, user, mark, .. } = journal;
    let mut commands = vec![
        format!("link add {bridge} address {mac} type bridge stp_state 0 forward_delay 0"),
        format!("link set {bridge} alias {mark}"),
        format!("tuntap add dev {tap} mode tap vnet_hdr user {user}"),
        format!("link set {tap} alias {mark}"),
        format!("link set {bridge} mtu {mtu}"),
        // Addresses are the NIC's, link-local ones too.
        format!("link set {bridge} addrgenmode none"),
        format!("link set {tap} mtu {mtu} txqueuelen {TRANSMIT_QUEUE}"),
        // Only frames pass through it; the host has no address there, not even a link-local one.
        format!("link set {tap} addrgenmode none"),
        format!("link set {tap} master {bridge}"),
        format!("link set {tap} up"),
        format!("link set {bridge} up"),
        format!("link set {nic} master {bridge}"),
    ];
    let addresses = in_order_of_adding(&journal.addresses);
    for address in &addresses {
        commands.extend(words::add_address(&on_link(address, nic, bridge), bridge));
    }
    let routes = journal.own_routes();
    commands.extend(routes.iter().map(|route| words::append_route(&route.moved(nic, bridge))));
    commands.extend(routes.iter().rev().map(|route| words::delete_route(route)));
    // The kernel leaves the route of an address that has an end to come to its own end.
    let ending = journal.routes.iter().filter(|route| is_left_behind(journal, route));
    commands.extend(ending.map(words::delete_route));
    let gone = addresses.iter().rev().filter(|address| !address.is_copied());
    commands.extend(gone.map(|address| words::delete_address(address, nic)));
    commands
}

/// Whether the NIC keeps this route, if nobody deletes it, when its address goes.
fn is_left_behind(journal: &Journal, route: &Route) -> bool {
    route.v6 && route.expires.is_some() && route.is_made_by(&journal.addresses)
}

/// The commands of `down`, `elapsed` seconds after `up`.
pub(super) fn down(journal: &Journal, now: &State, elapsed: u64) -> Vec<String> {
    let Journal { nic, bridge, tap, .. } = journal;
    let mut commands = Vec::new();
    let there = journal.is_nic(now);
    if there {
        commands.extend(put_back(journal, now, elapsed));
    }
    let ours = now.link(bridge).filter(|link| journal.made_bridge(link));
    if ours.is_some() {
        let moved = journal.own_routes().into_iter().map(|route| route.moved(nic, bridge));
        // The interface takes most of its routes with it, but of several paths only its own.
        let known = now.known_routes_of(bridge);
        let shared = moved.filter(|route| !route.nexthops.is_empty());
        let shared = shared.filter(|route| known.iter().any(|other| other.is(route)));
        commands.extend(shared.map(|route| words::delete_route(&route)));
        if there && now.link(nic).is_some_and(|link| link.master.as_ref() == Some(bridge)) {
            commands.push(format!("link set {nic} nomaster"));
        }
        commands.push(format!("link del {bridge}"));
    }
    if now.link(tap).is_some_and(|link| journal.made_tap(link)) {
        commands.push(format!("link del {tap}"));
    }
    commands
}

fn put_back(journal: &Journal, now: &State, elapsed: u64) -> Vec<String> {
    let Journal { nic, bridge, .. } = journal;
    let mut commands = Vec::new();
    let (here, there) = (now.addresses_of(nic), now.addresses_of(bridge));
    for address in in_order_of_adding(&journal.addresses) {
        if let Some(other) = here.iter().find(|other| other.is(address)) {
            // Between its two commands it was without the detection of duplicates.
            if other.nodad != address.nodad {
                commands.extend(words::change_address(&aged(address, other), nic));
            }
            continue;
        }
        // The bridge's has been renewed since, where a router or a DHCP client does that.
        let renewed = there.iter().find(|other| other.is(address));
        let (valid, preferred) = match renewed {
            Some(other) => (other.valid_life_time, other.preferred_life_time),
            None => {
                (left(address.valid_life_time, elapsed), left(address.preferred_life_time, elapsed))
            }
        };
        if valid > 0 {
            let address = Address {
                valid_life_time: valid,
                preferred_life_time: preferred,
                ..address.clone()
            };
            commands.extend(words::add_address(&address, nic));
        }
    }
    let known = now.known_routes_of(nic);
    // Deleted on their own, so an address that is still here does not bring them back.
    let alone = journal.routes.iter();
    let alone = alone.filter(|route| is_left_behind(journal, route) && route.is_made_by(&here));
    for route in alone.chain(journal.own_routes()) {
        let expired = route.expires.is_some_and(|seconds| left(seconds, elapsed) == 0);
        if !expired && !known.iter().any(|other| other.is(route)) {
            let expires = route.expires.map(|seconds| left(seconds, elapsed));
            commands.push(words::append_route(&Route { expires, ..route.clone() }));
        }
    }
    commands
}

/// What is on the wrong side, or nowhere: nothing where the bridge is whole.
pub(super) fn faults(journal: &Journal, now: &State) -> Vec<String> {
    let Journal { nic, bridge, tap, .. } = journal;
    let mut faults = Vec::new();
    if !journal.is_nic(now) {
        faults.push(format!("{nic} is gone, or is another interface now"));
    }
    match now.link(bridge) {
        None => faults.push(format!("the bridge {bridge} is gone")),
        Some(link) if !journal.made_bridge(link) => {
            faults.push(format!("{bridge} is not the bridge that was made"));
        }
        Some(link) if !link.is_up() => faults.push(format!("{bridge} is down")),
        Some(_) => {}
    }
    match now.link(tap) {
        None => faults.push(format!("the TAP {tap} is gone")),
        Some(link) if !journal.made_tap(link) => {
            faults.push(format!("{tap} is not the TAP that was made"));
        }
        Some(link) if !link.is_up() => faults.push(format!("{tap} is down")),
        Some(_) => {}
    }
    for port in [nic, tap] {
        if now.link(port).is_some_and(|link| link.master.as_ref() != Some(bridge)) {
            faults.push(format!("{port} is not a port of {bridge}"));
        }
    }
    faults.extend(missing(journal, now, bridge));
    let here = now.addresses_of(nic);
    let left = journal.addresses.iter().filter(|address| !address.is_copied());
    faults.extend(
        left.filter(|address| here.iter().any(|other| other.is(address)))
            .filter_map(|address| address.local)
            .map(|local| format!("the address {local} is still on {nic}")),
    );
    let known = now.known_routes_of(nic);
    let left = journal.routes.iter().filter(|route| !route.is_of_link());
    faults.extend(
        left.filter(|route| known.iter().any(|other| other.is(route)))
            .map(|route| format!("the route to {} is still by way of {nic}", route.dst)),
    );
    faults
}

/// Which of the NIC's addresses and routes `link`, the NIC itself or the bridge, does not have.
pub(super) fn missing(journal: &Journal, now: &State, link: &str) -> Vec<String> {
    let here = now.addresses_of(link);
    let known = now.known_routes_of(link);
    // What has an end may have come to it.
    let lasting = journal.addresses.iter().filter(|address| address.valid_life_time == FOREVER);
    let addresses = lasting
        .filter(|address| !here.iter().any(|other| other.is(address)))
        .filter_map(|address| address.local)
        .map(|local| format!("{link} has not the address {local}"));
    let routes = journal.own_routes().into_iter().filter(|route| route.expires.is_none());
    let routes = routes
        .map(|route| route.moved(&journal.nic, link))
        .filter(|route| !known.iter().any(|other| other.is(route)))
        .map(|route| format!("{link} has not the route to {} (table {})", route.dst, route.table));
    addresses.chain(routes).collect()
}

/// The kernel lists IPv4 addresses as they were added, and of those of IPv6 the last one first.
fn in_order_of_adding(addresses: &[Address]) -> Vec<&Address> {
    let v4 = addresses.iter().filter(|address| !address.is_v6());
    let v6 = addresses.iter().rev().filter(|address| address.is_v6());
    v4.chain(v6).collect()
}

/// An IPv4 address has a label that begins with its interface's name.
fn on_link(address: &Address, from: &str, to: &str) -> Address {
    // IFNAMSIZ with its final zero.
    const LONGEST: usize = 15;
    let label = address.label.as_ref().map(|label| {
        let renamed = label.strip_prefix(from).map(|rest| format!("{to}{rest}"));
        renamed.filter(|label| label.len() <= LONGEST).unwrap_or_else(|| to.to_string())
    });
    Address { label, ..address.clone() }
}

/// The address with the other's lifetimes.
fn aged(address: &Address, other: &Address) -> Address {
    Address {
        valid_life_time: other.valid_life_time,
        preferred_life_time: other.preferred_life_time,
        ..address.clone()
    }
}

fn left(lifetime: u32, elapsed: u64) -> u32 {
    if lifetime == FOREVER {
        return FOREVER;
    }
    lifetime.saturating_sub(u32::try_from(elapsed).unwrap_or(u32::MAX))
}
