//! Transfers over a grid of paths, on virtual time: every one ends with the right bytes, and how
//! much of each path it used is held against a snapshot. Between two of ours this is
//! `snapshots/grid.txt`; between ours and smoltcp's, which knows neither our mistakes nor SACK when
//! it sends, a coarser grid in both directions, `snapshots/grid_smoltcp.txt`.
//!
//! Runs follow from their seeds, so that the tables are the same each time, to the last digit:
//! no difference is tolerated.
//! Whoever changes how TCP sends changes them; look at the difference, and if it is meant, commit
//! it with the change:
//!
//! ```text
//! TAPIP_SNAPSHOT=update cargo test -p tests --test grid
//! ```
//!
//! `TAPIP_GRID=full` runs transfers that are sixteen times as long, for each congestion control
//! and more sizes of buffers, and prints the tables; it compares nothing.

#[path = "../../tcp/tests/smoltcp_streams/mod.rs"]
mod smoltcp_streams;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use smoltcp::socket::tcp::CongestionControl;
use smoltcp_streams::SmolTcp;
use tcp::testing::{Side, World};
use tcp::{CONGESTION_CONTROLS, Config, Sizes, Streams, Tcp};
use tests::grid::{Path, Trouble};

const MBIT: u64 = 1_000_000;
const NONE: Trouble = Trouble { loss: 0.0, bursts: 0.0, reordering: 0.0, duplication: 0.0 };

/// The columns of the big table.
const TROUBLES: &[(&str, Trouble)] = &[
    ("clean", NONE),
    ("loss 0.1%", Trouble { loss: 0.001, ..NONE }),
    ("loss 1%", Trouble { loss: 0.01, ..NONE }),
    ("loss 5%", Trouble { loss: 0.05, ..NONE }),
    ("loss 10%", Trouble { loss: 0.1, ..NONE }),
    ("bursts 1%", Trouble { bursts: 0.01, ..NONE }),
    ("late 5%", Trouble { reordering: 0.05, ..NONE }),
    ("twice 5%", Trouble { duplication: 0.05, ..NONE }),
    ("all", Trouble { loss: 0.01, bursts: 0.01, reordering: 0.05, duplication: 0.01 }),
];

/// Its rows: bandwidths, with how many bytes go over each, and round trips in microseconds.
const BANDWIDTHS: &[(&str, u64, usize)] = &[
    ("1 Mbit/s", MBIT, 500_000),
    ("10 Mbit/s", 10 * MBIT, 4_000_000),
    ("100 Mbit/s", 100 * MBIT, 8_000_000),
    ("1 Gbit/s", 1000 * MBIT, 16_000_000),
    ("10 Gbit/s", 10_000 * MBIT, 32_000_000),
];
const ROUND_TRIPS: &[(&str, u64)] =
    &[("0.05 ms", 50), ("1 ms", 1000), ("20 ms", 20_000), ("100 ms", 100_000), ("300 ms", 300_000)];

/// Those of the grid with smoltcp.
const SMOLTCP_TROUBLES: &[&str] =
    &["clean", "loss 1%", "loss 10%", "bursts 1%", "late 5%", "twice 5%", "all"];
const SMOLTCP_BANDWIDTHS: &[(&str, u64, usize)] = &[
    ("1 Mbit/s", MBIT, 100_000),
    ("100 Mbit/s", 100 * MBIT, 1_000_000),
    ("10 Gbit/s", 10_000 * MBIT, 2_000_000),
];
const SMOLTCP_ROUND_TRIPS: &[(&str, u64)] =
    &[("0.05 ms", 50), ("20 ms", 20_000), ("300 ms", 300_000)];
/// smoltcp's receive buffer in bytes: its window is scaled.
const SMOLTCP_BUFFER: usize = 512 << 10;

/// One cell of a table.
struct Cell {
    path: Path,
    config: Config,
    len: usize,
    ends: Ends,
}

/// Whose TCPs they are.
#[derive(Clone, Copy)]
enum Ends {
    /// Ours sends, and ours receives.
    Ours,
    /// Ours connects and sends, and smoltcp's receives.
    ToSmoltcp,
    /// smoltcp's connects and sends, and ours receives.
    FromSmoltcp,
}

impl Cell {
    fn world(&self, seed: u64) -> World {
        let ours = || Box::new(Tcp::new(self.config.clone(), seed << 8 | 1));
        match self.ends {
            Ends::Ours => self.path.world(&self.config, seed),
            Ends::ToSmoltcp => self.path.world_of(ours(), smoltcp_at(Side::B, seed), seed),
            Ends::FromSmoltcp => self.path.world_of(smoltcp_at(Side::A, seed), ours(), seed),
        }
    }
}

fn smoltcp_at(side: Side, seed: u64) -> Box<dyn Streams> {
    let IpAddr::V4(addr) = side.addr() else { panic!("not an IPv4 host: {side:?}") };
    Box::new(SmolTcp::new(addr, CongestionControl::Reno, SMOLTCP_BUFFER, seed))
}

struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
}

#[test]
fn every_transfer_ends_right_and_uses_what_it_did() {
    let is_full = std::env::var("TAPIP_GRID").is_ok_and(|value| value == "full");
    let tables = if is_full { full() } else { sample() };
    let text = run(&tables);
    println!("{text}");
    if !is_full {
        hold(&text, "grid.txt");
    }
}

#[test]
fn against_smoltcp_every_transfer_ends_right_both_ways() {
    let text = run(&smoltcp());
    println!("{text}");
    hold(&text, "grid_smoltcp.txt");
}

/// Compares with a snapshot, or writes it.
fn hold(text: &str, name: &str) {
    let file = tests::workspace().join("tests/snapshots").join(name);
    if std::env::var("TAPIP_SNAPSHOT").is_ok_and(|value| value == "update") {
        std::fs::write(&file, text).expect("the snapshot is written");
        return;
    }
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    for (was, is) in before.lines().zip(text.lines()).filter(|(was, is)| was != is) {
        println!("- {was}\n+ {is}");
    }
    assert!(
        before == text,
        "not what tests/snapshots/{name} says; if that is meant, update it: \
         TAPIP_SNAPSHOT=update cargo test -p tests --test grid"
    );
}

/// What runs each time.
fn sample() -> Vec<Table> {
    let config = Config::default();
    vec![paths("default buffers, cubic", &config, 1), buffers(&config, 1)]
}

fn full() -> Vec<Table> {
    let mut tables = Vec::new();
    for congestion in CONGESTION_CONTROLS {
        let config = Config { congestion, ..Config::default() };
        for kib in [64, 1024, 16_384] {
            let title = format!("{kib} KiB of buffers, {}", congestion.name);
            tables.push(paths(&title, &with_buffers(&config, kib << 10), 16));
        }
        tables.push(paths(&format!("default buffers, {}", congestion.name), &config, 16));
    }
    tables
}

/// All bandwidths and round trips, and all that may go wrong.
fn paths(title: &str, config: &Config, longer: usize) -> Table {
    let mut rows = Vec::new();
    for &(bandwidth_name, bandwidth, len) in BANDWIDTHS {
        for &(rtt_name, micros) in ROUND_TRIPS {
            let rtt = Duration::from_micros(micros);
            let cell = |&(_, trouble): &(&str, Trouble)| {
                let path = Path { bandwidth, rtt, trouble };
                Cell { path, config: config.clone(), len: len * longer, ends: Ends::Ours }
            };
            let name = format!("{bandwidth_name:>10} {rtt_name:>8}");
            rows.push((name, TROUBLES.iter().map(cell).collect()));
        }
    }
    let columns = TROUBLES.iter().map(|(name, _)| (*name).to_string()).collect();
    Table { title: title.to_string(), columns, rows }
}

/// Sizes of both sides' buffers, over some paths.
fn buffers(config: &Config, longer: usize) -> Table {
    let sizes = [8, 64, 512, 8192];
    let mut rows = Vec::new();
    for (name, bandwidth, millis, len, loss) in [
        ("  10 Mbit/s    20 ms clean", 10 * MBIT, 20, 1_000_000, 0.0),
        (" 100 Mbit/s     1 ms clean", 100 * MBIT, 1, 4_000_000, 0.0),
        (" 100 Mbit/s   100 ms clean", 100 * MBIT, 100, 8_000_000, 0.0),
        (" 100 Mbit/s    20 ms 1% loss", 100 * MBIT, 20, 16_000_000, 0.01),
        ("   1 Gbit/s    20 ms clean", 1000 * MBIT, 20, 16_000_000, 0.0),
    ] {
        let rtt = Duration::from_millis(millis);
        let path = Path { bandwidth, rtt, trouble: Trouble { loss, ..NONE } };
        let cell = |kib: usize| {
            let config = with_buffers(config, kib << 10);
            Cell { path, config, len: len * longer, ends: Ends::Ours }
        };
        rows.push((name.to_string(), sizes.map(cell).into()));
    }
    let columns = sizes.map(|kib| format!("{kib} KiB")).into();
    Table { title: "sizes of both buffers, cubic".to_string(), columns, rows }
}

/// A coarser grid, with smoltcp as the receiver and as the sender.
fn smoltcp() -> Vec<Table> {
    let wanted = |name: &str| SMOLTCP_TROUBLES.contains(&name);
    let troubles: Vec<_> = TROUBLES.iter().filter(|(name, _)| wanted(name)).collect();
    [("from ours to smoltcp", Ends::ToSmoltcp), ("from smoltcp to ours", Ends::FromSmoltcp)]
        .map(|(title, ends)| {
            let mut rows = Vec::new();
            for &(bandwidth_name, bandwidth, len) in SMOLTCP_BANDWIDTHS {
                for &(rtt_name, micros) in SMOLTCP_ROUND_TRIPS {
                    let rtt = Duration::from_micros(micros);
                    let cell = |&&(_, trouble): &&(&str, Trouble)| {
                        let path = Path { bandwidth, rtt, trouble };
                        Cell { path, config: Config::default(), len, ends }
                    };
                    let name = format!("{bandwidth_name:>10} {rtt_name:>8}");
                    rows.push((name, troubles.iter().map(cell).collect()));
                }
            }
            let columns = troubles.iter().map(|(name, _)| (*name).to_string()).collect();
            Table { title: title.to_string(), columns, rows }
        })
        .into()
}

fn with_buffers(config: &Config, bytes: usize) -> Config {
    let sizes = Sizes { min: 4096, default: bytes, max: bytes };
    Config { send_buffer: sizes, receive_buffer: sizes, ..config.clone() }
}

/// Runs all cells, on as many threads as there are processors; what each is does not depend on
/// that.
fn run(tables: &[Table]) -> String {
    let cells: Vec<&Cell> =
        tables.iter().flat_map(|table| &table.rows).flat_map(|(_, cells)| cells).collect();
    let shares = Mutex::new(vec![0.0; cells.len()]);
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, cell)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    cells.get(number).map(|cell| (number, cell))
                } {
                    let world = cell.world(number as u64 + 1);
                    let outcome = cell.path.transfer_in(world, cell.len);
                    let share = outcome.goodput / cell.path.bandwidth as f64;
                    assert!(share < 0.97, "{:?}: more than there is: {share}", cell.path);
                    shares.lock().unwrap_or_else(PoisonError::into_inner)[number] = share;
                }
            });
        }
    });
    let shares = shares.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut shares = shares.into_iter();
    let mut text = String::from("Goodput in percent of the bandwidth\n");
    for table in tables {
        let width = table.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        write!(text, "\n{}\n{:width$}", table.title, "").expect("a string");
        for column in &table.columns {
            write!(text, " {column:>9}").expect("a string");
        }
        text.push('\n');
        for (name, cells) in &table.rows {
            write!(text, "{name:width$}").expect("a string");
            for share in shares.by_ref().take(cells.len()) {
                write!(text, " {:>9}", percent(share)).expect("a string");
            }
            text.push('\n');
        }
    }
    text
}

/// With three digits that say something.
fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent >= 10.0 => format!("{percent:.1}"),
        percent if percent >= 1.0 => format!("{percent:.2}"),
        percent => format!("{percent:.3}"),
    }
}
