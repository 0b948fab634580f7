//! TCP over two stacks on virtual time.

use ip::{Cause, Protocol, Quoted, SocketError};
use tcp::{ReceiveFlags, SendFlags, State};

use crate::testing::*;

/// RFC 5927 §7.2: who cannot see a connection must not shrink its segments.
#[test]
fn a_forged_path_mtu_for_tcp_is_not_believed_by_ip() {
    for (protocol, mtu) in [(Protocol::TCP, 1500), (Protocol::UDP, 600)] {
        let mut net = pair_of(Kind::Full);
        let (src, dst) = (addr("10.0.0.1"), addr("10.0.0.2"));
        let payload = vec![0, 80, 0, 81, 1, 2, 3, 4];
        let quoted = Quoted { src, dst, protocol, total_len: 1500, payload };
        let now = net.now;
        net.stacks[0].error_from(now, dst, Cause::FragmentationNeeded { mtu: 600 }, &quoted);
        let route = net.stacks[0].with_tcp(now, |_, out| out.route(now, dst, None));
        assert_eq!(route.map(|route| route.mtu), Ok(mtu), "{protocol:?}");
    }
}

#[test]
fn a_tcp_connection_lives_and_ends() {
    [Kind::Full, Kind::Small].into_iter().for_each(life);
}

fn life(tcp: Kind) {
    let mut net = pair_of(tcp);
    let now = net.now;
    let listener = net.stacks[1].with_tcp(now, |tcp, out| {
        let listener = tcp.open().unwrap();
        tcp.bind(listener, "0.0.0.0:80".parse().unwrap(), out).unwrap();
        tcp.listen(listener, 5).unwrap();
        listener
    });
    let client = net.stacks[0].with_tcp(now, |tcp, out| {
        let client = tcp.open().unwrap();
        let peer = "10.0.0.2:80".parse().unwrap();
        assert_eq!(tcp.connect(now, client, peer, out), Err(SocketError::InProgress));
        client
    });
    net.millis(10);
    let (server, from) = net.stacks[1].with_tcp(net.now, |tcp, _| tcp.accept(listener)).unwrap();
    assert_eq!(from.ip(), addr("10.0.0.1"));
    let now = net.now;
    net.stacks[0].with_tcp(now, |tcp, out| {
        assert_eq!(tcp.send(now, client, b"hello", SendFlags::empty(), out), Ok(5));
        tcp.close(now, client, out);
    });
    net.millis(10);
    let now = net.now;
    net.stacks[1].with_tcp(now, |tcp, out| {
        let mut buffer = [0; 10];
        assert_eq!(tcp.receive(now, server, &mut buffer, ReceiveFlags::empty(), out), Ok(5));
        assert_eq!(&buffer[..5], b"hello");
        assert_eq!(tcp.receive(now, server, &mut buffer, ReceiveFlags::empty(), out), Ok(0));
        tcp.close(now, server, out);
    });
    net.millis(10);
    let left: Vec<State> = net.stacks[0].tcp_sockets(net.now).iter().map(|i| i.state).collect();
    assert_eq!(left, [State::TimeWait]);
    assert!(net.stacks[0].drained(net.now, false));
}
