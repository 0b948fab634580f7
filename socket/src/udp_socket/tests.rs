use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Instant as Clock;

use super::*;
use crate::testing::*;

#[test]
fn datagrams_go_there_and_back() {
    soon(|| {
        let (a, b) = nets();
        let server = UdpSocket::bind(&b, "10.0.0.2:7").unwrap();
        let echo = std::thread::spawn(move || {
            let mut buffer = [0; 2000];
            let (count, from) = server.recv_from(&mut buffer).unwrap();
            server.send_to(&buffer[..count], from).unwrap();
        });
        let client = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
        client.connect("10.0.0.2:7").unwrap();
        assert_eq!(client.send(b"hello").unwrap(), 5);
        let mut buffer = [0; 3];
        assert_eq!(client.peek(&mut buffer).unwrap(), 3);
        assert_eq!(client.recv(&mut buffer).unwrap(), 3, "the rest of a datagram is lost");
        assert_eq!(&buffer, b"hel");
        assert_eq!(client.peer_addr().unwrap().to_string(), "10.0.0.2:7");
        echo.join().unwrap();
    });
}

#[test]
fn a_read_timeout_gives_would_block_after_its_time_and_not_before() {
    let net = alone();
    let socket = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
    let zero = socket.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    let timeout = Duration::from_millis(30);
    socket.set_read_timeout(Some(timeout)).unwrap();
    assert_eq!(socket.try_clone().unwrap().read_timeout().unwrap(), Some(timeout));
    let start = Clock::now();
    assert_eq!(socket.recv_from(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(start.elapsed() >= timeout);
    socket.set_nonblocking(true).unwrap();
    let start = Clock::now();
    assert_eq!(socket.recv_from(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(start.elapsed() < timeout);
}

#[test]
fn an_unreachable_port_refuses_a_connected_socket() {
    soon(|| {
        let (a, _b) = nets();
        let socket = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
        socket.connect("10.0.0.2:9").unwrap();
        socket.send(b"x").unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(socket.take_error().unwrap().is_none(), "told once");
        socket.disconnect().unwrap();
        assert_eq!(socket.send(b"x").unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn errors_have_the_kinds_of_std_net() {
    let net = alone();
    let first = UdpSocket::bind(&net, "127.0.0.1:5000").unwrap();
    let kind = |error: io::Error| error.kind();
    assert_eq!(
        UdpSocket::bind(&net, "127.0.0.1:5000").map_err(kind).unwrap_err(),
        ErrorKind::AddrInUse
    );
    assert_eq!(
        UdpSocket::bind(&net, "10.9.9.9:1").map_err(kind).unwrap_err(),
        ErrorKind::AddrNotAvailable
    );
    assert_eq!(
        first.send_to(b"x", "10.9.9.9:1").map_err(kind).unwrap_err(),
        ErrorKind::NetworkUnreachable
    );
    assert_eq!(first.peer_addr().map_err(kind).unwrap_err(), ErrorKind::NotConnected);
    assert_eq!(first.set_ttl(0).map_err(kind).unwrap_err(), ErrorKind::InvalidInput);
    first.set_ttl(9).unwrap();
    assert_eq!(first.ttl().unwrap(), 9);
    drop(first);
    UdpSocket::bind(&net, "127.0.0.1:5000").expect("the drop of the last clone closes");
}

#[test]
fn a_broadcast_needs_permission_and_reaches_the_other() {
    soon(|| {
        let (a, b) = nets();
        let server = UdpSocket::bind(&b, "0.0.0.0:68").unwrap();
        let client = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
        let denied = client.send_to(b"all", "10.0.0.255:68").unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
        client.set_broadcast(true).unwrap();
        assert!(client.broadcast().unwrap());
        client.send_to(b"all", "10.0.0.255:68").unwrap();
        assert_eq!(server.receive().unwrap().cast, netdev::Cast::Broadcast);
    });
}

#[test]
fn groups_are_joined_and_left_with_the_socket() {
    soon(|| {
        let (a, b) = nets();
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let iface = Ipv4Addr::new(10, 0, 0, 2);
        let server = UdpSocket::bind(&b, "0.0.0.0:99").unwrap();
        server.join_multicast_v4(&group, &iface).unwrap();
        let twice = server.join_multicast_v4(&group, &iface).unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::AddrInUse);
        let client = UdpSocket::bind(&a, "10.0.0.1:0").unwrap();
        client.send_to(b"to the group", "239.1.2.3:99").unwrap();
        assert_eq!(server.receive().unwrap().to, IpAddr::V4(group));
        drop(server);
        // IP would say "not a member" if it still were one by the closed socket.
        let left = b.with(|stack, now| {
            stack.configure(now, ip::Change::Leave(ip::IfIndex(1), group.into()))
        });
        assert!(left.is_err());
    });
}

#[test]
fn threads_that_share_a_socket_get_each_datagram_once() {
    soon(|| {
        let net = alone();
        let server = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
        let client = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let server = server.try_clone().unwrap();
                blocked(&net, move || {
                    let mut seen = Vec::new();
                    let mut byte = [0];
                    while server.recv_from(&mut byte).is_ok_and(|_| byte[0] != 255) {
                        seen.push(byte[0]);
                    }
                    seen
                })
            })
            .collect();
        // Four of the last kind, one to end each reader.
        for n in (0..200).chain([255; 4]) {
            client.send(&[n]).unwrap();
        }
        let mut seen: Vec<u8> = readers.into_iter().flat_map(|t| t.join().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..200).collect::<Vec<u8>>());
    });
}
