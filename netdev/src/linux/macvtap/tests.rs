//! Against the kernel: a macvtap on one end of a cable, whose other end is in the same namespace.

use std::net::UdpSocket;
use std::process::Command;

use super::*;
use crate::linux::exchange::{self, KERNEL, MAC, NOW, STACK};
use crate::linux::namespace::KernelEnd;
use crate::{Checksum, LinkState, MacAddr};

/// Runs `ip`, a line a command.
fn ip(lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let output = Command::new("ip").args(line.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A number that no other namespace has: /dev is everybody's.
fn index() -> u32 {
    1_000_000 + std::process::id()
}

/// The cable: `nic0` here, and the kernel at the end `tap0`. The macvtap `mv0` on `nic0` has the
/// stack's address.
fn cable() -> KernelEnd {
    ip(&format!(
        "link add nic0 type veth peer name tap0
         address add {KERNEL}/24 dev tap0
         link set tap0 up
         link set nic0 up
         link add link nic0 name mv0 index {} address {MAC} type macvtap mode bridge",
        index()
    ));
    KernelEnd::of("tap0").unwrap()
}

/// The device, or that an ordinary user has no /dev of his own to find it in.
fn open(name: &str, vnet_hdr: bool) -> Option<Macvtap> {
    match Macvtap::open(name, vnet_hdr) {
        Err(why @ (Error::MacvtapDenied { .. } | Error::MacvtapMissing { .. })) => {
            let required = std::env::var_os("TAPIP_REQUIRE_NET").is_some_and(|value| value == "1");
            let root = std::fs::read_to_string("/proc/self/uid_map")
                .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]));
            assert!(!(required && root), "must not be skipped: {why}");
            eprintln!("SKIPPED: macvtap: {why}");
            None
        }
        device => Some(device.unwrap()),
    }
}

#[test]
fn datagrams_pass_by_the_card_below() {
    if !crate::in_namespace!() {
        return;
    }
    let kernel = cable();
    for vnet_hdr in [true, false] {
        let Some(mut device) = open("mv0", vnet_hdr) else { return };
        assert_eq!((device.name(), device.mac(), device.is_made()), ("mv0", MAC, false));
        let offload = device.capabilities().checksum;
        assert_eq!(offload, vnet_hdr);
        ip("neigh flush dev tap0");
        exchange::resolve(&mut device, &kernel);
        let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
        socket.send_to(b"down here", (STACK, 7000)).unwrap();
        let checksum = exchange::receive(&mut device, |frame| {
            frame.ends_with(b"down here").then(|| frame.checksum())
        });
        let left_out = matches!(checksum, Checksum::Partial { start: 34, offset: 6 });
        assert_eq!(left_out, vnet_hdr, "{checksum:?}: veth leaves checksums out");
        let port = socket.local_addr().unwrap().port();
        exchange::send(&mut device, exchange::udp(kernel.mac, port, b"up there"));
        let mut buffer = [0; 100];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 8);
    }
}

#[test]
fn tcp_passes_in_pieces_larger_than_the_mtu() {
    if !crate::in_namespace!() {
        return;
    }
    let kernel = cable();
    let Some(mut device) = open("mv0", true) else { return };
    exchange::segments(&mut device, &kernel);
}

#[test]
fn one_is_made_on_a_card_and_goes_with_its_device() {
    if !crate::in_namespace!() {
        return;
    }
    let _ = cable();
    ip("link del mv0\nlink add macvtap0 type bridge");
    let device = match Macvtap::open("nic0", true) {
        // Its number is the kernel's choice, which another test's namespace may have made too.
        Err(Error::MacvtapNode { name, .. } | Error::MacvtapDenied { name, .. }) => {
            assert_eq!(name, "macvtap1");
            assert!(KernelEnd::of("macvtap1").is_err(), "not left behind");
            return;
        }
        device => device.unwrap(),
    };
    assert_eq!((device.name(), device.is_made()), ("macvtap1", true), "the first free name");
    assert_eq!(device.mac(), KernelEnd::of("macvtap1").unwrap().mac);
    assert_ne!(device.mac(), MacAddr::ZERO);
    drop(device);
    assert!(matches!(KernelEnd::of("macvtap1"), Err(Error::NoInterface { .. })));
}

#[test]
fn the_interface_is_deleted_under_us() {
    if !crate::in_namespace!() {
        return;
    }
    let _ = cable();
    let Some(mut device) = open("mv0", true) else { return };
    assert!(device.interest().is_some());
    device.flush(NOW);
    assert_eq!(device.link(), LinkState::Up);
    ip("link del mv0");
    device.flush(NOW + CHECK);
    match device.link() {
        LinkState::Down(why) => assert!(why.contains("was deleted"), "{why}"),
        LinkState::Up => panic!("there is no interface"),
    }
    assert!(device.interest().is_none(), "it would be ready for ever");
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    if !crate::in_namespace!() {
        return;
    }
    let told = |name: &str| Macvtap::open(name, true).unwrap_err().to_string();
    assert!(told("eth9").contains("no interface `eth9`"), "{}", told("eth9"));
    let _ = cable();
    assert!(told("lo").contains("must be an Ethernet"), "{}", told("lo"));
    ip("link del mv0\nlink add br0 type bridge\nlink set nic0 master br0");
    assert!(told("nic0").contains("port of a bridge"), "{}", told("nic0"));
    ip("link set nic0 nomaster");
    sys::drop_capability(12).unwrap();
    assert!(told("nic0").contains("type macvtap mode bridge"), "{}", told("nic0"));
}
