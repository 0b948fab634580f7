//! Against the kernel, in a namespace: see `namespace::testing`.

use super::*;
use crate::linux::namespace::{KernelEnd, make_tap};
use crate::linux::{exchange, netlink};

/// The capability that makes owners unimportant.
const CAP_NET_ADMIN: u32 = 12;

fn named(name: &str) -> TapOptions {
    TapOptions { name: Some(name.into()), ..TapOptions::default() }
}

#[test]
fn datagrams_pass_with_their_checksums_left_out() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let (mut tap, kernel) = make_tap(&exchange::config(true)).unwrap();
    exchange::datagrams(&mut tap, &kernel);
}

#[test]
fn datagrams_pass_whole_without_the_offload_header() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let (mut tap, kernel) = make_tap(&exchange::config(false)).unwrap();
    assert!(!tap.facts().vnet_hdr);
    exchange::datagrams(&mut tap, &kernel);
}

#[test]
fn the_offload_of_its_last_user_does_not_stay() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let (mut tap, _) = make_tap(&exchange::config(true)).unwrap();
    tap.set_persistent(true).unwrap();
    drop(tap);
    let (mut tap, kernel) = make_tap(&exchange::config(false)).unwrap();
    exchange::datagrams(&mut tap, &kernel);
}

#[test]
fn tcp_passes_in_pieces_larger_than_the_mtu() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let (mut tap, kernel) = make_tap(&exchange::config(true)).unwrap();
    exchange::segments(&mut tap, &kernel);
}

#[test]
fn udp_passes_many_datagrams_in_one_piece() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let (mut device, kernel) = make_tap(&exchange::config(true)).unwrap();
    exchange::udp_segments(&mut device, &kernel);
}

#[test]
fn the_mtu_is_the_kernels() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    for vnet_hdr in [true, false] {
        let (mut tap, kernel) = make_tap(&exchange::config(vnet_hdr)).unwrap();
        exchange::larger_mtu(&mut tap, &kernel);
        assert_eq!(tap.facts().mtu, 9000);
    }
}

#[test]
fn the_kernels_end_goes_down_and_up() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let (mut tap, kernel) = make_tap(&exchange::config(true)).unwrap();
    let control = sys::control_socket().unwrap();
    exchange::down_and_up(&mut tap, &kernel, |up| {
        let (on, off) = if up { (libc::IFF_UP, 0) } else { (0, libc::IFF_UP) };
        sys::set_flags(control.as_fd(), "tap0", on, off).unwrap();
    });
}

#[test]
fn the_interface_is_deleted_under_us() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let (mut tap, kernel) = make_tap(&exchange::config(true)).unwrap();
    let control = sys::control_socket().unwrap();
    let route = sys::route_socket().unwrap();
    netlink::delete(&route, sys::index(control.as_fd(), "tap0").unwrap()).unwrap();
    exchange::deleted(&mut tap, &kernel);
}

#[test]
fn a_persistent_tap_stays_and_is_attached_to() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let mut tap = Tap::open(TapOptions::default()).unwrap();
    assert_eq!(tap.name(), "tap0", "the kernel numbers them");
    assert!(!tap.facts().persistent && tap.facts().vnet_hdr);
    let mac = tap.facts().kernel_mac;
    assert_eq!(mac, KernelEnd::of("tap0").unwrap().mac);
    assert_ne!(mac, MacAddr::ZERO);
    tap.set_persistent(true).unwrap();
    drop(tap);
    let again = Tap::open(TapOptions { vnet_hdr: false, ..named("tap0") }).unwrap();
    let facts = again.facts();
    assert_eq!((facts.kernel_mac, facts.persistent, facts.vnet_hdr), (mac, true, false));
    assert!(!again.capabilities().checksum);

    let mut passing = Tap::open(named("passing")).unwrap();
    passing.set_persistent(true).unwrap();
    passing.set_persistent(false).unwrap();
    drop(passing);
    assert!(matches!(KernelEnd::of("passing"), Err(Error::NoInterface { .. })));
}

#[test]
fn a_tap_in_use_is_busy() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let _first = Tap::open(named("tap7")).unwrap();
    let error = Tap::open(named("tap7")).unwrap_err();
    assert!(matches!(&error, Error::Busy { name } if name == "tap7"), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
}

#[test]
fn what_is_no_tap_is_told_apart() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let tun = open_tun().unwrap();
    sys::tun_attach(tun.as_fd(), "tun0", libc::IFF_TUN | libc::IFF_NO_PI).unwrap();
    for name in ["tun0", "lo"] {
        let error = Tap::open(named(name)).unwrap_err();
        assert!(
            matches!(&error, Error::NotTap { name: told, mode: Mode::Tap } if told == name),
            "{error}"
        );
    }
}

#[test]
fn another_users_tap_and_one_to_be_created_need_privileges() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let mut tap = Tap::open(named("theirs")).unwrap();
    // Within a user namespace of one user there is no other to give it to.
    let other = sys::effective_user() + 12_345;
    if tap.set_owner(other).is_ok() {
        tap.set_persistent(true).unwrap();
        drop(tap);
        sys::drop_capability(CAP_NET_ADMIN).unwrap();
        let error = Tap::open(named("theirs")).unwrap_err();
        assert!(matches!(&error, Error::NotOwner { name, .. } if name == "theirs"), "{error}");
        assert!(error.to_string().contains("user $USER"), "{error}");
    } else {
        sys::drop_capability(CAP_NET_ADMIN).unwrap();
    }
    let error = Tap::open(named("fresh")).unwrap_err();
    assert!(matches!(&error, Error::MayNotCreate { name, .. } if name == "fresh"), "{error}");
    assert!(error.to_string().contains("ip tuntap add fresh mode tap"), "{error}");
}

#[test]
fn its_owner_attaches_without_privileges() {
    if !crate::in_namespace_with_tap!() {
        return;
    }
    let mut tap = Tap::open(named("ours")).unwrap();
    tap.set_owner(sys::effective_user()).unwrap();
    tap.set_persistent(true).unwrap();
    drop(tap);
    sys::drop_capability(CAP_NET_ADMIN).unwrap();
    let mut tap = Tap::open(named("ours")).unwrap();
    assert!(tap.facts().persistent);
    assert!(!tap.set_mtu(9000), "that is not the owner's to do");
    assert_eq!(tap.capabilities().mtu, 1500);
}

#[test]
fn names_are_checked_before_anything_is_opened() {
    let error = Tap::open(named("tap%d")).unwrap_err();
    assert!(matches!(error, Error::BadName(_)));
}
