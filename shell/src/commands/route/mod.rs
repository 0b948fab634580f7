//! `route`: the routing table, and changes of it.

mod change;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context as _;
use clap::{Arg, ArgMatches};
use ip::{IfIndex, RouteEntry};

use super::words::Keywords;
use super::{Command, links};
use crate::{Context, ExitStatus};

/// `route`.
pub(super) struct Route;

impl Command for Route {
    fn name(&self) -> &'static str {
        "route"
    }

    fn grammar(&self) -> clap::Command {
        let change = |name: &'static str, about: &'static str| {
            clap::Command::new(name)
                .about(about)
                .override_usage(format!(
                    "route {name} DST[/LEN]|default [via HOP] [dev IF] [metric N]"
                ))
                .arg(
                    Arg::new("dst")
                        .required(true)
                        .value_name("DST[/LEN]")
                        .value_parser(Keywords(&["default"]))
                        .hide_possible_values(true)
                        .help("A network, a host, or `default` for all others"),
                )
                .arg(
                    Arg::new("way")
                        .num_args(0..)
                        .value_name("WORD VALUE")
                        .value_parser(Keywords(change::KEYWORDS))
                        .hide_possible_values(true)
                        .help("`via HOP`: the router; `dev IF`: the interface; `metric N`: of two ways the lower is taken [0]"),
                )
        };
        clap::Command::new(self.name())
            .about("Show the routes, in the order in which they are tried, or add or delete one")
            .disable_help_subcommand(true)
            .subcommand(change("add", "Add a route"))
            .subcommand(change("del", "Delete a route: the best of those that are meant"))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        if let Some((name, arguments)) = arguments.subcommand() {
            let dst = arguments.get_one::<String>("dst").context("no destination")?;
            let words = arguments.get_many::<String>("way").into_iter().flatten();
            match name {
                "add" => change::add(context, dst, words)?,
                _ => change::remove(context, dst, words)?,
            }
            return Ok(ExitStatus::SUCCESS);
        }
        let (routes, interfaces) =
            context.net.with(|stack, _| (stack.routes(), stack.interfaces()));
        let text = table(&routes, |index| links::name_of(&interfaces, index));
        context.out.write_all(text.as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}

fn table(routes: &[RouteEntry], name: impl Fn(IfIndex) -> String) -> String {
    let mut text = String::from("Destination     Gateway         Genmask         Metric Iface\n");
    for route in routes {
        let dst = route.dst.network().addr.to_string();
        let gateway = route.gateway.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_string();
        let mask = route.dst.netmask().to_string();
        let (metric, iface) = (route.metric, name(route.iface));
        text += &format!("{dst:15} {gateway:15} {mask:15} {metric:<6} {iface}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use ip::RouteOrigin;

    use super::*;

    #[test]
    fn rows_in_the_shape_of_tapip() {
        let net = RouteEntry {
            dst: "10.0.0.0/24".parse().unwrap(),
            gateway: None,
            iface: IfIndex(1),
            metric: 0,
            source: None,
            origin: RouteOrigin::Connected,
        };
        let default = RouteEntry {
            dst: "0.0.0.0/0".parse().unwrap(),
            gateway: Some(IpAddr::from([10, 0, 0, 2])),
            ..net
        };
        assert_eq!(
            table(&[net, default], |index| format!("veth{}", index.0)),
            "Destination     Gateway         Genmask         Metric Iface\n\
             10.0.0.0        0.0.0.0         255.255.255.0   0      veth1\n\
             0.0.0.0         10.0.0.2        0.0.0.0         0      veth1\n"
        );
    }
}
