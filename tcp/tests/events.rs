//! The events that go to `tracing`: which there are, and with which fields.
//!
//! They stand apart from the crate's other tests because `tracing` keeps for each place in the
//! code whether anybody listens, and asks the thread that comes there first: beside threads that
//! run the stack without listening, an event may be lost for good. Here every thread listens.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tcp::testing::{Script, seg};
use tcp::{CaState, Config, Tcp};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a script, and returns the events of it.
fn watched(run: impl FnOnce(&mut Script)) -> Log {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        run(&mut Script::new(Box::new(Tcp::new(Config::default(), 1))));
    });
    log
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
    let log = watched(|script| {
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
    let log = watched(|script| {
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
