//! Instructions that a stack takes for one packet, counted by callgrind.
//!
//! The program `scenario`, built with the profile `counted`, is run under valgrind, one scenario at a
//! time. The figures do not depend on how busy the machine is, nor on
//! who runs it, and hardly on which processor it has: the C library is told to copy memory as on
//! the oldest, and `rep movsb`, of which callgrind counts each byte, not at all.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail, ensure};

/// What the processor is said not to have.
const TUNABLES: &str = "glibc.cpu.hwcaps=-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-AVX2,-AVX512F";

/// The function between whose call and return instructions are counted.
const REGION: &str = "*counted_region*";

/// The program `scenario`.
#[derive(Debug)]
pub struct Program(PathBuf);

/// What one step of a scenario took.
#[derive(Debug)]
pub struct Counted {
    /// Instructions of a step, the mean of all.
    pub instructions: u64,
    /// Where they went, the most expensive function first: instructions of a step in the function
    /// itself, and its name. Empty where that was not asked for.
    pub functions: Vec<(u64, String)>,
}

/// Which compiler made what is counted, and for what: `rustc 1.91.0, x86_64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler(String);

impl Program {
    /// The program at a path.
    pub fn at(path: impl Into<PathBuf>) -> Program {
        Program(path.into())
    }

    /// Counts one scenario; with `functions` also where the instructions went. With `keep`, what
    /// callgrind wrote stays in that file, for `callgrind_annotate` or kcachegrind.
    pub fn count(&self, name: &str, functions: bool, keep: Option<&Path>) -> Result<Counted> {
        let dir = Scratch::new(name)?;
        let file = keep.map_or_else(|| dir.0.join("out"), Path::to_path_buf);
        let said = dir.0.join("said");
        let mut run = Command::new("valgrind");
        // Nothing of the environment: it lies on the stack, whose alignment some copies depend on.
        run.env_clear()
            .env("GLIBC_TUNABLES", TUNABLES)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(["--tool=callgrind", "--collect-atstart=no", "--quiet", "--vgdb=no"])
            .arg(format!("--log-file={}", said.display()))
            .arg(format!("--toggle-collect={REGION}"))
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(&self.0)
            .args(["run", name]);
        let steps = match output(&mut run) {
            Ok(text) => text.trim().parse::<u64>().context("not a number of steps")?,
            Err(why) => bail!("{why:#}\n{}", std::fs::read_to_string(&said).unwrap_or_default()),
        };
        let text = std::fs::read_to_string(&file).context("what callgrind wrote")?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: u64 = total.context("callgrind gave no total")?.trim().parse()?;
        ensure!(total > 0, "nothing was counted: is there no function {REGION}?");
        let functions = if functions { by_function(&file, steps)? } else { Vec::new() };
        Ok(Counted { instructions: total / steps, functions })
    }

    /// Counts many, on as many threads as there are processors; gives what came of each.
    pub fn count_all(&self, names: &[&str]) -> Result<Vec<u64>> {
        let figures = Mutex::new(vec![Ok(0); names.len()]);
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(name) = names.get(number) else { return };
                        let counted = self.count(name, false, None);
                        figures.lock().expect("no panic with the lock held")[number] = counted
                            .map(|counted| counted.instructions)
                            .map_err(|why| format!("{name}: {why:#}"));
                    }
                });
            }
        });
        let figures = figures.into_inner().expect("no panic with the lock held");
        figures.into_iter().map(|figure| figure.map_err(anyhow::Error::msg)).collect()
    }
}

impl Compiler {
    /// The one that is used here.
    pub fn here() -> Result<Compiler> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let text = output(Command::new(rustc).arg("--version"))?;
        let version: Vec<_> = text.split_whitespace().take(2).collect();
        Ok(Compiler(format!("{}, {}", version.join(" "), std::env::consts::ARCH)))
    }

    /// Whether figures of the two can be compared at all.
    pub fn is_for_the_same_processor(&self, other: &Compiler) -> bool {
        let arch = |of: &Compiler| of.0.split(", ").nth(1).map(str::to_string);
        arch(self) == arch(other)
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Figures, as they are committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Who made what was counted.
    pub compiler: Compiler,
    /// Names of scenarios, and instructions of a step.
    pub rows: Vec<(String, u64)>,
}

impl Table {
    /// What was committed.
    pub fn read(text: &str) -> Result<Table> {
        let mut lines = text.lines();
        let first = lines.next().and_then(|line| line.strip_prefix("Instructions of a step, "));
        let compiler = Compiler(first.context("no heading")?.to_string());
        let row = |line: &str| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_string(), words.next()?.parse().ok()?))
        };
        let rows = lines.filter(|line| !line.is_empty());
        let rows = rows.map(|line| row(line).with_context(|| format!("not a row: {line}")));
        Ok(Table { compiler, rows: rows.collect::<Result<_>>()? })
    }

    /// The figure of a scenario.
    pub fn figure(&self, name: &str) -> Option<u64> {
        self.rows.iter().find(|(row, _)| row == name).map(|(_, figure)| *figure)
    }
}

/// As [`Table::read`] reads it.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Instructions of a step, {}\n", self.compiler)?;
        for (name, figure) in &self.rows {
            let about = crate::find(name).map_or("", |scenario| scenario.about);
            writeln!(f, "{name:<20} {figure:>9}  {about}")?;
        }
        Ok(())
    }
}

/// What `callgrind_annotate` says of a file: instructions of a step in each function itself.
fn by_function(file: &Path, steps: u64) -> Result<Vec<(u64, String)>> {
    let mut annotate = Command::new("callgrind_annotate");
    let text = output(annotate.args(["--threshold=100", "--auto=no"]).arg(file))?;
    // `45,824 ( 6.77%)  ???:tcp::fsm::segment_arrives [/path/of/the/program]`
    let row = |line: &str| {
        let (count, rest) = line.trim_start().split_once(" (")?;
        let (_, place) = rest.split_once("%)  ")?;
        let place = place.rsplit_once(" [").map_or(place, |(place, _)| place);
        let (_, function) = place.split_once(':')?;
        let count: u64 = count.replace(',', "").parse().ok()?;
        Some((count / steps, function.to_string()))
    };
    Ok(text.lines().filter_map(row).collect())
}

/// A directory that is removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Scratch> {
        let dir = std::env::temp_dir().join(format!("tapip-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a program to its end, and gives what it printed.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().with_context(|| name.clone())?;
    if !done.status.success() {
        let mut why = format!("{name}: {}", done.status);
        write!(why, "\n{}", String::from_utf8_lossy(&done.stderr))?;
        bail!(why);
    }
    Ok(String::from_utf8(done.stdout)?)
}
