use std::net::IpAddr;
use std::time::Duration;

use netdev::Instant;
use netdev::checksum::Sum;

use super::*;

const MS: Duration = Duration::from_millis(1);
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 9, 9));
const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 254));

fn options() -> Options {
    let patience = Patience { most: Duration::from_secs(5), here: 3, near: 10 };
    Options { first: 1, hops: 3, queries: 2, patience }
}

/// Plays a trace: `reply` says what comes back for a probe, and after how long.
fn play(
    options: Options,
    reply: impl Fn(Probe) -> Option<(IpAddr, What, Duration)>,
) -> (Trace, String, Instant) {
    let (mut trace, mut now) = (Trace::new(options), Instant::ZERO);
    let mut text = String::new();
    let mut next = trace.step(now);
    loop {
        let answer = match next {
            Step::Send(probe) => reply(probe).map(|(from, what, time)| {
                now += time;
                Answer { from, number: probe.number, what }
            }),
            Step::Wait(until) => {
                now = until;
                None
            }
            Step::Done => return (trace, text, now),
        };
        answer.into_iter().for_each(|answer| trace.answer(now, answer));
        next = trace.step(now);
        text += &trace.take_text();
    }
}

#[test]
fn a_line_for_each_hop_up_to_the_destination() {
    let (trace, text, _) = play(options(), |probe| match probe.ttl {
        1 => Some((ROUTER, What::Passed, MS)),
        _ => Some((PEER, What::Arrived, 2 * MS)),
    });
    assert_eq!(text, " 1  10.0.0.254  1.000 ms  1.000 ms\n 2  10.0.9.9  2.000 ms  2.000 ms\n");
    assert!(trace.arrived());
}

#[test]
fn who_is_silent_is_a_star_and_is_not_waited_for_long_where_others_were_quick() {
    let (trace, text, end) = play(options(), |probe| match probe.ttl {
        2 => Some((ROUTER, What::Passed, 20 * MS)),
        _ => None,
    });
    assert_eq!(text, " 1  * *\n 2  10.0.0.254  20.000 ms  20.000 ms\n 3  * *\n");
    // 5 s twice, 20 ms twice, then ten times 20 ms twice.
    assert_eq!(end - Instant::ZERO, Duration::from_millis(10_000 + 40 + 400));
    assert!(!trace.arrived());
}

#[test]
fn what_refuses_is_marked_and_the_end() {
    for (code, mark) in [(0, "!N"), (1, "!H"), (2, "!P"), (4, "!F"), (5, "!S"), (9, "!X")]
        .into_iter()
        .chain([(10, "!X"), (13, "!X"), (14, "!V"), (15, "!C"), (7, "!7")])
    {
        let (_, text, _) = play(options(), |_| Some((ROUTER, What::Refused(code), MS)));
        assert_eq!(text, format!(" 1  10.0.0.254  1.000 ms {mark}  1.000 ms {mark}\n"));
    }
}

#[test]
fn several_routers_at_one_hop_are_named_each() {
    let one = Options { hops: 1, queries: 3, ..options() };
    let (_, text, _) = play(one, |probe| match probe.number {
        0 | 2 => Some((ROUTER, What::Passed, MS)),
        _ => Some((PEER, What::Passed, MS)),
    });
    assert_eq!(text, " 1  10.0.0.254  1.000 ms 10.0.9.9  1.000 ms 10.0.0.254  1.000 ms\n");
}

#[test]
fn an_answer_that_comes_too_late_or_again_changes_nothing() {
    let mut trace = Trace::new(options());
    assert_eq!(trace.step(Instant::ZERO), Step::Send(Probe { ttl: 1, number: 0 }));
    let late = Instant::from_secs(5);
    assert_eq!(trace.step(late), Step::Send(Probe { ttl: 1, number: 1 }));
    let answer = |number| Answer { from: ROUTER, number, what: What::Passed };
    trace.answer(late, answer(0));
    trace.answer(late + MS, answer(1));
    trace.answer(late + MS, answer(1));
    assert_eq!(trace.take_text(), " 1  * 10.0.0.254  1.000 ms\n");
}

#[test]
fn the_last_hop_of_all_is_an_end() {
    let all = Options { first: 250, hops: 255, queries: 1, ..options() };
    let (_, text, _) = play(all, |_| Some((ROUTER, What::Passed, MS)));
    assert_eq!(text.lines().count(), 5);
}

/// An ICMP error that quotes the first bytes of a datagram to `dst`.
fn error(kind: u8, code: u8, protocol: u8, dst: IpAddr, content: &[u8]) -> Vec<u8> {
    let IpAddr::V4(dst) = dst else { panic!() };
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend([0x45, 0, 0, 60, 0, 0, 0, 0, 1, protocol, 0, 0, 10, 0, 0, 1]);
    message.extend(dst.octets());
    message.extend(&content[..8]);
    let check = Sum::default().bytes(&message).finish();
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

#[test]
fn what_comes_back_for_a_datagram() {
    let method = Method::Udp { source: 40_000, base: 33_434 };
    assert_eq!(method.message(3, 60).len(), 32);
    assert_eq!(method.port(3), Some(33_437));
    let udp = [0x9c, 0x40, 0x82, 0x9d, 0, 40, 0, 0];
    let read = |from, message: &[u8]| method.answer(PEER, from, message);
    let answer = |from, what| Some(Answer { from, number: 3, what });
    assert_eq!(read(ROUTER, &error(11, 0, 17, PEER, &udp)), answer(ROUTER, What::Passed));
    assert_eq!(read(PEER, &error(3, 3, 17, PEER, &udp)), answer(PEER, What::Arrived));
    assert_eq!(read(ROUTER, &error(3, 13, 17, PEER, &udp)), answer(ROUTER, What::Refused(13)));
    // Another's, to another, not whole.
    assert_eq!(read(ROUTER, &error(11, 0, 17, PEER, &[1, 2, 3, 4, 0, 0, 0, 0])), None);
    assert_eq!(read(ROUTER, &error(11, 0, 17, ROUTER, &udp)), None);
    assert_eq!(read(ROUTER, &error(11, 0, 6, PEER, &udp)), None);
    let mut broken = error(11, 0, 17, PEER, &udp);
    broken[30] ^= 1;
    assert_eq!(read(ROUTER, &broken), None);
    assert_eq!(read(ROUTER, &broken[..7]), None);
}

#[test]
fn what_comes_back_for_an_echo_request() {
    let method = Method::Icmp { id: 7 };
    let request = method.message(3, 60);
    assert_eq!((request.len(), method.port(3)), (40, None));
    assert!(Sum::default().bytes(&request).is_valid());
    let read = |from, message: &[u8]| method.answer(PEER, from, message);
    let mut reply = request.clone();
    (reply[0], reply[2]) = (0, reply[2] + 8);
    assert_eq!(read(PEER, &reply), Some(Answer { from: PEER, number: 3, what: What::Arrived }));
    assert_eq!(read(ROUTER, &reply), None, "not from there");
    assert_eq!(Method::Icmp { id: 8 }.answer(PEER, PEER, &reply), None);
    let passed = Some(Answer { from: ROUTER, number: 3, what: What::Passed });
    assert_eq!(read(ROUTER, &error(11, 0, 1, PEER, &request)), passed);
    assert_eq!(read(ROUTER, &error(11, 1, 1, PEER, &request)), None, "about a reassembly");
}
