//! Two hosts: network namespaces, and the cables between them.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use socket::conformance::{A, A_TOO, B, B_TOO, Host};

use crate::sys;

/// The namespaces of hosts A and B.
pub(crate) struct Hosts([File; 2]);

impl Hosts {
    /// Makes host B, and the cables from it to the network that this process is in, which is host A.
    pub(crate) fn new() -> Hosts {
        let a = here();
        let process = std::process::id();
        let made = std::thread::spawn(move || {
            sys::unshare_net().expect("a network namespace");
            configure(&format!(
                "link add l0 type veth peer name l0 netns {process}\n\
                 link add l1 type veth peer name l1 netns {process}\n{}",
                up(B, B_TOO)
            ));
            here()
        });
        let b = made.join().expect("host B");
        configure(&up(A, A_TOO));
        Hosts([a, b])
    }

    /// Whatever this thread opens from now on is the host's.
    pub(crate) fn enter(&self, host: Host) {
        sys::enter(&self.0[host as usize]).expect("the namespace of a host");
    }
}

fn here() -> File {
    File::open("/proc/thread-self/ns/net").expect("this thread's network namespace")
}

fn up(first: &str, second: &str) -> String {
    format!(
        "link set lo up\n\
         addr add {first}/24 brd + dev l0\nlink set l0 up\n\
         addr add {second}/24 brd + dev l1\nlink set l1 up\n"
    )
}

/// Gives `ip` these lines, in this thread's namespace.
fn configure(lines: &str) {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program ip, of iproute2");
    ip.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("ip reads");
    assert!(ip.wait().expect("a child").success(), "ip refused one of:\n{lines}");
}
