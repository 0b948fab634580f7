use std::io::ErrorKind;

use super::*;
use crate::testing::*;

#[test]
fn a_ping_there_and_to_oneself() {
    soon(|| {
        let (a, _b) = nets();
        let socket = RawSocket::new(&a, Some(Protocol::ICMP)).unwrap();
        for to in ["10.0.0.2", "10.0.0.1", "127.1.2.3"] {
            socket.send_to(&echo_request(1, 1, b"ping"), addr(to)).unwrap();
            let reply = loop {
                let received = socket.receive().unwrap();
                // One's own request comes by as well on the way through loopback.
                if payload(&received.packet)[0] == 0 {
                    break received;
                }
            };
            assert_eq!((reply.from, &payload(&reply.packet)[8..]), (addr(to), &b"ping"[..]));
        }
    });
}

#[test]
fn what_comes_is_copied_whole_or_as_far_as_the_buffer_goes() {
    let net = alone();
    let socket = RawSocket::new(&net, Some(Protocol(200))).unwrap();
    socket.set_ttl(7).unwrap();
    socket.send_to(b"to myself", addr("127.0.0.1")).unwrap();
    socket.send_to(b"to myself", addr("127.0.0.1")).unwrap();
    assert_eq!(socket.peek().unwrap().ttl.0, 7);
    let mut buffer = [0; 100];
    let (count, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[20..count], from), (&b"to myself"[..], addr("127.0.0.1")));
    assert_eq!(socket.recv_from(&mut buffer[..25]).unwrap().0, 25);
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    assert_eq!(socket.receive().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_connected_socket_hears_of_errors_and_the_rest_is_refused() {
    soon(|| {
        let (a, _b) = nets();
        let socket = RawSocket::new(&a, Some(Protocol(200))).unwrap();
        assert_eq!(socket.send(b"x").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(socket.bind(addr("10.0.0.2")).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        socket.bind(addr("10.0.0.1")).unwrap();
        socket.connect(addr("10.0.0.2")).unwrap();
        socket.send(b"nobody speaks this").unwrap();
        assert_eq!(socket.receive().unwrap_err().kind(), ErrorKind::Unsupported);
        let info = socket.info().unwrap();
        assert_eq!((info.local, info.peer), (Some(addr("10.0.0.1")), Some(addr("10.0.0.2"))));
        socket.set_broadcast(true).unwrap();
        socket.set_header_included(true).unwrap();
        let datagram =
            [bare_header("0.0.0.0", "10.0.0.2", Protocol(200), 1), b"x".to_vec()].concat();
        assert_eq!(socket.send(&datagram).unwrap(), 21);
        assert_eq!(
            socket.try_clone().unwrap().receive().unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    });
}
