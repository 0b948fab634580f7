//! What nobody else may be able to guess: RFC 9293 §3.4.1, RFC 6528, RFC 6056.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use netdev::cases;
use netdev::conformance::{Bench, Record, Subject};

use super::{Make, SECOND};
use crate::testing::{PEER, Script, seg};

cases! { ($) secrets_cases: Make, Stacks;
    Must 2 "RFC 9293 §3.4.1 (MUST-8)" sequence_numbers_of_one_pair_move_on_with_the_clock
        "A TCP implementation MUST use the above type of \"clock\" for clock-driven selection of \
         initial sequence numbers.";
    Should 3 "RFC 9293 §3.4.1 (SHLD-1)" sequence_numbers_of_different_pairs_are_unrelated
        "… and SHOULD generate its initial sequence numbers with the expression: ISN = M + \
         F(localip, localport, remoteip, remoteport, secretkey)";
    Must 3 "RFC 9293 §3.4.1 (MUST-9)" sequence_numbers_depend_on_the_secret
        "F() MUST NOT be computable from the outside.";
    Must 3 "RFC 9293 §3.4.1 (MUST-9)" one_sequence_number_does_not_tell_another
        "… or an attacker could still guess at sequence numbers from the ISN used for some other \
         connection.";
    Ours 1 "RFC 6528 §3" the_same_seed_is_the_same_stack
        "All chance comes from the seed, so that a run can be had again.";
    Must 2 "RFC 6056 §3.2" ephemeral_ports_are_not_the_well_known_ones
        "Ephemeral ports come from the range 1024 to 65535.";
    Must 2 "RFC 6056 §3.1" two_connections_to_one_peer_have_two_ports
        "The resulting pair of sockets has to be unique.";
    Should 3 "RFC 6056 §2.2" ephemeral_ports_depend_on_the_secret
        "An attacker should not be able to guess the port of a connection.";
    Should 3 "RFC 6056 §3.3.4" one_port_does_not_tell_that_of_another_peer
        "Ports towards different peers start at places that have nothing to do with each other.";
}

/// One implementation with several secrets.
pub struct Stacks {
    maker: Make,
    seed: u64,
    record: Record,
}

impl Bench<Make> for Stacks {
    fn new(subject: &Subject<Make>) -> Stacks {
        let Subject { maker, seed, record } = subject;
        Stacks { maker: *maker, seed: *seed, record: record.clone() }
    }
}

impl Stacks {
    /// A stack whose secrets are those of this number.
    fn stack(&self, number: u64) -> Script {
        let subject = Subject { maker: self.maker, seed: self.seed, record: self.record.clone() };
        Script::recording(subject.make_another(number), self.record.clone())
    }
}

/// The ISN of the answer to a SYN from this port of the peer.
fn isn(script: &mut Script, port: u16) -> u32 {
    script.peer = SocketAddr::new(PEER, port);
    script.inject(seg("S").seq(0).mss(1460));
    script.expect(seg("SA").seq(0).ack(1));
    script.isn()
}

/// The port of a new connection to this address, port 80.
fn port(script: &mut Script, host: u8) -> u16 {
    script.peer = SocketAddr::new([10, 0, 0, host].into(), 80);
    script.connect();
    script.port
}

/// Whether the numbers are spread over all 32 bits as chance would: of 32, few are near the next.
/// By chance one in four runs has such a pair, and one in a hundred million has more than six.
fn expect_spread(script: &Script, what: &str, numbers: &[u32]) {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let near = sorted.windows(2).filter(|pair| pair[1] - pair[0] < 1 << 20).count();
    script.expect_that(&format!("{what} lie apart: {numbers:x?}"), near <= 6);
}

fn sequence_numbers_of_one_pair_move_on_with_the_clock(stacks: &mut Stacks) {
    let mut script = stacks.stack(0);
    script.listen(8);
    let mut before = isn(&mut script, 5000);
    for _ in 0..5 {
        script.inject(seg("R").seq(1));
        script.wait(10 * SECOND);
        script.drain();
        let now = isn(&mut script, 5000);
        let ahead = now.wrapping_sub(before);
        script.expect_that(&format!("10 s later the ISN is {ahead} ahead"), {
            // A tick each 4 µs makes 2.5 million; any clock that does not wrap in 4 minutes will do.
            (1..1 << 28).contains(&ahead)
        });
        before = now;
    }
}

fn sequence_numbers_of_different_pairs_are_unrelated(stacks: &mut Stacks) {
    let mut script = stacks.stack(0);
    script.listen(64);
    let numbers: Vec<u32> = (0..32).map(|at| isn(&mut script, 5000 + at)).collect();
    expect_spread(&script, "the ISNs", &numbers);
}

fn sequence_numbers_depend_on_the_secret(stacks: &mut Stacks) {
    let mut numbers = Vec::new();
    let mut last = stacks.stack(0);
    for number in 0..32 {
        last = stacks.stack(number);
        last.listen(8);
        numbers.push(isn(&mut last, 5000));
    }
    expect_spread(&last, "the ISNs of one pair in different stacks", &numbers);
}

fn one_sequence_number_does_not_tell_another(stacks: &mut Stacks) {
    let mut distances = Vec::new();
    let mut last = stacks.stack(0);
    for number in 0..32 {
        last = stacks.stack(number);
        last.listen(8);
        let first = isn(&mut last, 5000);
        distances.push(isn(&mut last, 5001).wrapping_sub(first));
    }
    expect_spread(&last, "the distances from one pair's ISN to another's", &distances);
}

fn the_same_seed_is_the_same_stack(stacks: &mut Stacks) {
    let seen = || {
        let mut script = stacks.stack(7);
        script.listen(8);
        let isns: Vec<u32> = (0..8).map(|at| isn(&mut script, 5000 + at)).collect();
        let ports: Vec<u16> = (0..8).map(|at| port(&mut script, 100 + at)).collect();
        (isns, ports, script)
    };
    let (first, second) = (seen(), seen());
    first.2.expect_eq("ISNs", &second.0, &first.0);
    first.2.expect_eq("ports", &second.1, &first.1);
}

fn ephemeral_ports_are_not_the_well_known_ones(stacks: &mut Stacks) {
    let mut script = stacks.stack(0);
    let ports: Vec<u16> = (0..200).map(|at| port(&mut script, at)).collect();
    let low = ports.iter().copied().find(|port| *port < 1024);
    script.expect_eq("a port below 1024", low, None);
}

fn two_connections_to_one_peer_have_two_ports(stacks: &mut Stacks) {
    let mut script = stacks.stack(0);
    let ports: BTreeSet<u16> = (0..200).map(|_| port(&mut script, 2)).collect();
    script.expect_eq("different ports of 200 connections", ports.len(), 200);
}

fn ephemeral_ports_depend_on_the_secret(stacks: &mut Stacks) {
    let mut ports = BTreeSet::new();
    let mut last = stacks.stack(0);
    for number in 0..32 {
        last = stacks.stack(number);
        ports.insert(port(&mut last, 2));
    }
    last.expect_that(&format!("32 stacks' first ports differ: {ports:?}"), ports.len() >= 28);
}

fn one_port_does_not_tell_that_of_another_peer(stacks: &mut Stacks) {
    let mut script = stacks.stack(0);
    let ports: Vec<u16> = (0..32).map(|at| port(&mut script, 2 + at)).collect();
    let next = ports.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) <= 16).count();
    script.expect_that(&format!("ports of 32 peers are no sequence: {ports:?}"), next <= 3);
}
