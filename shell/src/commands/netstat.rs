//! `netstat`: statistics of every layer, the interfaces, and by other names what `ss` and `route`
//! show.

use std::io::Write;

use clap::{Arg, ArgAction, ArgMatches};
use netdev::{Counter, LinkState};
use socket::{InterfaceView, LayerCounters};

use super::Command;
use crate::table::columns;
use crate::{Context, ExitStatus};

/// `netstat`.
pub(super) struct Netstat;

impl Command for Netstat {
    fn name(&self) -> &'static str {
        "netstat"
    }

    fn grammar(&self) -> clap::Command {
        let flag = |name: &'static str, short, help: &'static str| {
            Arg::new(name).short(short).long(name).action(ArgAction::SetTrue).help(help)
        };
        clap::Command::new(self.name())
            .about(
                "Show what each protocol has counted (-s), the interfaces (-i), or the routes (-r)",
            )
            .arg(flag("statistics", 's', "Every counter with its reason, by protocol"))
            .arg(flag("interfaces", 'i', "The interfaces and their traffic"))
            .arg(flag("route", 'r', "The routes, as `route`"))
            .arg(flag("zero", 'z', "With -s the counters at zero too"))
            .arg(flag("tcp", 't', "With -s only TCP; else, the TCP sockets"))
            .arg(flag("udp", 'u', "With -s only UDP; else, the UDP sockets"))
            .arg(flag("raw", 'w', "With -s only IP and ICMP; else, the raw sockets"))
            .arg(flag("listening", 'l', "Only sockets that wait for peers"))
            .arg(flag("all", 'a', "Those and connections; with -s as -z"))
            .arg(flag("numeric", 'n', "Numbers instead of names (it is always so)"))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let flag = |name| arguments.get_flag(name);
        let text = if flag("statistics") {
            let (interfaces, counters) =
                context.net.with(|stack, _| (stack.interfaces(), stack.counters()));
            let kinds = [("tcp", &["tcp"][..]), ("udp", &["udp"]), ("raw", &["ip", "icmp"])];
            let only: Vec<&str> = kinds
                .into_iter()
                .filter(|(name, _)| flag(name))
                .flat_map(|(_, layers)| layers.iter().copied())
                .collect();
            statistics(&interfaces, &counters, &only, flag("zero") || flag("all"))
        } else if flag("interfaces") {
            table(&context.net.with(|stack, _| stack.interfaces()))
        } else {
            let (command, options): (&dyn Command, &[&str]) = match flag("route") {
                true => (&super::route::Route, &[]),
                false => (&super::ss::Ss, &["tcp", "udp", "raw", "listening", "all"]),
            };
            let name = [command.name().to_string()].into_iter();
            let options = options.iter().filter(|name| flag(name)).map(|name| format!("--{name}"));
            let matches = command.grammar().try_get_matches_from(name.chain(options))?;
            return command.run(context, &matches);
        };
        context.out.write_all(text.as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}

/// From the devices up, each layer once; of those that exist for each interface, one after another.
fn statistics(
    interfaces: &[InterfaceView],
    layers: &[LayerCounters],
    only: &[&str],
    zeros: bool,
) -> String {
    let devices = interfaces.iter().map(|view| LayerCounters {
        layer: "device",
        interface: Some(view.name.clone()),
        counters: device(view),
    });
    let mut text = String::new();
    for LayerCounters { layer, interface, counters } in devices.chain(layers.iter().cloned()) {
        if !only.is_empty() && !only.contains(&layer) {
            continue;
        }
        let shown: Vec<&Counter> =
            counters.iter().filter(|counter| zeros || counter.count > 0).collect();
        if shown.is_empty() {
            continue;
        }
        let on = interface.map_or(String::new(), |name| format!(" {name}"));
        text += &format!("{}{on}:\n", title(layer));
        for Counter { name, count } in shown {
            text += &format!("    {count} {name}\n");
        }
    }
    text
}

/// What a device counts, in the shape of the layers above it.
fn device(view: &InterfaceView) -> Vec<Counter> {
    let stats = &view.stats;
    let traffic = [
        ("packets received", stats.rx_packets),
        ("bytes received", stats.rx_bytes),
        ("errors of receiving", stats.rx_errors),
        ("packets sent", stats.tx_packets),
        ("bytes sent", stats.tx_bytes),
        ("errors of sending", stats.tx_errors),
    ];
    let rows = traffic.into_iter().map(|(name, count)| Counter { name, count });
    rows.chain(stats.drops.rows()).collect()
}

/// As netstat(8) writes protocols.
fn title(layer: &str) -> String {
    match layer {
        "device" => "Device".into(),
        "stack" => "Stack".into(),
        "ip" | "icmp" | "tcp" | "udp" => {
            let mut letters = layer.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
        other => other.to_ascii_uppercase(),
    }
}

/// In the columns of `netstat -i`.
fn table(interfaces: &[InterfaceView]) -> String {
    let header = ["Iface", "MTU", "RX-OK", "RX-ERR", "TX-OK", "TX-ERR", "DROPPED", "Flg"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for view in interfaces {
        let stats = &view.stats;
        let flags =
            [(view.loopback, 'L'), (view.up && view.link == LinkState::Up, 'R'), (view.up, 'U')];
        let numbers = [stats.rx_packets, stats.rx_errors, stats.tx_packets, stats.tx_errors];
        let mut row = vec![view.name.clone(), view.mtu.to_string()];
        row.extend(numbers.map(|number| number.to_string()));
        row.push(stats.drops.total().to_string());
        row.push(flags.into_iter().filter_map(|(set, flag)| set.then_some(flag)).collect());
        rows.push(row);
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Vec<LayerCounters> {
        let counter = |name, count| Counter { name, count };
        vec![
            LayerCounters {
                layer: "arp",
                interface: Some("tap0".into()),
                counters: vec![counter("replies", 2)],
            },
            LayerCounters {
                layer: "ip",
                interface: None,
                counters: vec![counter("received", 7), counter("bad checksum", 0)],
            },
            LayerCounters { layer: "tcp", interface: None, counters: vec![counter("resets", 0)] },
        ]
    }

    #[test]
    fn by_protocol_without_zeros_unless_asked_for() {
        assert_eq!(
            statistics(&[], &layers(), &[], false),
            "ARP tap0:\n    2 replies\nIp:\n    7 received\n"
        );
        assert_eq!(
            statistics(&[], &layers(), &["ip"], true),
            "Ip:\n    7 received\n    0 bad checksum\n"
        );
        assert!(statistics(&[], &layers(), &[], true).ends_with("Tcp:\n    0 resets\n"));
    }
}
