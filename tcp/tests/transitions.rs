//! The state machine against a table: every transition that is seen in random worlds is in
//! figure 5 of RFC 9293 §3.3.2 or among the extras that its text asks for, and every one of the
//! figure is seen.
//!
//! The transitions are those that the implementations log, one event each, so that none between
//! two looks at a state is missed; and each begins where the one before of the same connection
//! ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ip::Handle;
use tcp::testing::{LinkConfig, Side, World, pattern};
use tcp::{Config, Setting, Shutdown, SmallTcp, State, Streams, Tcp};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived,
    SynSent, TimeWait,
};

type Transition = (State, State);

/// RFC 9293 figure 5, but for what sockets have no call for (LISTEN to SYN-SENT by SEND).
const FIGURE: &[Transition] = &[
    (Closed, SynSent),
    (SynSent, SynReceived),
    (SynSent, Established),
    (SynSent, Closed),
    (SynReceived, Established),
    (SynReceived, FinWait1),
    (Established, FinWait1),
    (Established, CloseWait),
    (FinWait1, FinWait2),
    (FinWait1, Closing),
    (FinWait2, TimeWait),
    (Closing, TimeWait),
    (CloseWait, LastAck),
    (LastAck, Closed),
    (TimeWait, Closed),
];

/// Not lines of the figure, but what the text asks for, and what a listener that stays a listener
/// makes of the figure.
const EXTRAS: &[Transition] = &[
    // A listener's new connection is one of its own, and begins in no state or in LISTEN; the
    // listener stays. So a reset in SYN-RECEIVED ends that connection and brings nobody "back to
    // LISTEN" (§3.10.7.4, first).
    (Closed, SynReceived),
    (Closed, Listen),
    (Listen, SynReceived),
    (Listen, Closed),
    (SynReceived, Closed),
    // A reset (§3.10.7.4), ABORT (§3.10.5), the user timeout (§3.10.8), retransmission given up
    // (§3.8.3).
    (Established, Closed),
    (FinWait1, Closed),
    (FinWait2, Closed),
    (CloseWait, Closed),
    (Closing, Closed),
    // The FIN that acknowledges ours: "FIN-WAIT-1: if our FIN has been ACKed, enter TIME-WAIT"
    // (§3.10.7.4, eighth).
    (FinWait1, TimeWait),
    // The program ended its side before the handshake was done. CLOSE would delete the TCB
    // (§3.10.4), but shutdown is not CLOSE: as on Linux the FIN waits for the handshake.
    (SynSent, FinWait1),
    // A FIN beside the handshake's acknowledgment (§3.10.7.4, eighth: "SYN-RECEIVED STATE,
    // ESTABLISHED STATE: enter the CLOSE-WAIT state").
    (SynReceived, CloseWait),
];

const STATES: [State; 11] = [
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
];

/// What was logged: connection, from, to.
type Log = Arc<Mutex<Vec<(String, String, String)>>>;

/// Takes the events that tell of a change of state.
struct Watch(Log);

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Watch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tcp") && metadata.fields().field("to").is_some()
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut take = |name| fields.0.remove(name);
        let kind = take("message");
        if let (Some(conn), Some(from), Some(to)) = (take("conn"), take("from"), take("to"))
            && kind.as_deref() == Some("state")
        {
            self.0.lock().unwrap().push((conn, from, to));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Two programs that do anything at any time over a link that does too.
fn play(seed: u64, make: fn(u64) -> Box<dyn Streams>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let calm = rng.bool();
    let link = LinkConfig {
        latency: Duration::from_millis(rng.u64(..50)),
        loss: if calm { 0.0 } else { 0.2 },
        duplication: if calm { 0.0 } else { 0.1 },
        reordering: if calm { 0.0 } else { 0.3 },
        ..LinkConfig::default()
    };
    let mut world = World::with_link(seed, link, make(seed), make(!seed));
    let sides = [Side::A, Side::B];
    let listeners = sides.map(|side| world.host(side).listen(80, 3));
    let mut sockets: Vec<(Side, Handle)> = Vec::new();
    for _ in 0..rng.usize(5..40) {
        let side = sides[rng.usize(..2)];
        let which = rng.usize(..sockets.len().max(1));
        match (rng.u8(..12), sockets.get(which).copied()) {
            (0 | 1, _) => {
                let peer =
                    SocketAddr::new(side.other().addr(), if rng.u8(..6) == 0 { 81 } else { 80 });
                sockets.push((side, world.host(side).connect(peer)));
            }
            // Both at once, to each other (§3.5, figure 7).
            (2, _) => {
                let port = rng.u16(1000..1003);
                for side in sides {
                    let host = world.host(side);
                    let socket = host.open();
                    let peer = SocketAddr::new(side.other().addr(), port);
                    let bound = host.bind(socket, port);
                    let begun =
                        bound.and(host.call(|tcp, now, out| tcp.connect(now, socket, peer, out)));
                    match begun {
                        Err(ip::SocketError::InProgress) => sockets.push((side, socket)),
                        _ => host.close(socket),
                    }
                }
            }
            (3 | 4, _) => {
                if let Ok((socket, _)) = world.host(side).accept(listeners[side as usize]) {
                    sockets.push((side, socket));
                }
            }
            (5, Some((side, socket))) => {
                let _ = world.host(side).send(socket, &pattern(0, rng.usize(..5000)));
            }
            (6, Some((side, socket))) => {
                let _ = world.host(side).receive_all(socket);
            }
            (7, Some((side, socket))) => {
                let _ = world.host(side).shutdown(socket, Shutdown::Write);
            }
            (8, Some((side, socket))) => {
                if rng.u8(..4) == 0 {
                    let _ = world.host(side).set(socket, Setting::Linger(Some(Duration::ZERO)));
                }
                world.host(side).close(socket);
                sockets.swap_remove(which);
            }
            // Both ends at once: their FINs cross.
            (9, _) => {
                for (side, socket) in &sockets {
                    let _ = world.host(*side).shutdown(*socket, Shutdown::Write);
                }
            }
            (10, _) => {
                let cut = rng.u8(..8) == 0;
                world.lose_all(move |_, _| cut);
            }
            _ => {
                // Sometimes hours, so that who gets no answer gives up.
                let longest = if rng.u8(..10) == 0 { 5_000_000 } else { 200 };
                world.drive_for(Duration::from_millis(rng.u64(..longest)));
            }
        }
    }
    world.drive_for(Duration::from_secs(10));
    for (side, socket) in sockets {
        world.host(side).close(socket);
    }
    world.drive_for(Duration::from_secs(5000));
}

/// The transitions of many worlds.
fn seen(make: fn(u64) -> Box<dyn Streams>) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for seed in 0..200 {
        let log = Log::default();
        let watch = Watch(log.clone());
        tracing::subscriber::with_default(watch, || play(seed, make));
        let mut last: BTreeMap<String, String> = BTreeMap::new();
        for (conn, from, to) in log.lock().unwrap().drain(..) {
            let before = last.insert(conn.clone(), to.clone());
            let follows = before.as_ref().is_none_or(|before| *before == from);
            // A new connection of the same addresses begins anew, whatever the old one came to.
            let anew = from == Closed.to_string() || from == Listen.to_string();
            assert!(follows || anew, "seed {seed}, {conn}: {before:?}, then {from} to {to}");
            assert!(legal(&from, &to), "seed {seed}, {conn}: {from} to {to}");
            all.insert((from, to));
        }
    }
    all
}

fn state(name: &str) -> State {
    let found = STATES.into_iter().find(|state| state.to_string() == name);
    found.unwrap_or_else(|| panic!("no state is called {name}"))
}

fn legal(from: &str, to: &str) -> bool {
    let transition = (state(from), state(to));
    FIGURE.iter().chain(EXTRAS).any(|legal| *legal == transition)
}

/// Every line of the figure is walked but `other_ways`: else the table says nothing about it.
fn all_of_the_figure(make: fn(u64) -> Box<dyn Streams>, other_ways: &[Transition]) {
    let seen = seen(make);
    for (from, to) in FIGURE.iter().filter(|line| !other_ways.contains(line)) {
        let line = (from.to_string(), to.to_string());
        assert!(seen.contains(&line), "never {from} to {to}: {seen:?}");
    }
}

#[test]
fn the_machine_of_the_whole_tcp_is_that_of_figure_5() {
    all_of_the_figure(|seed| Box::new(Tcp::new(Config::default(), seed)), &[]);
}

/// The small one enters SYN-RECEIVED for every SYN, and leaves it in the same breath where the SYN
/// acknowledges its own.
#[test]
fn the_machine_of_the_small_tcp_is_that_of_figure_5() {
    all_of_the_figure(|seed| Box::new(SmallTcp::new(seed)), &[(SynSent, Established)]);
}
