//! Connections from SYN to FIN.

use std::time::Duration;

use crate::pair::{Pair, Side};
use crate::{Step, counted};

/// As the server.
pub(crate) fn served() -> Step {
    step(Side::There)
}

/// As the client.
pub(crate) fn asked_for() -> Step {
    step(Side::Here)
}

/// `client` connects, sends a byte, gets one back, and both close. TIME-WAIT lasts a millisecond, so
/// that a step ends what the one before has left.
fn step(client: Side) -> Step {
    let time_wait = Duration::from_millis(1);
    let config = tcp::Config { time_wait, ..tcp::Config::default() };
    let mut pair = Pair::with_tcp(crate::pair::PLAIN, config);
    let server = client.other();
    let listener = pair.listen(server, 80, 16);
    let mut buffer = [0; 64];
    Box::new(move || {
        pair.now += Duration::from_millis(2);
        let mut of = |side: Side, act: &mut dyn FnMut(&mut Pair)| match side {
            Side::Here => counted(|| act(&mut pair)),
            Side::There => act(&mut pair),
        };
        let mut asking = None;
        of(client, &mut |pair| {
            // What is left of the connection before.
            pair.poll(client);
            asking = Some(pair.connect(client, 80));
        });
        let asking = asking.expect("just connected");
        of(server, &mut |pair| pair.poll(server));
        of(client, &mut |pair| {
            pair.poll(client);
            pair.tell(client);
            pair.send(client, asking, b"?");
        });
        let mut answering = None;
        of(server, &mut |pair| {
            pair.poll(server);
            pair.tell(server);
            let accepted = pair.accept(server, listener);
            assert_eq!(pair.receive(server, accepted, &mut buffer), 1);
            pair.send(server, accepted, b"!");
            answering = Some(accepted);
        });
        let answering = answering.expect("just accepted");
        of(client, &mut |pair| {
            pair.poll(client);
            pair.tell(client);
            assert_eq!(pair.receive(client, asking, &mut buffer), 1);
            pair.close(client, asking);
        });
        of(server, &mut |pair| {
            pair.poll(server);
            pair.tell(server);
            assert_eq!(pair.receive(server, answering, &mut buffer), 0);
            pair.close(server, answering);
        });
        of(client, &mut |pair| pair.poll(client));
        of(server, &mut |pair| pair.poll(server));
    })
}
