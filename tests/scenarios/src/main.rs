//! Counts the instructions that a stack takes for one packet, and shows where they go.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use scenarios::callgrind::{Program, Table};
use scenarios::{SCENARIOS, Scenario, find, without_counting};

const USAGE: &str = "\
Counts the instructions that a stack takes for one packet, by callgrind.

scenario [--top N] [--keep DIR] [NAME...]

NAME        a scenario, or a part of its name; all, if none is given
--top N     show the N functions that take most of them
--keep DIR  keep what callgrind wrote, as DIR/callgrind.out.NAME, for callgrind_annotate
            (--tree=both shows who calls whom) or kcachegrind

scenario run NAME

Goes through the steps of one, as callgrind has to see it. Prints how many are counted.";

/// Steps until buffers have their sizes and slow start is at its end; they are not counted.
const WARM_UP: u32 = 64;
const STEPS: u32 = 64;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == "run") {
        return run(&args.nth(1).context(USAGE)?);
    }
    let (mut top, mut keep, mut names) = (0, None, Vec::new());
    while let Some(arg) = args.next() {
        match &*arg {
            "--top" => top = args.next().context(USAGE)?.parse().context(USAGE)?,
            "--keep" => keep = Some(PathBuf::from(args.next().context(USAGE)?)),
            option if option.starts_with('-') => bail!(USAGE),
            _ => names.push(arg),
        }
    }
    let is_wanted = |scenario: &&Scenario| {
        names.is_empty() || names.iter().any(|part| scenario.name.contains(part.as_str()))
    };
    let wanted: Vec<_> = SCENARIOS.iter().filter(is_wanted).collect();
    ensure!(!wanted.is_empty(), "there is none of that name");
    count(&wanted, top, keep)
}

fn run(name: &str) -> Result<()> {
    let scenario = find(name).with_context(|| format!("there is no scenario {name}"))?;
    let mut step = without_counting(|| {
        let mut step = (scenario.make)();
        (0..WARM_UP).for_each(|_| step());
        step
    });
    (0..STEPS).for_each(|_| step());
    println!("{STEPS}");
    Ok(())
}

fn count(wanted: &[&Scenario], top: usize, keep: Option<PathBuf>) -> Result<()> {
    if let Some(dir) = &keep {
        std::fs::create_dir_all(dir)?;
    }
    let program = Program::at(std::env::current_exe()?);
    // Where this was built, and perhaps still is: the difference to it is only shown.
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots/instructions.txt");
    let committed = std::fs::read_to_string(committed).ok();
    let committed = committed.and_then(|text| Table::read(&text).ok());
    let mut out = std::io::stdout().lock();
    for scenario in wanted {
        let name = scenario.name;
        let keep = keep.as_ref().map(|dir| dir.join(format!("callgrind.out.{name}")));
        let counted = program.count(name, top > 0, keep.as_deref())?;
        let figure = counted.instructions;
        let before = committed.as_ref().and_then(|table| table.figure(name));
        let change = before.map(|before| (figure as f64 / before as f64 - 1.0) * 100.0);
        let change = change.map_or(String::new(), |change| format!("{change:+.1} %"));
        writeln!(out, "{name:<20} {figure:>9} {change:>9}  {}", scenario.about)?;
        for (instructions, function) in counted.functions.iter().take(top) {
            let share = *instructions as f64 / figure as f64 * 100.0;
            writeln!(out, "{instructions:>30} {share:5.1} %  {function}")?;
        }
    }
    Ok(())
}
