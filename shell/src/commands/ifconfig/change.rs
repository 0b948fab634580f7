//! What `ifconfig` changes while the stack runs.

use anyhow::{Context as _, bail};
use clap::ArgMatches;
use ip::{Cidr, IfIndex};
use netdev::{Instant, Medium};
use socket::{InterfaceView, Probe, Stack};

/// A change, in the words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// This address instead of all that are there.
    Replace(Cidr),
    Add(Cidr),
    Del(Cidr),
    Mtu(usize),
    Up,
    Down,
    Dhcp,
}

impl Change {
    fn parse(words: &[&str]) -> anyhow::Result<Change> {
        let cidr = |text: &str| text.parse::<Cidr>().map_err(|why| anyhow::anyhow!("{why}"));
        Ok(match words {
            ["up"] => Change::Up,
            ["down"] => Change::Down,
            ["dhcp"] => Change::Dhcp,
            ["mtu", bytes] => Change::Mtu(
                bytes.parse().with_context(|| format!("mtu {bytes}: not a number of bytes"))?,
            ),
            ["add", addr] => Change::Add(cidr(addr)?),
            ["del", addr] => Change::Del(cidr(addr)?),
            [addr] => Change::Replace(cidr(addr)?),
            _ => bail!(
                "`{}`: there is ADDR/LEN, add ADDR/LEN, del ADDR/LEN, mtu BYTES, up, down and dhcp",
                words.join(" ")
            ),
        })
    }
}

/// Does what the words behind the interface's name say.
pub(super) fn run(
    stack: &mut Stack,
    now: Instant,
    view: &InterfaceView,
    arguments: &ArgMatches,
) -> anyhow::Result<()> {
    let words: Vec<&str> =
        arguments.get_many::<String>("change").into_iter().flatten().map(String::as_str).collect();
    let probe = *arguments.get_one::<Probe>("probe").unwrap_or(&Probe::Meanwhile);
    let index = view.index;
    match Change::parse(&words)? {
        Change::Up => stack.set_interface_up(now, index, true)?,
        Change::Down => stack.set_interface_up(now, index, false)?,
        Change::Mtu(mtu) => stack.set_mtu(now, index, mtu)?,
        Change::Add(addr) => add(stack, now, view, addr, probe)?,
        Change::Del(addr) => stack.remove_address(now, index, addr)?,
        Change::Replace(addr) => {
            // Who says an address means it, not one that a server may take away.
            stack.stop_dhcp(now, index);
            add(stack, now, view, addr, probe)?;
            for old in view.addrs.iter().filter(|old| **old != addr) {
                // Only a lease's may be gone already.
                let _ = stack.remove_address(now, index, *old);
            }
        }
        Change::Dhcp => dhcp(stack, now, view)?,
    }
    Ok(())
}

fn add(
    stack: &mut Stack,
    now: Instant,
    view: &InterfaceView,
    addr: Cidr,
    probe: Probe,
) -> anyhow::Result<()> {
    let others = stack.interfaces();
    let taken = others.iter().find(|other| {
        other.index != view.index && other.addrs.iter().any(|own| own.addr == addr.addr)
    });
    if let Some(other) = taken {
        bail!("{} is an address of {} already", addr.addr, other.name);
    }
    if view.addrs.contains(&addr) {
        return Ok(());
    }
    Ok(stack.claim_address(now, view.index, addr, None, probe)?)
}

fn dhcp(stack: &mut Stack, now: Instant, view: &InterfaceView) -> anyhow::Result<()> {
    if view.loopback || view.medium == Medium::Ip {
        bail!("{} has no Ethernet address, by which a DHCP server knows its clients", view.name);
    }
    // Different on every interface, and no secret: it spreads what hosts do at the same time.
    let seed = now.nanos() ^ u64::from(view.index.0).rotate_left(32);
    for old in &view.addrs {
        let _ = stack.remove_address(now, view.index, *old);
    }
    Ok(stack.start_dhcp(now, view.index, seed, |_| {})?)
}

/// The interface of this name or number.
pub(super) fn find(stack: &Stack, name: &str) -> anyhow::Result<InterfaceView> {
    let views = stack.interfaces();
    let number = name.parse().ok().map(IfIndex);
    let found = views.iter().find(|view| view.name == name || Some(view.index) == number);
    found.cloned().with_context(|| {
        let names: Vec<_> = views.iter().map(|view| view.name.as_str()).collect();
        format!("no interface `{name}`; there is {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_change() {
        let addr: Cidr = "10.1.0.1/24".parse().unwrap();
        for (words, change) in [
            (&["10.1.0.1/24"][..], Change::Replace(addr)),
            (&["add", "10.1.0.1/24"], Change::Add(addr)),
            (&["del", "10.1.0.1/24"], Change::Del(addr)),
            (&["mtu", "1400"], Change::Mtu(1400)),
            (&["up"], Change::Up),
            (&["down"], Change::Down),
            (&["dhcp"], Change::Dhcp),
        ] {
            assert_eq!(Change::parse(words).unwrap(), change);
        }
        for (bad, part) in [
            (&["10.1.0.1"][..], "10.1.0.1"),
            (&["mtu", "big"], "bytes"),
            (&["add"], "prefix length"),
            (&["add", "10.1.0.1/24", "more"], "ADDR/LEN"),
            (&["up", "down"], "dhcp"),
            (&["sideways"], "sideways"),
        ] {
            let error = Change::parse(bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad:?}: {error}");
        }
    }
}
