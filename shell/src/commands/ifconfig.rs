//! `ifconfig`: interfaces and their traffic.

use std::io::Write;

use clap::{Arg, ArgMatches};
use netdev::{LinkState, Medium};
use socket::{AddressClaim, ClaimState, InterfaceView, Probe};

use super::Command;
use crate::{Context, ExitStatus, HostEnd};

mod change;

/// `ifconfig`.
pub(super) struct IfConfig;

impl Command for IfConfig {
    fn name(&self) -> &'static str {
        "ifconfig"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name())
            .about("Show the interfaces, and the kernel's ends of the links; change an interface")
            .arg(Arg::new("interface").value_name("IF").help("This one alone, by name or number"))
            .arg(Arg::new("change").num_args(1..=2).value_name("CHANGE").help(
                "ADDR/LEN (instead of the addresses that it has), add ADDR/LEN, del ADDR/LEN, mtu \
                 BYTES, up, down, or dhcp",
            ))
            .arg(
                Arg::new("probe")
                    .long("probe")
                    .value_name("WHEN")
                    .value_parser(|text: &str| text.parse::<Probe>())
                    .help(
                        "Ask the link who has a new address: `first` (and use it then), \
                         `meanwhile` (the default) or `never`",
                    ),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let one = arguments.get_one::<String>("interface");
        if let Some(name) = one.filter(|_| arguments.contains_id("change")) {
            context.net.with(|stack, now| {
                let view = change::find(stack, name)?;
                change::run(stack, now, &view, arguments)
            })?;
            return Ok(ExitStatus::SUCCESS);
        }
        let shown = context.net.with(|stack, now| {
            let interfaces = match one {
                Some(name) => vec![change::find(stack, name)?],
                None => stack.interfaces(),
            };
            Ok::<_, anyhow::Error>((interfaces, stack.dhcp(now), stack.claims().to_vec()))
        });
        let (interfaces, leases, claims) = shown?;
        let shown = |view: &InterfaceView| {
            let lease = leases.iter().find(|lease| lease.iface == view.index);
            let claims = claims.iter().filter(|claim| claim.iface == view.index);
            let claims: String = claims.filter_map(claim).collect();
            interface(view) + &lease.map_or(String::new(), dhcp) + &claims
        };
        let mut text = interfaces.iter().map(shown).collect::<Vec<_>>().join("\n");
        for end in context.host_ends.iter().filter(|_| one.is_none()) {
            text += "\n";
            text += &host(end);
        }
        context.out.write_all(text.as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}

/// Lines under a name, which stands before the first of them.
fn block(name: &str, lines: &[String]) -> String {
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let name = if number == 0 { name } else { "" };
        text += &format!("{name:9} {line}\n");
    }
    text
}

fn interface(view: &InterfaceView) -> String {
    let mut lines = Vec::new();
    if view.medium == Medium::Ethernet || view.loopback {
        lines.push(format!("HWaddr {}", view.mac));
    }
    lines.extend(
        view.addrs.iter().map(|cidr| format!("IPaddr {}  mask {}", cidr.addr, cidr.netmask())),
    );
    let state = match (&view.link, view.up) {
        (LinkState::Down(why), _) => format!("  DOWN: {why}"),
        (LinkState::Up, false) => "  DOWN".to_string(),
        (LinkState::Up, true) => String::new(),
    };
    lines.push(format!("mtu {}{state}", view.mtu));
    let stats = &view.stats;
    lines.push(format!(
        "RX packet:{} bytes:{} errors:{}",
        stats.rx_packets, stats.rx_bytes, stats.rx_errors
    ));
    lines.push(format!(
        "TX packet:{} bytes:{} errors:{}",
        stats.tx_packets, stats.tx_bytes, stats.tx_errors
    ));
    let drops = stats.drops.iter().filter(|(_, count)| *count > 0);
    lines.extend(drops.map(|(reason, count)| format!("dropped:{count} {reason}")));
    block(&view.name, &lines)
}

/// Where an address came from, below the interface that has it.
fn dhcp(view: &socket::dhcp::View) -> String {
    let mut line = format!("DHCP {}", view.state.name());
    if let Some(lease) = &view.lease {
        let whole = |time: std::time::Duration| time.as_secs();
        line += &format!(
            " server {} lease {}s renew:{}s end:{}s",
            lease.server,
            whole(lease.time()),
            whole(view.renews_in),
            whole(view.ends_in)
        );
    }
    block("", &[line])
}

/// An address that is not simply there.
fn claim(claim: &AddressClaim) -> Option<String> {
    let addr = claim.addr;
    let line = match claim.state {
        ClaimState::Probing => format!("probing for {addr}"),
        ClaimState::Optimistic => format!("{addr} is used while it is probed for"),
        ClaimState::InUse => return None,
        ClaimState::Refused(mac) => format!("{addr} is not used: {mac} has it"),
    };
    Some(block("", &[line]))
}

fn host(end: &HostEnd) -> String {
    let mut lines = Vec::new();
    lines.extend(end.mac.map(|mac| format!("HWaddr {mac}")));
    lines.extend(end.addr.map(|cidr| format!("IPaddr {}  mask {}", cidr.addr, cidr.netmask())));
    lines.extend(end.mtu.map(|mtu| format!("mtu {mtu}")));
    lines.push("(the kernel's end of the link)".into());
    block(&end.name, &lines)
}

#[cfg(test)]
mod tests {
    use ip::IfIndex;
    use netdev::{DropReason, Medium, Stats};

    use super::*;

    #[test]
    fn blocks_in_the_shape_of_tapip() {
        let mut stats = Stats { rx_packets: 3, rx_bytes: 210, ..Stats::default() };
        stats.drops.add_many(DropReason::Vlan, 2);
        let view = InterfaceView {
            index: IfIndex(1),
            name: "tap0".into(),
            mac: "00:34:45:67:89:ab".parse().unwrap(),
            addrs: vec!["10.0.0.1/24".parse().unwrap()],
            mtu: 1500,
            medium: Medium::Ethernet,
            loopback: false,
            up: true,
            link: LinkState::Up,
            stats,
        };
        assert_eq!(
            interface(&view),
            "tap0      HWaddr 00:34:45:67:89:ab\n          \
                       IPaddr 10.0.0.1  mask 255.255.255.0\n          \
                       mtu 1500\n          \
                       RX packet:3 bytes:210 errors:0\n          \
                       TX packet:0 bytes:0 errors:0\n          \
                       dropped:2 VLAN tagged\n"
        );
        let gone = InterfaceView { link: LinkState::Down("no peer".into()), ..view };
        assert!(interface(&gone).contains("mtu 1500  DOWN: no peer\n"));
    }

    #[test]
    fn an_address_that_is_asked_for_or_refused_is_shown_as_such() {
        let shown = |state| {
            let addr = "10.0.0.7/24".parse().unwrap();
            let (iface, probe) = (IfIndex(1), Probe::First);
            claim(&AddressClaim { iface, addr, gateway: None, probe, state })
        };
        let mac = "02:00:00:00:00:02".parse().unwrap();
        assert!(shown(ClaimState::Probing).unwrap().contains("probing for 10.0.0.7/24"));
        assert!(shown(ClaimState::Optimistic).unwrap().contains("while it is probed for"));
        assert!(shown(ClaimState::Refused(mac)).unwrap().contains("02:00:00:00:00:02 has it"));
        assert_eq!(shown(ClaimState::InUse), None);
    }

    #[test]
    fn the_kernels_end_is_shown_as_far_as_it_is_known() {
        let end = HostEnd {
            name: "tap0".into(),
            mac: None,
            addr: Some("10.0.0.2/24".parse().unwrap()),
            mtu: None,
        };
        assert!(host(&end).starts_with("tap0      IPaddr 10.0.0.2  mask 255.255.255.0\n"));
    }
}
