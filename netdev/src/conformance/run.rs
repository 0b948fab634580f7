//! Running one case, and the report where it fails.

use std::any::Any;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use super::{Case, Record, Subject};

/// The seed where `TAPIP_SEED` sets no other.
const SEED: u64 = 1;

/// A case that an implementation is known not to keep, and why: a feature that it does not have.
///
/// The name may be that of a file of the kit: then all of its cases are meant. Where one reason is
/// that of several, they may stand in one text, with blanks between them. They have to fail: an
/// exception that is not one any more is an error too.
pub type Exception = (&'static str, &'static str);

/// What the command to run a case again is made of, as the test sees it.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    package: &'static str,
    target: &'static str,
    module: &'static str,
}

impl Again {
    /// From `CARGO_PKG_NAME`, `CARGO_CRATE_NAME` (the test's file), and `module_path!()`.
    pub fn new(package: &'static str, target: &'static str, module: &'static str) -> Again {
        Again { package, target, module }
    }
}

/// How a case went.
pub(super) struct Outcome {
    pub(super) record: Record,
    pub(super) failure: Option<Box<dyn Any + Send>>,
}

/// Runs the case of this name, as a test.
///
/// # Panics
/// Where the case fails, after a report on the standard error; where it is excepted and does not
/// fail; and where there is no such case.
pub fn check<M>(cases: &[Case<M>], name: &str, maker: M, exceptions: &[Exception], again: &Again) {
    let Some(case) = cases.iter().find(|case| case.name == name) else {
        panic!("no case is called {name}");
    };
    let seed = seed();
    let excepted = exception(exceptions, &case.path());
    let Outcome { record, failure } = run(case, maker, seed);
    match (failure, excepted) {
        (None, None) => {}
        (Some(_), Some(reason)) => eprintln!("{name} is not kept: {reason}"),
        (None, Some(reason)) => {
            panic!("{name} is kept, and listed as an exception ({reason}): take it off the list")
        }
        (Some(cause), None) => {
            eprint!("{}", report(case, seed, &record, &cause, again));
            // The panic itself was printed already.
            resume_unwind(cause);
        }
    }
}

/// Why the case of this path, file and function, is excepted.
pub(super) fn exception(exceptions: &[Exception], path: &str) -> Option<&'static str> {
    let (file, name) = path.split_once("::")?;
    let is_this = |excepted: &str| excepted == name || excepted == file;
    let found = exceptions.iter().find(|(names, _)| names.split_whitespace().any(is_this));
    found.map(|(_, reason)| *reason)
}

/// Runs a case and catches what it panics with: also a panic of the implementation under test is
/// a failure that a reader wants to see the steps before.
pub(super) fn run<M>(case: &Case<M>, maker: M, seed: u64) -> Outcome {
    let record = Record::default();
    let subject = Subject { maker, seed, record: record.clone() };
    // Nothing but the record is looked at afterwards, and it is complete after each step.
    let result = catch_unwind(AssertUnwindSafe(|| (case.run)(&subject)));
    Outcome { record, failure: result.err() }
}

/// The seed that the environment sets, or the usual one.
pub(super) fn seed() -> u64 {
    let Ok(text) = std::env::var("TAPIP_SEED") else { return SEED };
    match text.parse() {
        Ok(seed) => seed,
        Err(_) => panic!("TAPIP_SEED={text}: a whole number was expected"),
    }
}

/// What a panic said.
pub(super) fn message(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

fn report<M>(
    case: &Case<M>,
    seed: u64,
    record: &Record,
    cause: &Box<dyn Any + Send>,
    again: &Again,
) -> String {
    let Case { level, points, section, sentence, .. } = case;
    let path = case.path();
    let plural = if *points == 1 { "" } else { "s" };
    let mut text = format!("\n{path} is not kept: {level}, {points} point{plural}, {section}\n");
    let _ = writeln!(text, "  \"{sentence}\"");
    let _ = writeln!(text, "  what happened, in virtual time:\n{record}");
    let _ = writeln!(text, "  failed: {}", message(&**cause));
    let _ = writeln!(text, "  seed: {seed}");
    if record.has_packets() {
        match capture(case.name, seed, again, record) {
            Ok(file) => writeln!(text, "  packets: {}", file.display()),
            Err(error) => writeln!(text, "  packets: could not be written: {error}"),
        }
        .expect("a string takes everything");
    }
    // The test's own path lacks the name of the file that it is compiled from.
    let module = again.module.split_once("::").map_or("", |(_, rest)| rest);
    let Again { package, target, .. } = again;
    let name = case.name;
    let _ = writeln!(
        text,
        "  again: TAPIP_SEED={seed} cargo test -p {package} --test {target} \
         -- --exact {module}::{name}\n"
    );
    text
}

fn capture(name: &str, seed: u64, again: &Again, record: &Record) -> std::io::Result<PathBuf> {
    let Again { package, module, .. } = again;
    // Two implementations of one layer fail side by side.
    let name = format!("{package}-{module}-{name}-{seed}").replace("::", "-");
    let write = |dir: String| {
        let dir = std::env::temp_dir().join(dir);
        std::fs::create_dir_all(&dir)?;
        let file = dir.join(format!("{name}.pcapng"));
        record.write_capture(&file)?;
        Ok(file)
    };
    // On a machine of many the usual folder may be another user's.
    write("tapip-conformance".to_owned())
        .or_else(|_: std::io::Error| write(format!("tapip-conformance-{}", std::process::id())))
}
