//! `route`: the routing table.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use clap::ArgMatches;
use ip::{IfIndex, RouteEntry};

use super::Command;
use crate::{Context, ExitStatus};

/// `route`.
pub(super) struct Route;

impl Command for Route {
    fn name(&self) -> &'static str {
        "route"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name())
            .about("Show the routes, in the order in which they are tried")
    }

    fn run(&self, context: &mut Context, _: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let (routes, interfaces) =
            context.net.with(|stack, _| (stack.routes(), stack.interfaces()));
        let name = |index: IfIndex| {
            let found = interfaces.iter().find(|interface| interface.index == index);
            found.map_or_else(|| index.to_string(), |interface| interface.name.clone())
        };
        context.out.write_all(table(&routes, name).as_bytes())?;
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
