//! `stat`: the counters.

use std::io::Write;

use clap::{Arg, ArgAction, ArgMatches};
use socket::LayerCounters;

use super::Command;
use crate::{Context, ExitStatus};

/// `stat`.
pub(super) struct Stat;

impl Command for Stat {
    fn name(&self) -> &'static str {
        "stat"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name())
            .about("Count sockets, what waits in them, and what each layer did with packets")
            .arg(
                Arg::new("all")
                    .short('a')
                    .long("all")
                    .action(ArgAction::SetTrue)
                    .help("The counters at zero too"),
            )
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let (tcp, udp, raw, counters) = context.net.with(|stack, now| {
            let sockets = (stack.tcp_sockets(now), stack.udp_sockets(), stack.raw_sockets());
            (sockets.0, sockets.1, sockets.2, stack.counters())
        });
        let mut text = String::new();
        if !context.layers.is_empty() {
            let layers = context.layers.iter().map(|(layer, name)| format!("{layer}={name}"));
            text += &format!("layers: {}\n", layers.collect::<Vec<_>>().join(" "));
        }
        let connections = tcp.iter().filter(|info| info.state != tcp::State::Listen).count();
        let listening = tcp.len() - connections;
        let memory: usize = tcp.iter().map(|info| info.memory).sum();
        let waiting = udp.iter().map(|info| info.receive_queue).sum::<usize>()
            + raw.iter().map(|info| info.receive_queue).sum::<usize>();
        text += &format!(
            "tcp: {connections} connections, {listening} listening, {memory} bytes of memory\n\
             udp: {} sockets\nraw: {} sockets\nwaiting in udp and raw sockets: {waiting} bytes\n",
            udp.len(),
            raw.len()
        );
        text += &tables(&counters, arguments.get_flag("all"));
        context.out.write_all(text.as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}

/// A table for each layer that has counted anything.
fn tables(layers: &[LayerCounters], all: bool) -> String {
    let mut text = String::new();
    for layer in layers {
        let shown = || layer.counters.iter().filter(|counter| all || counter.count > 0);
        if shown().next().is_none() {
            continue;
        }
        let on = layer.interface.as_ref().map_or(String::new(), |name| format!(" on {name}"));
        text += &format!("\n{}{on}:\n", layer.layer);
        for counter in shown() {
            text += &format!("{:>12}  {}\n", counter.count, counter.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use netdev::Counter;

    use super::*;

    #[test]
    fn zeros_are_left_out_unless_asked_for() {
        let counters =
            vec![Counter { name: "received", count: 7 }, Counter { name: "bad", count: 0 }];
        let quiet = vec![Counter { name: "bad", count: 0 }];
        let layers = [
            LayerCounters { layer: "arp", interface: Some("tap0".into()), counters },
            LayerCounters { layer: "ip", interface: None, counters: quiet },
        ];
        assert_eq!(tables(&layers, false), "\narp on tap0:\n           7  received\n");
        let all = tables(&layers, true);
        assert!(all.contains("           0  bad") && all.contains("\nip:\n"), "{all}");
    }
}
