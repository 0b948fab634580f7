//! Services of one stack, used from another through its own sockets.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use socket::{TcpStream, UdpSocket};
use support::{Host, PEER, eventually, pair};

fn connect(host: &Host, port: u16) -> TcpStream {
    let stream = TcpStream::connect(&host.net, SocketAddr::new(PEER, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn datagrams(host: &Host, from: u16, port: u16) -> UdpSocket {
    let any = SocketAddr::from(([0, 0, 0, 0], from));
    let socket = UdpSocket::bind(&host.net, any).unwrap();
    socket.connect(SocketAddr::new(PEER, port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

#[test]
fn echo_over_tcp_and_udp() {
    let (a, mut b) = pair();
    b.ok("serve echo 7");
    let mut streams: Vec<TcpStream> = (0..50).map(|_| connect(&a, 7)).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(format!("hello {number}").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("hello {number}"));
    }
    let socket = datagrams(&a, 0, 7);
    socket.send(b"datagram").unwrap();
    let mut buffer = [0; 100];
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"datagram");
}

#[test]
fn a_service_does_not_answer_a_service() {
    let (a, mut b) = pair();
    b.ok("serve echo 7");
    let service = datagrams(&a, 19, 7);
    service.send(b"would go round for ever").unwrap();
    let client = datagrams(&a, 0, 7);
    client.send(b"answered").unwrap();
    client.recv(&mut [0; 100]).unwrap();
    service.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(service.recv(&mut [0; 100]).is_err());
}

#[test]
fn discard_reports_bytes_and_rate() {
    let (a, mut b) = pair();
    b.ok("serve discard 9");
    let mut stream = connect(&a, 9);
    stream.write_all(&vec![b'x'; 1_000_000]).unwrap();
    let from = stream.local_addr().unwrap();
    drop(stream);
    let report = format!("discard: {from}: 1000000 bytes in ");
    eventually(&report, || b.screen.text().contains(&report));
    assert!(b.screen.text().contains("bit/s\n"));
    datagrams(&a, 0, 9).send(b"into the void").unwrap();
}

#[test]
fn chargen_rotates_its_pattern_until_the_peer_has_enough() {
    let (a, mut b) = pair();
    b.ok("serve chargen 19");
    let mut stream = connect(&a, 19);
    stream.write_all(b"thrown away").unwrap();
    let mut bytes = vec![0; 74 * 96];
    stream.read_exact(&mut bytes).unwrap();
    let lines: Vec<&[u8]> = bytes.chunks(74).collect();
    assert!(lines[0].starts_with(b" !\"#$%&'()") && lines[0].ends_with(b"\r\n"));
    assert!(lines[1].starts_with(b"!\"#$"));
    assert_eq!(lines[0], lines[95]);
    drop(stream);
    let socket = datagrams(&a, 0, 19);
    let mut buffer = [0; 1000];
    for _ in 0..20 {
        socket.send(b"?").unwrap();
        assert!(socket.recv(&mut buffer).unwrap() <= 512);
    }
    let start = Instant::now();
    b.ok("kill 1");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn http_serves_a_large_file_whole_and_in_parts() {
    let (a, mut b) = pair();
    let site = std::env::temp_dir().join(format!("net-shell-site-{}", std::process::id()));
    std::fs::create_dir_all(&site).unwrap();
    let content: Vec<u8> =
        (0..3_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(site.join("big"), &content).unwrap();
    b.ok(&format!("serve http 80 '{}'", site.display()));

    let mut stream = connect(&a, 80);
    let get = |fields: &str| format!("GET /big HTTP/1.1\r\nHost: b\r\n{fields}\r\n");
    stream.write_all(get("").as_bytes()).unwrap();
    let (head, body) = response(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(body == content);
    // The same connection goes on.
    stream.write_all(get("Range: bytes=1000-1009\r\nConnection: close\r\n").as_bytes()).unwrap();
    let (head, body) = response(&mut stream);
    assert!(head.contains("Content-Range: bytes 1000-1009/3000000\r\n"), "{head}");
    assert_eq!(body, &content[1000..1010]);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed as it was asked for");
    // A client that leaves in the middle harms nobody.
    let mut rude = connect(&a, 80);
    rude.write_all(get("").as_bytes()).unwrap();
    rude.read_exact(&mut [0; 100]).unwrap();
    drop(rude);
    let mut stream = connect(&a, 80);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let (_, body) = response(&mut stream);
    assert!(String::from_utf8(body).unwrap().contains("<a href=\"big\">big</a>"));
    std::fs::remove_dir_all(&site).unwrap();
}

fn response(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let len = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; len.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

#[test]
fn killing_a_service_ends_its_connections() {
    let (a, mut b) = pair();
    b.ok("serve echo 7");
    let mut stream = connect(&a, 7);
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    b.ok("kill 1");
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(&a.net, SocketAddr::new(PEER, 7)).is_err());
}

#[test]
fn ss_shows_listeners_and_connections() {
    let (mut a, mut b) = pair();
    b.ok("serve echo 7");
    let mut stream = connect(&a, 7);
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let from = stream.local_addr().unwrap();
    let listeners = b.ok("ss -tlun");
    let lines: Vec<Vec<&str>> =
        listeners.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(
        lines.iter().any(|l| l[..2] == ["tcp", "LISTEN"] && l[4..] == ["0.0.0.0:7", "0.0.0.0:*"]),
        "{listeners}"
    );
    assert!(
        lines.iter().any(|l| l[..2] == ["udp", "UNCONN"] && l[4..] == ["0.0.0.0:7", "0.0.0.0:*"]),
        "{listeners}"
    );
    // The acknowledgment of the echo may be on its way still.
    let row = format!("ESTAB 0 0 10.0.0.2:7 {from}");
    eventually(&row, || {
        let connections = b.ok("ss -t");
        let words: Vec<&str> = connections.lines().nth(1).unwrap().split_whitespace().collect();
        words.join(" ") == row
    });
    let info = a.ok("ss -ti");
    assert!(info.lines().nth(2).unwrap().contains(" cwnd:"), "{info}");
}
