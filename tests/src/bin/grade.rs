//! Grades the implementations of a layer with its conformance kit: a line each, and exit status 0
//! only if every MUST is kept.
//!
//! To grade one of your own, add its line to its layer's list.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use netdev::conformance::{Case, Grade, Level, grade};
use socket::conformance::{Host, Network, Pair, Parts};

/// Grades the implementations of a layer with its conformance kit.
#[derive(Parser)]
struct Args {
    /// The layer.
    layer: Layer,
    /// One of its implementations, with all that it does not keep; every one of them, if none is
    /// named.
    #[arg(long, short)]
    implementation: Option<String>,
    /// Print what is not kept for all of them.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    Arp,
    Ip,
    Icmp,
    Udp,
    Tcp,
    Socket,
}

/// The implementations of a layer: the name that `tapip` knows it by, and how it is made.
type Known<Make> = [(&'static str, Make)];

const ARP: &Known<arp::conformance::Make> = &[
    ("cache", |seed| {
        Box::new(arp::Cache::new(arp::conformance::MY_MAC, arp::Config::default(), seed))
    }),
    ("static", |_seed| Box::new(arp::StaticTable::new(arp::conformance::MY_MAC))),
];

const IP: &Known<ip::conformance::Make> = &[
    ("router", |seed| Box::new(ip::Router::new(ip::Config::default(), seed))),
    ("simple", |seed| Box::new(ip::SimpleHost::new(seed))),
];

const ICMP: &Known<icmp::conformance::Make> = &[
    ("full", |seed| Box::new(icmp::Icmp::new(icmp::Config::default(), seed))),
    ("echo", |_seed| Box::new(icmp::EchoOnly::new())),
];

const UDP: &Known<udp::conformance::Make> = &[
    ("full", |seed| Box::new(udp::Udp::new(udp::Config::default(), seed))),
    ("simple", |seed| Box::new(udp::SimpleUdp::new(seed))),
];

const TCP: &Known<tcp::conformance::Make> = &[
    ("rfc9293", |seed| Box::new(tcp::Tcp::new(tcp::Config::default(), seed))),
    ("small", |seed| Box::new(tcp::SmallTcp::new(seed))),
];

/// Two whole stacks, by their TCP.
const SOCKET: &Known<socket::conformance::Make> = &[
    ("rfc9293", |seed| stacks(seed, |seed| Box::new(tcp::Tcp::new(tcp::Config::default(), seed)))),
    ("small", |seed| stacks(seed, |seed| Box::new(tcp::SmallTcp::new(seed)))),
];

fn stacks(seed: u64, tcp: tcp::conformance::Make) -> Box<dyn Network> {
    Box::new(Pair::new(|host, macs| {
        let seed = match host {
            Host::A => seed,
            Host::B => !seed,
        };
        Parts {
            layers: socket::Layers {
                ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
                icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
                udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
                tcp: tcp(seed),
            },
            resolvers: macs.map(|mac| -> Box<dyn arp::Resolver> {
                Box::new(arp::Cache::new(mac, arp::Config::default(), seed))
            }),
        }
    }))
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if let Ok(seed) = std::env::var("TAPIP_SEED") {
        seed.parse::<u64>().with_context(|| format!("TAPIP_SEED={seed}"))?;
    }
    // A case that fails panics; the grade tells of it in a line.
    std::panic::set_hook(Box::new(|_| {}));
    let grades = match args.layer {
        Layer::Arp => grades(arp::conformance::KIT, ARP, &args),
        Layer::Ip => grades(ip::conformance::KIT, IP, &args),
        Layer::Icmp => grades(icmp::conformance::KIT, ICMP, &args),
        Layer::Udp => grades(udp::conformance::KIT, UDP, &args),
        Layer::Tcp => grades(tcp::conformance::KIT, TCP, &args),
        Layer::Socket => grades(socket::conformance::KIT, SOCKET, &args),
    };
    drop(std::panic::take_hook());
    let grades = grades?;

    let mut out = std::io::stdout().lock();
    if args.verbose || args.implementation.is_some() {
        for grade in &grades {
            writeln!(out, "{grade}\n")?;
        }
    }
    write!(out, "{:12}{:>12}", "", "points")?;
    for level in LEVELS {
        write!(out, "{:>10}", level.to_string())?;
    }
    writeln!(out)?;
    for grade in &grades {
        let points = format!("{}/{}", grade.points(), grade.of());
        write!(out, "{:12}{points:>12}", grade.name)?;
        for level in LEVELS {
            let (kept, of) = grade.cases(level);
            write!(out, "{:>10}", format!("{kept}/{of}"))?;
        }
        writeln!(out)?;
    }
    let kept = grades.iter().all(|grade| {
        let (kept, of) = grade.cases(Level::Must);
        kept == of
    });
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const LEVELS: [Level; 4] = [Level::Must, Level::Should, Level::May, Level::Ours];

/// A grade for each implementation that was asked for.
fn grades<Make: Copy>(
    kit: &[&[Case<Make>]],
    known: &Known<Make>,
    args: &Args,
) -> Result<Vec<Grade>> {
    let asked: Vec<_> = known
        .iter()
        .filter(|(name, _)| args.implementation.as_ref().is_none_or(|asked| asked == name))
        .collect();
    if asked.is_empty() {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        bail!("there is no such implementation; there is: {}", names.join(", "));
    }
    Ok(asked.into_iter().map(|(name, make)| grade(name, kit, *make)).collect())
}
