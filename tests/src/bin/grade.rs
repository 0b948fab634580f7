//! Grades the implementations of a layer with its conformance kit: a line each, and exit status 0
//! only if every MUST is kept that is not written down as left out, with its reason.
//!
//! To grade one of your own, add its line to its layer's list in `tests/src/graded.rs`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use netdev::conformance::{Case, Grade, Level, grade};
use tests::graded::{ARP, ICMP, IP, Known, SOCKET, TCP, UDP};

/// Grades the implementations of a layer with its conformance kit.
#[derive(Parser)]
struct Args {
    /// The layer.
    layer: Layer,
    /// One of its implementations, with all that it does not keep; every one of them, if none is
    /// named.
    #[arg(long, short)]
    implementation: Option<String>,
    /// What is written down as left out counts as not kept.
    #[arg(long)]
    strict: bool,
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
    writeln!(out, "{:>10}", "left out")?;
    for grade in &grades {
        let points = format!("{}/{}", grade.points(), grade.of());
        write!(out, "{:12}{points:>12}", grade.name)?;
        for level in LEVELS {
            let (kept, of) = grade.cases(level);
            write!(out, "{:>10}", format!("{kept}/{of}"))?;
        }
        let left_out = grade.marks.iter().filter(|mark| mark.exception.is_some()).count();
        writeln!(out, "{left_out:>10}")?;
    }
    let kept = !grades.iter().flat_map(Grade::failures).any(|mark| mark.level == Level::Must);
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
        .filter(|(name, ..)| args.implementation.as_ref().is_none_or(|asked| asked == name))
        .collect();
    if asked.is_empty() {
        let names: Vec<_> = known.iter().map(|(name, ..)| *name).collect();
        bail!("there is no such implementation; there is: {}", names.join(", "));
    }
    let graded = asked.into_iter().map(|(name, make, exceptions)| {
        let exceptions = if args.strict { &[] } else { *exceptions };
        grade(name, kit, *make).except(exceptions)
    });
    Ok(graded.collect())
}
