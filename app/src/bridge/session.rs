//! A run of the stack on a bridge: on one that is up already, or on one of its own, which goes
//! with it.

use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use ip::Cidr;
use netdev::MacAddr;

use super::journal::{Directory, Journal};
use super::state::Link;
use super::{UpArgs, checks, iproute, plan};

/// What the stack needs to know of the bridge.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) bridge: String,
    pub(crate) tap: String,
    /// The NIC's and the bridge's.
    pub(crate) mac: MacAddr,
    pub(crate) mtu: usize,
    /// The host's first IPv4 address on this LAN.
    pub(crate) host: Option<Cidr>,
    /// The LAN's gateway, as far as the host knows one.
    pub(crate) gateway: Option<IpAddr>,
}

/// Keeps the bridge for as long as it lives.
///
/// A process that is killed undoes nothing. So where the bridge is of this run alone, a second
/// process waits for the end of a pipe, which comes however this one ends, and takes the bridge
/// down then.
#[derive(Debug)]
pub(crate) struct Session {
    guard: Option<Child>,
    nic: String,
}

impl Session {
    /// Finds the bridge of `nic`, or makes one.
    pub(crate) fn start(nic: &str) -> anyhow::Result<(Session, Attachment)> {
        let directory = Directory::usual()?;
        let session = |guard| Session { guard, nic: nic.into() };
        if let Some(journal) = directory.read(nic)? {
            let faults = plan::faults(&journal, &iproute::state()?);
            if !faults.is_empty() {
                bail!(
                    "the bridge of {nic} is broken: {}. `sudo tapip bridge down --nic {nic}` puts \
                     back what was there before",
                    faults.join("; ")
                );
            }
            return Ok((session(None), Attachment::of(&journal)));
        }
        checks::may_change("/proc".as_ref(), &format!("tapip bridge up --nic {nic}"))?;
        let mut guard = guard(nic)?;
        let made = super::up(&UpArgs { nic: nic.into(), ..UpArgs::default() });
        match made {
            Ok(Some(journal)) => Ok((session(Some(guard)), Attachment::of(&journal))),
            Ok(None) => bail!("nothing was made"),
            Err(why) => {
                // It was undone already, or is another's.
                let _ = guard.kill();
                let _ = guard.wait();
                Err(why)
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        drop(guard.stdin.take());
        if !guard.wait().is_ok_and(|status| status.success()) {
            let nic = &self.nic;
            eprintln!("tapip: the bridge may still be there: `sudo tapip bridge down --nic {nic}`");
        }
    }
}

fn guard(nic: &str) -> anyhow::Result<Child> {
    Command::new("/proc/self/exe")
        .args(["bridge", "down", "--nic", nic, "--after-input"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // A ^C is for the stack, not for the one who cleans up behind it.
        .process_group(0)
        .spawn()
        .context("cannot start the process that takes the bridge down at the end")
}

impl Attachment {
    fn of(journal: &Journal) -> Attachment {
        let Journal { bridge, tap, mac, mtu, addresses, routes, .. } = journal;
        let v4 = addresses.iter().filter(|address| !address.is_v6() && address.scope == "global");
        let mut hosts = v4.filter_map(|address| Cidr::new(address.local?, address.prefixlen));
        let gateways = routes
            .iter()
            .filter(|route| !route.v6 && route.dst == "default" && route.table == "main");
        let best = gateways.min_by_key(|route| route.metric.unwrap_or(0));
        Attachment {
            bridge: bridge.clone(),
            tap: tap.clone(),
            mac: mac.parse().unwrap_or_default(),
            mtu: *mtu as usize,
            host: hosts.next(),
            gateway: best.and_then(|route| route.gateway.as_ref()?.parse().ok()),
        }
    }

    /// Waits, once the TAP has been attached to, until the bridge has noticed and lets frames
    /// through: what is sent before is lost, and would be asked for again a second later.
    pub(crate) fn wait_until_forwarding(&self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(3);
        let deadline = Instant::now() + PATIENCE;
        while !iproute::state()?.link(&self.tap).is_some_and(Link::is_forwarding) {
            if Instant::now() > deadline {
                bail!("the bridge {} lets no frames of {} through", self.bridge, self.tap);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
