//! An address by DHCP: waiting for it, and telling what came.

use std::time::Duration;

use anyhow::bail;
use shell::Terminal;
use socket::Net;
use socket::dhcp::Lease;

/// How long commands that need an address are held back: four questions, 4 + 8 + 16 s and what the
/// server needs, and then the probes of RFC 5227.
const PATIENCE: Duration = Duration::from_secs(45);

/// Waits for the lease and prints it: scripts want to use the address.
pub(crate) fn obtain(net: &Net, terminal: &Terminal) -> anyhow::Result<()> {
    let Some(lease) = wait(net, PATIENCE) else {
        bail!("no DHCP server gave an address in {} s", PATIENCE.as_secs());
    };
    terminal.err().line(&said(&lease));
    Ok(())
}

/// Prints the lease when it is there: a person can type meanwhile.
pub(crate) fn report_later(net: &Net, terminal: &Terminal) {
    let (net, err) = (net.clone(), terminal.err());
    std::thread::spawn(move || {
        if let Some(lease) = wait(&net, Duration::MAX) {
            err.line(&said(&lease));
        }
    });
}

fn wait(net: &Net, timeout: Duration) -> Option<Lease> {
    net.wait_until(timeout, |stack, now| stack.dhcp(now).into_iter().find_map(|view| view.lease))
}

fn said(lease: &Lease) -> String {
    let list = |addrs: &[std::net::Ipv4Addr]| {
        addrs.iter().map(|addr| addr.to_string()).collect::<Vec<_>>().join(" ")
    };
    let mut text =
        format!("tapip: {} by DHCP from {}, for {:?}", lease.addr, lease.server, lease.time());
    if let Some(router) = lease.routers.first() {
        text += &format!(", gateway {router}");
    }
    if !lease.dns.is_empty() {
        text += &format!(", DNS {}", list(&lease.dns));
    }
    if let Some(domain) = &lease.domain {
        text += &format!(", domain {domain}");
    }
    if let Some(mtu) = lease.mtu {
        text += &format!(", MTU {mtu}");
    }
    text
}
