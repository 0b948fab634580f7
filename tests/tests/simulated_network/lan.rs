//! Hosts behind a switch.

use std::time::Duration;

use tests::sim::programs::{EchoServer, Pinger, Receiver, Requester, Sender};
use tests::sim::{LinkConfig, LinkId, Network, NodeId};

const MS: Duration = Duration::from_millis(1);

/// A LAN 10.0.0.0/24 with so many hosts, from 10.0.0.1 on, each 1 ms from the switch.
fn lan(net: &mut Network, count: u8) -> Vec<(NodeId, LinkId)> {
    let switch = net.switch("switch");
    let host = |number| {
        let host = net.host(&format!("h{number}"));
        let addr = format!("10.0.0.{number}/24");
        (host, net.link(host.at(&addr), switch, LinkConfig::delay(MS)))
    };
    (1..=count).map(host).collect()
}

#[test]
fn each_pings_each_and_the_switch_learns() {
    let mut net = Network::new(1);
    let hosts = lan(&mut net, 4);
    let mut pingers = Vec::new();
    for (number, (host, _)) in hosts.iter().enumerate() {
        for other in (1..=4).filter(|other| *other != number + 1) {
            let pinger = Pinger::new(&format!("10.0.0.{other}"), 3, 10 * MS);
            pingers.push(net.start(*host, pinger));
        }
    }
    net.run_until_idle(10_000).unwrap();
    for pinger in pingers {
        assert_eq!(net[pinger].answered(), 3);
        assert_eq!(net[pinger].duplicates, 0);
        // Two links there, two back; the first had to ask for the address.
        assert_eq!(net[pinger].times[2], Some(4 * MS), "{:?}", net[pinger]);
    }
    // What two others say to each other is not for the fourth. Its own pings and answers are 18
    // each way, those of the others 36, which a hub would bring as well.
    let [from, to] = net.counts(hosts[3].1);
    assert!(from.arrived >= 18 && (18..54).contains(&to.arrived), "{from:?} {to:?}");
}

#[test]
fn a_server_serves_many_at_once() {
    let mut net = Network::new(2);
    let hosts = lan(&mut net, 20);
    let (server, clients) = hosts.split_first().unwrap();
    let receiver = net.start(server.0, Receiver::new(80));
    let echo = net.start(server.0, EchoServer::new(7));
    let mut senders = Vec::new();
    let mut requesters = Vec::new();
    for (client, _) in clients {
        senders.push(net.start(*client, Sender::new("10.0.0.1:80", 200_000)));
        requesters.push(net.start(*client, Requester::new("10.0.0.1:7", 500, 10, 5 * MS)));
    }
    net.run_until_idle(200_000).unwrap();
    assert_eq!(net[receiver].received, 19 * 200_000);
    assert_eq!((net[receiver].complete, net[receiver].failed.len()), (19, 0));
    assert_eq!((net[echo].accepted, net[echo].failed, net[echo].connections()), (19, 0, 0));
    assert!(senders.iter().all(|sender| net[*sender].is_done()));
    for requester in requesters {
        assert!(net[requester].is_done(), "{:?}", net[requester].ended);
        // The handshake has found the way, so each takes a round trip of 4 ms.
        assert!(net[requester].times.iter().all(|time| *time >= 4 * MS && *time <= 20 * MS));
    }
}

#[test]
fn a_request_may_be_longer_than_all_buffers_on_its_way() {
    let mut net = Network::new(3);
    let hosts = lan(&mut net, 2);
    net.start(hosts[1].0, EchoServer::new(7));
    let one = net.start(hosts[0].0, Requester::new("10.0.0.2:7", 20_000_000, 1, MS));
    net.run_until_idle(1_000_000).unwrap();
    assert!(net[one].is_done(), "{:?}", net[one].ended);
}

#[test]
fn a_cut_link_is_an_error_in_time_and_a_mended_one_goes_on() {
    let mut net = Network::new(4);
    let hosts = lan(&mut net, 3);
    let receiver = net.start(hosts[0].0, Receiver::new(80));
    let senders =
        [1, 2].map(|at: usize| net.start(hosts[at].0, Sender::new("10.0.0.1:80", 50_000_000)));
    net.run_for(50 * MS).unwrap();
    net.cut(hosts[1].1);
    net.cut(hosts[2].1);
    net.run_for(Duration::from_secs(20)).unwrap();
    assert!(senders.iter().all(|sender| net[*sender].ended.is_none()));
    net.set_link(hosts[2].1, LinkConfig::delay(MS));
    net.run_until_idle(1_000_000).unwrap();
    assert!(net[senders[1]].is_done(), "{:?}", net[senders[1]].ended);
    // RFC 1122 §4.2.3.5: R2 is 100 seconds at least; fifteen retransmissions are 924 at most here.
    let (at, result) = net[senders[0]].ended.expect("it does not wait for ever");
    assert!(result.is_err() && at.nanos() < 1_000_000_000_000, "{result:?} at {at}");
    assert!(at.nanos() > 100_000_000_000, "{result:?} at {at}");
    assert_eq!(net[receiver].complete, 1);
}
