//! `ss`: the sockets, as iproute2's program shows Linux's.

mod detail;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use clap::{Arg, ArgAction, ArgMatches};
use ip::Protocol;
use socket::RawInfo;
use tcp::State;

use super::Command;
use crate::table::columns;
use crate::{Context, ExitStatus};

/// `ss`.
pub(super) struct Ss;

impl Command for Ss {
    fn name(&self) -> &'static str {
        "ss"
    }

    fn grammar(&self) -> clap::Command {
        let flag = |name: &'static str, short, help: &'static str| {
            Arg::new(name).short(short).long(name).action(ArgAction::SetTrue).help(help)
        };
        clap::Command::new(self.name())
            .about("Show the sockets: connections, or with -l listeners, or with -a all")
            .arg(flag("tcp", 't', "TCP sockets"))
            .arg(flag("udp", 'u', "UDP sockets"))
            .arg(flag("raw", 'w', "Raw sockets"))
            .arg(flag("listening", 'l', "Only sockets that wait for peers"))
            .arg(flag("all", 'a', "Those and connections"))
            .arg(flag("numeric", 'n', "Numbers instead of names (it is always so)"))
            .arg(flag("info", 'i', "What TCP knows of each connection"))
            .arg(flag("options", 'o', "The timer that runs"))
    }

    fn run(&self, context: &mut Context, arguments: &ArgMatches) -> anyhow::Result<ExitStatus> {
        let (tcp, udp, raw) = context
            .net
            .with(|stack, now| (stack.tcp_sockets(now), stack.udp_sockets(), stack.raw_sockets()));
        context.out.write_all(Filter::new(arguments).table(&tcp, &udp, &raw).as_bytes())?;
        Ok(ExitStatus::SUCCESS)
    }
}

/// Which sockets are shown, and how much of them.
#[derive(Clone, Copy, Debug)]
struct Filter {
    tcp: bool,
    udp: bool,
    raw: bool,
    connected: bool,
    listening: bool,
    /// States that only `-a` shows.
    passing: bool,
    info: bool,
    timer: bool,
}

impl Filter {
    fn new(arguments: &ArgMatches) -> Filter {
        let flag = |name| arguments.get_flag(name);
        let any_kind = !(flag("tcp") || flag("udp") || flag("raw"));
        Filter {
            tcp: flag("tcp") || any_kind,
            udp: flag("udp") || any_kind,
            raw: flag("raw") || any_kind,
            connected: flag("all") || !flag("listening"),
            listening: flag("all") || flag("listening"),
            passing: flag("all"),
            info: flag("info"),
            timer: flag("options"),
        }
    }

    fn shows(&self, state: State) -> bool {
        match state {
            State::Listen => self.listening,
            State::Closed | State::SynReceived | State::TimeWait => self.passing,
            _ => self.connected,
        }
    }

    fn table(&self, tcp: &[tcp::Info], udp: &[udp::Info], raw: &[RawInfo]) -> String {
        let header = ["Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port"];
        let mut rows = vec![header.map(String::from).to_vec()];
        rows[0].push("Peer Address:Port".into());
        // A line below the row of that number.
        let mut details = Vec::new();
        for info in tcp.iter().filter(|info| self.tcp && self.shows(info.state)) {
            let queues = [info.receive_queue, info.send_queue];
            let mut row = row("tcp", state(info.state), queues, addr(info.local), addr(info.peer));
            if let (true, Some((timer, due))) = (self.timer, info.timer) {
                row.push(detail::timer(timer, due, info.backoff));
            }
            rows.push(row);
            if self.info && info.state != State::Listen {
                details.push((rows.len() - 1, detail::info(info)));
            }
        }
        let unconnected = |peer: bool| if peer { self.connected } else { self.listening };
        for info in udp.iter().filter(|info| self.udp && unconnected(info.peer.is_some())) {
            let peer = info.peer.map_or_else(|| "0.0.0.0:*".into(), addr);
            let queues = [info.receive_queue, 0];
            rows.push(row(
                "udp",
                datagram_state(info.peer.is_some()),
                queues,
                addr(info.local),
                peer,
            ));
        }
        for info in raw.iter().filter(|info| self.raw && unconnected(info.peer.is_some())) {
            let local =
                info.local.map_or_else(|| "0.0.0.0".into(), |addr: IpAddr| addr.to_string());
            let local = format!("{local}:{}", protocol(info.protocol));
            let peer = info.peer.map_or_else(|| "0.0.0.0".into(), |addr: IpAddr| addr.to_string());
            let queues = [info.receive_queue, 0];
            let state = datagram_state(info.peer.is_some());
            rows.push(row("raw", state, queues, local, format!("{peer}:*")));
        }
        // As ss does: one kind needs no column that names it.
        if [self.tcp, self.udp, self.raw].iter().filter(|kind| **kind).count() == 1 {
            rows.iter_mut().for_each(|row| drop(row.remove(0)));
        }
        let text = columns(&rows);
        let mut details = details.into_iter().peekable();
        let mut whole = String::new();
        for (number, line) in text.lines().enumerate() {
            whole += line;
            whole.push('\n');
            if let Some((_, detail)) = details.next_if(|(row, _)| *row == number) {
                whole += &format!("\t {detail}\n");
            }
        }
        whole
    }
}

fn row(kind: &str, state: &str, queues: [usize; 2], local: String, peer: String) -> Vec<String> {
    let [receive, send] = queues.map(|bytes| bytes.to_string());
    vec![kind.into(), state.into(), receive, send, local, peer]
}

/// ss writes a port that is none as `*`.
fn addr(addr: SocketAddr) -> String {
    match addr.port() {
        0 => format!("{}:*", addr.ip()),
        port => format!("{}:{port}", addr.ip()),
    }
}

/// The names that ss gives the states.
fn state(state: State) -> &'static str {
    match state {
        State::Closed => "UNCONN",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECV",
        State::Established => "ESTAB",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}

fn datagram_state(connected: bool) -> &'static str {
    if connected { "ESTAB" } else { "UNCONN" }
}

fn protocol(protocol: Option<Protocol>) -> String {
    match protocol {
        None => "*".into(),
        Some(Protocol::ICMP) => "icmp".into(),
        Some(Protocol::TCP) => "tcp".into(),
        Some(Protocol::UDP) => "udp".into(),
        Some(Protocol(other)) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(options: &[&str]) -> Filter {
        let line = ["ss"].iter().chain(options);
        Filter::new(&Ss.grammar().try_get_matches_from(line).unwrap())
    }

    fn sockets() -> Vec<tcp::Info> {
        let local = "10.0.0.1:7".parse().unwrap();
        let any = "0.0.0.0:0".parse().unwrap();
        let info = |state, peer| tcp::Info::new(None, state, local, peer);
        vec![
            tcp::Info { send_queue: 128, ..info(State::Listen, any) },
            info(State::Established, "10.0.0.2:40000".parse().unwrap()),
            info(State::TimeWait, "10.0.0.2:40001".parse().unwrap()),
        ]
    }

    #[test]
    fn which_sockets_are_shown() {
        let lines = |options: &[&str]| {
            filter(options).table(&sockets(), &[], &[]).lines().map(str::to_string).collect()
        };
        let connected: Vec<String> = lines(&["-t", "-n"]);
        assert_eq!(
            connected,
            [
                "State  Recv-Q  Send-Q  Local Address:Port  Peer Address:Port",
                "ESTAB  0       0       10.0.0.1:7          10.0.0.2:40000",
            ]
        );
        let listening: Vec<String> = lines(&["-tl"]);
        assert_eq!(listening.len(), 2);
        assert_eq!(listening[1], "LISTEN  0       128     10.0.0.1:7          0.0.0.0:*");
        let all: Vec<String> = lines(&["-a"]);
        assert!(all[0].starts_with("Netid  State") && all.len() == 4, "{all:?}");
        assert!(all[3].starts_with("tcp    TIME-WAIT"), "{all:?}");
        assert_eq!(
            lines(&["-u"]),
            ["State  Recv-Q  Send-Q  Local Address:Port  Peer Address:Port"]
        );
    }

    #[test]
    fn details_stand_below_their_connection() {
        let text = filter(&["-tai"]).table(&sockets(), &[], &[]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("LISTEN") && lines[2].starts_with("ESTAB"), "{text}");
        assert!(lines[3].starts_with("\t ") && lines[3].contains("cwnd:"), "{text}");
        assert!(lines[4].starts_with("TIME-WAIT"), "{text}");
    }
}
