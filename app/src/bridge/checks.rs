//! What stands against a bridge: reasons to refuse, and reasons to warn.

use std::fs;
use std::path::Path;

use anyhow::bail;

use super::state::{Link, State};

/// CAP_NET_ADMIN of capabilities(7).
const NET_ADMIN: u32 = 12;

/// The NIC, where it can be put on a bridge. `sys` is /sys.
pub(super) fn usable<'a>(state: &'a State, nic: &str, sys: &Path) -> anyhow::Result<&'a Link> {
    let Some(link) = state.link(nic) else {
        let others: Vec<&str> = state
            .links
            .iter()
            .filter(|link| link.link_type == "ether" && !link.is_bridge())
            .map(|link| link.ifname.as_str())
            .collect();
        let others = if others.is_empty() { "none".into() } else { others.join(", ") };
        bail!("there is no interface `{nic}`; those that an Ethernet could be on: {others}");
    };
    if link.is_bridge() {
        bail!(
            "{nic} is a bridge itself: give it a TAP, `sudo ip tuntap add tap0 mode tap user $USER \
             && sudo ip link set tap0 master {nic} up`, and use `--link tap:tap0`"
        );
    }
    if sys.join("class/net").join(nic).join("phy80211").exists() {
        bail!(
            "{nic} is a Wi-Fi station, which cannot be a port of a bridge: an access point takes \
             frames of the one Ethernet address that it knows. Use a wired NIC, or `--link ns` \
             and let the host forward"
        );
    }
    if link.link_type != "ether" {
        bail!(
            "{nic} is no Ethernet (it is `{}`): only frames with Ethernet addresses can be \
             bridged",
            link.link_type
        );
    }
    if let Some(master) = &link.master {
        bail!("{nic} is a port of {master} already (`ip link set {nic} nomaster` would free it)");
    }
    if !link.is_up() {
        bail!("{nic} is down: `sudo ip link set {nic} up` first");
    }
    Ok(link)
}

/// Whether this process may change the network; `command` is what root should type.
pub(super) fn may_change(proc: &Path, command: &str) -> anyhow::Result<()> {
    let status = fs::read_to_string(proc.join("self/status")).unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    if effective.is_some_and(|set| set >> NET_ADMIN & 1 == 0) {
        bail!(
            "this changes the host's network, for which you need to be root: `sudo {command}`. \
             After that the stack itself runs without root"
        );
    }
    Ok(())
}

/// What else the user should know, a line each. `rules` is what `ip -j rule` prints.
pub(super) fn warnings(nic: &Link, rules: &str, root: &Path) -> Vec<String> {
    let name = &nic.ifname;
    let mut warnings = managers(nic, root);
    for rule in serde_json::from_str::<Vec<serde_json::Value>>(rules).unwrap_or_default() {
        if rule["iif"] == name.as_str() || rule["oif"] == name.as_str() {
            warnings.push(format!(
                "the rule of preference {} (`ip rule`) names {name}, and no longer matches what \
                 goes by way of the bridge",
                rule["priority"]
            ));
        }
    }
    let call = |version: &str| format!("bridge-nf-call-{version}tables");
    let filtered = ["ip", "ip6"].map(call).into_iter().filter(|name| {
        let file = root.join("proc/sys/net/bridge").join(name);
        fs::read_to_string(file).is_ok_and(|text| text.trim() == "1")
    });
    let commands: Vec<_> = filtered.map(|name| format!("net.bridge.{name}=0")).collect();
    if !commands.is_empty() {
        warnings.push(format!(
            "this host passes bridged frames through its packet filter, whose rules for forwarding \
             (Docker's, for one) may drop the stack's; `sudo sysctl {}` exempts them",
            commands.join(" ")
        ));
    }
    warnings
}

/// Programs that take the NIC's configuration for theirs.
fn managers(nic: &Link, root: &Path) -> Vec<String> {
    let Link { ifname: name, ifindex, .. } = nic;
    let mut found = Vec::new();
    let read = |path: String| fs::read_to_string(root.join(path)).unwrap_or_default();
    let namespace = |process: &str| fs::read_link(root.join(format!("proc/{process}/ns/net"))).ok();
    // Their files under /run speak of the machine's own namespace.
    if namespace("self") == namespace("1") {
        if read(format!("run/NetworkManager/devices/{ifindex}")).contains("managed=true") {
            found.push(format!(
                "NetworkManager manages {name} and may configure it again: `sudo nmcli device set \
                 {name} managed no` before, `managed yes` after `tapip bridge down`"
            ));
        }
        let networkd = read(format!("run/systemd/netif/links/{ifindex}"));
        let state = networkd.lines().find_map(|line| line.strip_prefix("ADMIN_STATE="));
        if state.is_some_and(|state| state != "unmanaged") {
            found.push(format!(
                "systemd-networkd manages {name} and may configure it again: put `[Link] \
                 Unmanaged=yes` into its .network file, or stop systemd-networkd while the bridge \
                 is up"
            ));
        }
    }
    for process in fs::read_dir(root.join("proc")).into_iter().flatten().flatten() {
        let Ok(pid) = process.file_name().into_string() else { continue };
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let mut words = command.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = words.next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_string();
        let is_client = matches!(program.as_str(), "dhclient" | "dhcpcd" | "udhcpc");
        if is_client && words.any(|word| word == *name) && namespace(&pid) == namespace("self") {
            found.push(format!(
                "{program} (process {pid}) holds a lease for {name}, and gives {name} its address \
                 back when the lease is renewed: the address stays until then; for longer, stop \
                 {program} while the bridge is up"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests;
