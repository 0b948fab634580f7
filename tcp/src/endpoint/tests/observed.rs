//! What is seen from outside: a counter for each reason to drop, and the events that go to
//! `tracing`.

use std::fmt;
use std::sync::{Arc, Mutex};

use netdev::Reason;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use super::*;
use crate::{CaState, DropReason, Input};

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

/// Keeps the events of this crate, each with its fields in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Row>>>);

/// The fields of an event.
type Row = Vec<(&'static str, String)>;

impl Log {
    /// The events of one kind, with the fields that are asked for.
    fn of(&self, message: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let events = self.0.lock().unwrap();
        let of = |event: &&Row| event.contains(&("message", message.to_string()));
        let value = |event: &Row, name: &str| {
            let found = event.iter().find(|(field, _)| *field == name);
            found.unwrap_or_else(|| panic!("{event:?} has no {name}")).1.clone()
        };
        let events = events.iter().filter(of);
        events.map(|event| fields.iter().map(|name| value(event, name)).collect()).collect()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::DEBUG
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Fields(Row);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_string()));
    }
}

/// Each change of state says which connection, from where, where to, and why.
#[test]
fn a_change_of_state_is_an_event_with_fixed_fields() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let mut script = script(Config::default());
        script.accept_one(80);
        script.close();
        script.expect(seg("FA"));
        script.inject(seg("A").ack(2));
        script.inject(seg("FA").ack(2));
        script.wait(61 * SECOND);
    });
    let states = log.of("state", &["from", "to", "cause"]);
    let states: Vec<_> = states.iter().map(|fields| fields.join(" ")).collect();
    assert_eq!(
        states,
        [
            "CLOSED LISTEN listen",
            "CLOSED SYN-RECEIVED SYN received",
            "SYN-RECEIVED ESTABLISHED handshake",
            "ESTABLISHED FIN-WAIT-1 close",
            "FIN-WAIT-1 FIN-WAIT-2 FIN acknowledged",
            "FIN-WAIT-2 TIME-WAIT FIN received",
        ]
    );
    let conn = "10.0.0.1:80 10.0.0.2:5000".split(' ');
    for named in log.of("state", &["conn"]).into_iter().skip(1) {
        assert!(conn.clone().all(|end| named[0].contains(end)), "{named:?}");
    }
}

/// Each recovery says when it begins and ends, and how the windows stand.
#[test]
fn a_recovery_is_an_event_with_fixed_fields() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let mut script = script(Config::default());
        script.accept_one(80);
        script.send(&[7; 10 * 1460]);
        script.drain();
        // Without SACK: three duplicates, and then everything.
        script.inject(seg("A").ack(1461));
        for _ in 0..3 {
            script.inject(seg("A").ack(1461));
        }
        assert_eq!(script.info().unwrap().ca_state, CaState::Recovery);
        script.drain();
        script.inject(seg("A").ack(14_601));
        script.wait(SECOND);
    });
    let names = ["conn", "from", "to", "cause", "cwnd", "ssthresh", "una", "nxt"];
    let recoveries = log.of("recovery", &names);
    let begun = recoveries.iter().find(|fields| fields[2] == "Recovery").expect("it begins");
    assert!(begun[0].contains("10.0.0.2:5000") && !begun[3].is_empty(), "{begun:?}");
    assert!(begun[4].parse::<u32>().unwrap() < 11 * 1460, "{begun:?}");
    assert_eq!(recoveries.last().unwrap()[2], "Open", "{recoveries:?}");
}
