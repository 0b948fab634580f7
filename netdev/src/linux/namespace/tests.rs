//! Against the kernel, in a namespace: see `testing`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use super::*;
use crate::linux::exchange::{self, NOW};
use crate::linux::{Tap, TapOptions, tap};

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;

fn network_of(process: &str) -> u64 {
    fs::metadata(format!("/proc/{process}/ns/net")).unwrap().ino()
}

fn interfaces() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_string())).collect()
}

#[test]
fn a_new_network_has_lo_up_and_nothing_else() {
    if !crate::in_namespace!() {
        return;
    }
    let before = network_of("thread-self");
    open_link(&KernelEndConfig::default()).unwrap();
    Namespace::enter_new().unwrap();
    assert_ne!(network_of("thread-self"), before);
    assert_eq!(interfaces(), ["lo"]);
    std::net::TcpStream::connect(
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(),
    )
    .expect("lo is up");
}

#[test]
fn an_ordinary_user_needs_to_be_alone_in_the_process() {
    if !crate::in_namespace!() {
        return;
    }
    let refused = std::thread::spawn(|| {
        // Without this one, root takes the way of the ordinary user.
        sys::drop_capability(CAP_SYS_ADMIN).unwrap();
        Namespace::enter_new().unwrap_err()
    });
    let error = refused.join().unwrap();
    assert!(matches!(error, Error::Threads), "{error}");
}

#[test]
fn an_ordinary_user_is_root_inside() {
    if !crate::in_namespace!() {
        return;
    }
    assert!(sys::in_fork(|| {
        sys::drop_capability(CAP_SYS_ADMIN).unwrap();
        Namespace::enter_new().unwrap();
        assert_eq!(sys::effective_user(), 0);
        assert_eq!(fs::read_to_string("/proc/self/setgroups").unwrap().trim(), "deny");
        open_link(&KernelEndConfig::default()).expect("every privilege over its own network");
    }));
}

#[test]
fn a_link_is_a_tap_where_that_can_be_had() {
    if !crate::in_namespace!() {
        return;
    }
    let mut link = open_link(&KernelEndConfig::default()).unwrap();
    let expected = if tap::open_tun().is_ok() { LinkKind::Tap } else { LinkKind::Veth };
    assert_eq!(link.kind, expected);
    assert_eq!(link.device.name(), "tap0");
    let kernel = KernelEnd::of("tap0").unwrap();
    assert_eq!(kernel.address, Some((exchange::KERNEL, 24)));
    exchange::datagrams(&mut *link.device, &link.kernel);
    let stats = KernelEnd::of("tap0").unwrap().stats;
    assert_eq!(stats.rx_packets, link.device.stats().tx_packets, "{stats:?}");
    drop(link);
    assert_eq!(interfaces(), ["lo"], "it is gone with the device");
}

/// IPv6 would send router solicitations and MLD reports on its own.
#[test]
fn nothing_is_sent_unasked() {
    if !crate::in_namespace!() {
        return;
    }
    let mut link = open_link(&KernelEndConfig::default()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1200));
    if let Some(frame) = link.device.receive(NOW) {
        panic!("{:02x?}", &frame[..]);
    }
}

#[test]
fn the_same_cable_twice_is_busy() {
    if !crate::in_namespace!() {
        return;
    }
    let config = KernelEndConfig::default();
    let first = make_veth(&config).unwrap();
    assert!(matches!(make_veth(&config), Err(Error::Busy { .. })));
    drop(first);
    assert_eq!(interfaces(), ["lo"]);
    make_veth(&config).expect("the name is free again");
}

#[test]
fn an_impossible_mtu_is_told_as_such() {
    if !crate::in_namespace!() {
        return;
    }
    let config = KernelEndConfig { mtu: 1_000_000, ..KernelEndConfig::default() };
    let error = open_link(&config).err().expect("no interface takes it").to_string();
    assert!(error.contains("MTU of tap0 to 1000000"), "{error}");
    assert_eq!(interfaces(), ["lo"], "nothing is left behind");
}

#[test]
fn another_process_is_entered() {
    if !crate::in_namespace!() {
        return;
    }
    let mut command = Command::new("cat");
    let mut child =
        command_in_new(command.stdin(Stdio::piped()).stdout(Stdio::null())).spawn().unwrap();
    let pid = child.id();
    let theirs = network_of(&pid.to_string());
    assert_ne!(network_of("thread-self"), theirs);
    enter(pid).unwrap();
    assert_eq!(network_of("thread-self"), theirs);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(enter(pid), Err(Error::NoProcess { .. })));
}

/// What `tapip host` does for an ordinary user: not through privileges, but as the same user.
#[test]
fn the_same_user_enters_a_network_of_its_own_making() {
    if !crate::in_namespace!() {
        return;
    }
    sys::drop_capability(CAP_SYS_ADMIN).unwrap();
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command_in_new(&mut command).spawn().unwrap();
    let pid = child.id();
    assert!(sys::in_fork(|| {
        enter(pid).unwrap();
        assert_eq!(network_of("self"), network_of(&pid.to_string()));
        assert_eq!(sys::effective_user(), 0);
    }));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What `tapip host` does for root, where the instance is an ordinary user's.
#[test]
fn root_enters_a_users_network() {
    if !crate::in_namespace!() {
        return;
    }
    let users = std::thread::spawn(|| {
        sys::drop_capability(CAP_SYS_ADMIN).unwrap();
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command_in_new(&mut command).spawn().unwrap()
    });
    let mut child = users.join().unwrap();
    enter(child.id()).unwrap();
    assert_eq!(network_of("thread-self"), network_of(&child.id().to_string()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_tap_with_an_address_is_used_as_it_is_by_its_owner() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let config = KernelEndConfig::default();
    let (mut tap, _) = make_tap(&config).unwrap();
    tap.set_owner(sys::effective_user()).unwrap();
    tap.set_persistent(true).unwrap();
    drop(tap);
    let mut bare =
        Tap::open(TapOptions { name: Some("bare".into()), ..TapOptions::default() }).unwrap();
    bare.set_owner(sys::effective_user()).unwrap();
    bare.set_persistent(true).unwrap();
    drop(bare);

    sys::drop_capability(CAP_NET_ADMIN).unwrap();
    let other = KernelEndConfig { address: [10, 9, 9, 9].into(), mtu: 9000, ..config.clone() };
    let mut link = open_tap(&other).unwrap();
    assert_eq!((link.kernel.address, link.kernel.mtu), (Some((exchange::KERNEL, 24)), 1500));
    exchange::datagrams(&mut *link.device, &link.kernel);

    let bare = KernelEndConfig { name: "bare".into(), ..config };
    let error = open_tap(&bare).err().expect("it has no address").to_string();
    assert!(error.contains("ip address add 10.0.0.2/24 dev bare"), "{error}");
}

/// The caller has threads and stays where it is.
#[test]
fn a_command_runs_in_a_network_of_its_own() {
    let before = network_of("self");
    let mut command = Command::new("cat");
    match command_in_new(command.arg("/proc/self/net/dev")).output() {
        Ok(output) => {
            let table = String::from_utf8(output.stdout).unwrap();
            let names: Vec<_> = table.lines().filter_map(|line| line.split_once(':')).collect();
            assert_eq!(names.len(), 1, "lo alone: {table}");
        }
        Err(error) => {
            assert!(matches!(Error::from_unshare(error), Error::NamespacesForbidden { .. }))
        }
    }
    assert_eq!(network_of("self"), before);
}
