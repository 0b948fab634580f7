//! What is seen from outside: a counter for each reason to drop.

use netdev::Reason;

use super::*;
use crate::{DropReason, Input};

/// Of a stack without connections, of a listener, and of a connection: what is dropped, and why.
/// Every reason can come about, and is told and counted once.
#[test]
fn every_reason_to_drop_comes_about_and_is_counted() {
    let mut seen = Vec::new();
    let mut check =
        |mut script: Script, reason: DropReason, drop: &dyn Fn(&mut Script) -> Input| {
            assert_eq!(script.host.counter(reason.text()), 0);
            assert_eq!(drop(&mut script), Input::Dropped(reason));
            assert_eq!(script.host.counter(reason.text()), 1, "{reason}");
            seen.push(reason);
        };
    let nobody = || script(Config::default());
    let listening = |config| {
        let mut script = script(config);
        script.host.listen(80, 1);
        script
    };
    let established = || {
        let mut script = script(Config::default());
        script.accept_one(80);
        script
    };
    // On the wire, with a checksum that is right unless it is what is wrong.
    let raw = |change: fn(&mut Vec<u8>)| {
        move |script: &mut Script| {
            let mut bytes = seg("A").from(script.peer).to(script.local()).data(b"text").emit();
            change(&mut bytes);
            script.inject_bytes(&bytes)
        }
    };
    check(nobody(), DropReason::Truncated, &raw(|bytes| bytes.truncate(19)));
    check(nobody(), DropReason::DataOffset, &raw(|bytes| bytes[12] = 4 << 4));
    check(nobody(), DropReason::Checksum, &raw(|bytes| bytes[16] ^= 1));
    check(nobody(), DropReason::Group, &|script| {
        script.peer.set_ip([224, 0, 0, 1].into());
        script.inject(seg("S").seq(0))
    });
    check(nobody(), DropReason::PortZero, &|script| {
        script.peer.set_port(0);
        script.inject(seg("S").seq(0))
    });
    check(nobody(), DropReason::Options, &|script| {
        script.inject(seg("S").seq(0).options(&[2, 40, 5, 180]))
    });
    check(nobody(), DropReason::NoConnection, &|script| script.inject(seg("S").seq(0)));
    check(nobody(), DropReason::StrayReset, &|script| script.inject(seg("R").seq(0)));

    let full = Config { syn_queue: 1, ..Config::default() };
    check(listening(full), DropReason::SynQueue, &|script| {
        script.inject(seg("S").seq(0));
        script.peer.set_port(6000);
        script.inject(seg("S").seq(0))
    });
    check(listening(Config::default()), DropReason::AcceptQueue, &|script| {
        script.handshake();
        script.peer.set_port(6000);
        script.inject(seg("S").seq(0))
    });
    let poor = Config { max_connections: 0, ..Config::default() };
    check(listening(poor), DropReason::Memory, &|script| script.inject(seg("S").seq(0)));

    let far = 1 << 20;
    check(established(), DropReason::OutOfWindow, &|script| script.inject(seg("A").seq(far)));
    check(established(), DropReason::UnacceptableAck, &|script| script.inject(seg("A").ack(far)));
    check(established(), DropReason::UnexpectedSyn, &|script| script.inject(seg("S").seq(0)));
    check(established(), DropReason::NoAck, &|script| script.inject(seg("P").data(b"text")));
    check(established(), DropReason::AfterClose, &|script| {
        script.close();
        script.inject(seg("A").data(b"text"))
    });
    check(listening(Config::default()), DropReason::Paws, &|script| {
        let timestamped = |value| seg("A").options(&[1, 1, 8, 10, 0, 0, 0, value, 0, 0, 0, 0]);
        script.inject(full_syn());
        script.drain();
        script.inject(timestamped(100));
        script.inject(timestamped(99))
    });
    let missing: Vec<_> = DropReason::ALL.iter().filter(|reason| !seen.contains(reason)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
