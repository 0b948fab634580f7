//! Addresses that take their time, by DHCP or after the link was asked for them: waiting for them,
//! and telling what came.

use std::time::Duration;

use anyhow::bail;
use ip::Cidr;
use shell::Terminal;
use socket::dhcp::Lease;
use socket::{ClaimState, Net, Stack};

/// How long commands that need an address are held back: four questions, 4 + 8 + 16 s and what the
/// server needs, and then the probes of RFC 5227.
const PATIENCE: Duration = Duration::from_secs(45);

/// What became of one address.
#[derive(Debug)]
enum Outcome {
    Leased(Lease),
    /// Nobody else has it.
    Free(Cidr),
    Taken(Cidr, netdev::MacAddr),
}

/// Waits for every address that is not there at once, and prints what came: scripts want to use
/// them.
pub(crate) fn obtain(net: &Net, terminal: &Terminal) -> anyhow::Result<()> {
    let awaited = awaited(net);
    let Some(outcomes) = wait(net, &awaited, PATIENCE) else {
        match awaited.by_dhcp {
            0 => bail!("the link was asked for the address for {} s", PATIENCE.as_secs()),
            _ => bail!("no DHCP server gave an address in {} s", PATIENCE.as_secs()),
        }
    };
    for outcome in outcomes {
        match outcome {
            Outcome::Leased(lease) => terminal.err().line(&said(&lease)),
            Outcome::Free(_) => {}
            Outcome::Taken(addr, mac) => {
                bail!("--addr {addr}: the host {mac} has it; choose another, or `dhcp`")
            }
        }
    }
    Ok(())
}

/// Prints what came when all are there: a person can type meanwhile.
pub(crate) fn report_later(net: &Net, terminal: &Terminal) {
    let awaited = awaited(net);
    if awaited.by_dhcp == 0 && awaited.probed.is_empty() {
        return;
    }
    let (net, err) = (net.clone(), terminal.err());
    std::thread::spawn(move || {
        for outcome in wait(&net, &awaited, Duration::MAX).into_iter().flatten() {
            match outcome {
                Outcome::Leased(lease) => err.line(&said(&lease)),
                Outcome::Free(addr) => err.line(&format!("tapip: {addr} is free, and used now")),
                // The stack has warned of it.
                Outcome::Taken(..) => {}
            }
        }
    });
}

/// What has to be waited for.
#[derive(Debug)]
struct Awaited {
    by_dhcp: usize,
    /// Addresses that are not used before nobody answered.
    probed: Vec<Cidr>,
}

fn awaited(net: &Net) -> Awaited {
    net.with(|stack, now| {
        let probing = stack.claims().iter().filter(|claim| claim.state == ClaimState::Probing);
        let probed = probing.map(|claim| claim.addr).collect();
        Awaited { by_dhcp: stack.dhcp(now).len(), probed }
    })
}

fn wait(net: &Net, awaited: &Awaited, timeout: Duration) -> Option<Vec<Outcome>> {
    net.wait_until(timeout, |stack, now| {
        let leases: Vec<Outcome> = stack
            .dhcp(now)
            .into_iter()
            .filter_map(|view| view.lease)
            .map(Outcome::Leased)
            .collect();
        if leases.len() < awaited.by_dhcp {
            return None;
        }
        let claims: Option<Vec<Outcome>> =
            awaited.probed.iter().map(|addr| outcome_of(stack, *addr)).collect();
        Some(leases.into_iter().chain(claims?).collect())
    })
}

/// `None` while the link is asked.
fn outcome_of(stack: &Stack, addr: Cidr) -> Option<Outcome> {
    match stack.claims().iter().find(|claim| claim.addr == addr)?.state {
        ClaimState::Probing | ClaimState::Optimistic => None,
        ClaimState::InUse => Some(Outcome::Free(addr)),
        ClaimState::Refused(mac) => Some(Outcome::Taken(addr, mac)),
    }
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
