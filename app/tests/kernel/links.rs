//! A TUN, TAPs and TUNs with a `tun_pi` header, a macvtap, a packet socket: ping, UDP and TCP.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use crate::lan::Lan;
use crate::stack::Stack;

/// Some megabytes that are nowhere like themselves.
fn content(lan: &Lan) -> Vec<u8> {
    let bytes: Vec<u8> = (0..1_500_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    std::fs::write(lan.directory().join("sent"), &bytes).unwrap();
    bytes
}

/// The stack at `addr` pings and is pinged, echoes datagrams, serves a file and reads one from the
/// kernel at `host`.
fn talks(lan: &Lan, stack: &mut Stack, addr: &str, host: &str) {
    let bytes = content(lan);
    let said = stack.run(&format!("ping -c 2 -s 6000 {host}"));
    assert!(said.contains("2 packets transmitted, 2 received"), "{said}");
    stack.run("serve echo 7; serve http 80 .");
    lan.host(&format!("ping -n -c 2 -i 0.2 -s 6000 -W 10 {addr}"));
    let socket = UdpSocket::bind((host, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut buffer = [0; 9000];
    for len in [1, 1472, 8000] {
        socket.send_to(&bytes[..len], format!("{addr}:7")).unwrap();
        let (got, _) = socket.recv_from(&mut buffer).unwrap();
        assert!(buffer[..got] == bytes[..len], "{got} bytes of {len}");
    }
    let curl = |args: &[&str]| {
        let output = Command::new("curl").args(["-sS", "-m", "100"]).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert!(curl(&[&format!("http://{addr}/sent")]) == bytes);
    // Both ways at once.
    let mut stream = TcpStream::connect(format!("{addr}:7")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    let mut other = stream.try_clone().unwrap();
    let sender = std::thread::spawn({
        let bytes = bytes.clone();
        move || {
            other.write_all(&bytes).unwrap();
            other.shutdown(std::net::Shutdown::Write).unwrap();
        }
    });
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).unwrap();
    sender.join().unwrap();
    assert!(echoed == bytes, "{} bytes came back", echoed.len());
}

#[test]
fn a_tun_carries_everything_with_and_without_offload_and_packet_information() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("tun");
    for options in [&[][..], &["--offload", "off"], &["--tun-pi", "true"]] {
        let mut stack = Stack::start(&lan, &[&["--link", "tun:tun7"], options].concat());
        talks(&lan, &mut stack, "10.0.0.1", "10.0.0.2");
        let shown = stack.run("ifconfig; arpcache");
        assert!(shown.contains("tun7      IPaddr 10.0.0.1"), "no link address: {shown}");
        let counters = stack.run("stat");
        assert!(!counters.contains("framing"), "{counters}");
        stack.end();
    }
}

#[test]
fn a_tap_carries_everything_with_packet_information_in_front() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("tun-pi");
    for offload in ["auto", "off"] {
        let args = ["--link", "tap:tap7", "--tun-pi", "true", "--offload", offload];
        let mut stack = Stack::start(&lan, &args);
        talks(&lan, &mut stack, "10.0.0.1", "10.0.0.2");
        stack.end();
    }
}

/// RFC 5227: the kernel has the address that the stack is to have.
#[test]
fn an_address_that_the_kernel_has_is_refused_or_given_up() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("taken");
    lan.host("ip tuntap add dev tap7 mode tap");
    lan.host("ip address add 10.0.0.9/24 dev tap7");
    lan.host("ip address add 10.0.0.1/24 dev tap7");
    let args = ["--link", "tap:tap7", "--addr", "10.0.0.1/24", "--host-addr", "10.0.0.9/24"];
    let refused = lan.refused(&[&args[..], &["--probe", "first", "-c", "help"]].concat());
    assert!(refused.contains("--addr 10.0.0.1/24: the host "), "{refused}");
    assert!(refused.contains("has it; choose another"), "{refused}");
    // The default on a TAP does not wait for that.
    let mut stack = Stack::start(&lan, &args);
    lan.wait("the conflict", || stack.run("ifconfig").contains("10.0.0.1/24 is not used"));
    assert!(!stack.run("ifconfig").contains("IPaddr 10.0.0.1 "));
    stack.run("ifconfig tap7 10.0.0.7/24 --probe first");
    lan.wait("another address", || stack.run("ifconfig").contains("IPaddr 10.0.0.7 "));
    lan.host("ping -n -c 1 -W 10 10.0.0.7");
    stack.end();
}

/// What a stack of its own on the NIC's LAN does there. The host itself does not see it.
fn is_on_the_lan(lan: &Lan, link: &str) {
    let bytes = content(lan);
    let args = ["--link", link, "--addr", "10.9.0.77/24", "--gw", "10.9.0.1", "--probe", "never"];
    let mut stack = Stack::start(lan, &args);
    let said = stack.run("ping -c 2 -s 60000 10.9.0.1; ping -c 1 192.0.2.9");
    assert!(said.contains("2 packets transmitted, 2 received"), "{link}: {said}");
    assert!(said.contains("1 packets transmitted, 1 received"), "{link}: {said}");
    stack.run("serve http 80 .");
    let curl = lan.on_lan("curl -sS -m 100 http://10.9.0.77/sent").output().unwrap();
    assert!(curl.status.success(), "{link}: {}", String::from_utf8_lossy(&curl.stderr));
    assert!(curl.stdout == bytes, "{link}: {} bytes came", curl.stdout.len());
    // The host goes on as before.
    lan.host("ping -n -c 1 -W 10 10.9.0.1");
    stack.end();
}

#[test]
fn a_packet_socket_on_the_nic_is_a_host_beside_this_one() {
    if !netdev::in_namespace!() {
        return;
    }
    let lan = Lan::plain("packet");
    is_on_the_lan(&lan, "packet:eth0");
    let neighbour = lan.there("ip neigh show 10.9.0.77");
    assert!(neighbour.contains("06:00:00:00:aa:01"), "beside the NIC's: {neighbour}");
}

#[test]
fn a_macvtap_on_the_nic_is_a_host_beside_this_one() {
    if !netdev::in_namespace!() {
        return;
    }
    let lan = Lan::plain("macvtap");
    // Made by hand: with a number that no other namespace has, since /dev is everybody's.
    let index = 2_000_000 + std::process::id();
    lan.host(&format!("ip link add link eth0 name mv0 index {index} type macvtap mode bridge"));
    if std::fs::File::open(format!("/dev/tap{index}")).is_err() {
        let refused =
            lan.refused(&["--link", "macvtap:mv0", "--addr", "10.9.0.77/24", "-c", "help"]);
        assert!(refused.contains(&format!("/dev/tap{index}")), "{refused}");
        let root = std::fs::read_to_string("/proc/self/uid_map").unwrap().contains("4294967295");
        assert!(!(root && tests_required()), "must not be skipped: {refused}");
        eprintln!("SKIPPED: macvtap: {refused}");
        return;
    }
    is_on_the_lan(&lan, "macvtap:mv0");
    let said = lan.refused(&[
        "--link",
        "macvtap:mv0",
        "--addr",
        "10.9.0.77/24",
        "--mac",
        "02:00:00:00:00:09",
        "-c",
        "help",
    ]);
    assert!(said.contains("the card takes frames for no other"), "{said}");
}

fn tests_required() -> bool {
    std::env::var_os("TAPIP_REQUIRE_NET").is_some_and(|value| value == "1")
}
