//! `arpcache`: the neighbours.

use std::io::Write;

use arp::{Entry, State};
use clap::ArgMatches;

use super::Command;
use crate::{Context, ExitStatus};

/// `arpcache`.
pub(super) struct ArpCache;

impl Command for ArpCache {
    fn name(&self) -> &'static str {
        "arpcache"
    }

    fn grammar(&self) -> clap::Command {
        clap::Command::new(self.name()).about("Show the neighbours whose link addresses are known")
    }

    fn run(&self, context: &mut Context, _: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let entries = context.net.with(|stack, now| stack.arp_entries(now));
        let entries: Vec<Entry> = entries.into_iter().map(|(_, entry)| entry).collect();
        context.out.write_all(table(&entries).as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}

/// tapip's table, and beside it the state in the words of RFC 4861, which says more.
fn table(entries: &[Entry]) -> String {
    let mut text =
        String::from("State    Timeout(s)  HWaddress         Address         Neighbour\n");
    for entry in entries {
        let state = match entry.state {
            State::Incomplete => "Waiting",
            State::Failed => "Dead",
            State::Reachable | State::Stale | State::Delay | State::Probe => "Resolved",
            State::Permanent => "Static",
        };
        let timeout = entry.timeout.map_or("-".into(), |time| time.as_secs().to_string());
        let mac = entry.mac.map_or("-".into(), |mac| mac.to_string());
        let addr = entry.addr.to_string();
        text += &format!("{state:8} {timeout:11} {mac:17} {addr:15} {:?}", entry.state);
        if entry.waiting > 0 {
            text += &format!(", {} packets wait", entry.waiting);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn rows_in_the_shape_of_tapip() {
        let entry = Entry {
            addr: IpAddr::from([10, 0, 0, 2]),
            mac: Some("ca:07:01:02:03:04".parse().unwrap()),
            state: State::Reachable,
            timeout: Some(Duration::from_secs(596)),
            waiting: 0,
        };
        let unknown = Entry {
            addr: IpAddr::from([10, 0, 0, 9]),
            mac: None,
            state: State::Incomplete,
            timeout: Some(Duration::from_millis(900)),
            waiting: 2,
        };
        assert_eq!(
            table(&[entry, unknown]),
            "State    Timeout(s)  HWaddress         Address         Neighbour\n\
             Resolved 596         ca:07:01:02:03:04 10.0.0.2        Reachable\n\
             Waiting  0           -                 10.0.0.9        Incomplete, 2 packets wait\n"
        );
    }
}
