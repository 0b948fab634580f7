//! A running `tapip`, driven through its standard input.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// A `tapip` in a namespace of its own, with its shell on a pipe.
pub struct Instance {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Text,
    stderr: Text,
    name: String,
    read: usize,
    marks: u32,
}

/// What a program at the kernel's end printed.
#[derive(Debug)]
pub struct Output {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its exit status; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The longest that anything here waits: far beyond what a loaded machine needs, so that only a
/// hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

impl Instance {
    /// Starts `tapip` with `args` on the default link. `None`, and a loud line, where this
    /// machine has no namespaces; a failure instead where they are required
    /// (`TAPIP_REQUIRE_NET=1`).
    pub fn start(test: &str, args: &[&str]) -> Option<Instance> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}-{number}", std::process::id());
        let mut child = Command::new(binary())
            .args(["run", "--name", &name])
            .args(args)
            // A tapip.toml in the working directory would be read.
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tapip starts");
        let mut instance = Instance {
            stdin: child.stdin.take(),
            stdout: Text::of(child.stdout.take().unwrap()),
            stderr: Text::of(child.stderr.take().unwrap()),
            child,
            name,
            read: 0,
            marks: 0,
        };
        match instance.try_run("!true") {
            Ok(_) => Some(instance),
            Err(why) if must_run() => panic!("{test}: tapip did not start: {why}"),
            Err(why) => {
                eprintln!("SKIPPED: {test}: tapip did not start: {why}");
                None
            }
        }
    }

    /// The same for a test that runs `tools` at the kernel's end: where one is not installed, the
    /// test is skipped in the same way.
    pub fn start_with(test: &str, tools: &[&str], args: &[&str]) -> Option<Instance> {
        let missing = |tool: &&&str| {
            let find = format!("command -v {tool}");
            let found = Command::new("sh").args(["-c", &find]).stdout(Stdio::null()).status();
            !found.is_ok_and(|status| status.success())
        };
        match tools.iter().find(missing) {
            None => Instance::start(test, args),
            Some(tool) if must_run() => panic!("{test}: {tool} is not installed"),
            Some(tool) => {
                eprintln!("SKIPPED: {test}: {tool} is not installed");
                None
            }
        }
    }

    /// Runs one line in the shell and gives what it printed.
    pub fn run(&mut self, line: &str) -> String {
        self.try_run(line).unwrap_or_else(|why| panic!("`{line}`: {why}"))
    }

    fn try_run(&mut self, line: &str) -> Result<String, String> {
        self.marks += 1;
        // `!` runs at the kernel's end, after `line` has ended: its output marks that point.
        let mark = format!("---mark-{}---", self.marks);
        let stdin = self.stdin.as_mut().expect("the shell's input is open");
        let sent = stdin.write_all(format!("{line}\n!echo {mark}\n").as_bytes());
        if let Err(error) = sent {
            std::thread::sleep(Duration::from_millis(100));
            return Err(format!("{error}; it said: {}", self.stderr.get()));
        }
        let Some(end) = self.stdout.wait_for(self.read, &mark) else {
            return Err(format!(
                "no answer; stdout: {}; stderr: {}",
                &self.stdout.get()[self.read..],
                self.stderr.get()
            ));
        };
        let text = self.stdout.get();
        let output = text[self.read..end - mark.len()].to_string();
        self.read = end;
        Ok(output)
    }

    /// Sends a line, in one piece, without waiting for what it does.
    pub fn send(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).expect("the shell reads");
    }

    /// Waits until the shell has printed `text`, beyond what was read so far; gives what came
    /// until there.
    pub fn wait_for(&mut self, text: &str) -> String {
        let Some(end) = self.stdout.wait_for(self.read, text) else {
            panic!(
                "`{text}` never came; stdout: {}; stderr: {}",
                &self.stdout.get()[self.read..],
                self.stderr.get()
            );
        };
        let output = self.stdout.get()[self.read..end].to_string();
        self.read = end;
        output
    }

    /// A command at the kernel's end of the link, to be configured further.
    pub fn host_command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(["host", "--name", &self.name, "--", program]).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program at the kernel's end of the link until it ends.
    pub fn host(&self, program: &str, args: &[&str]) -> Output {
        let output = self.host_command(program, args).output().expect("tapip host runs");
        Output {
            success: output.status.success(),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Everything it wrote to standard error: logs and traces.
    pub fn log(&self) -> String {
        self.stderr.get()
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes the shell's input and waits for the end; gives the exit status.
    pub fn finish(mut self) -> i32 {
        self.stdin = None;
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "tapip does not end; it said {}", self.stderr.get());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- tapip's standard output\n{}", self.stdout.get());
            eprintln!("--- tapip's standard error\n{}", self.stderr.get());
        }
    }
}

/// Text that a thread collects from a pipe.
#[derive(Clone)]
struct Text(Arc<(Mutex<(String, bool)>, Condvar)>);

impl Text {
    fn of(mut pipe: impl std::io::Read + Send + 'static) -> Text {
        let text = Text(Arc::new((Mutex::new((String::new(), false)), Condvar::new())));
        let ours = text.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let n = pipe.read(&mut buffer).unwrap_or(0);
                let mut state = ours.0.0.lock().unwrap();
                state.0.push_str(&String::from_utf8_lossy(&buffer[..n]));
                state.1 = n == 0;
                ours.0.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        text
    }

    fn get(&self) -> String {
        self.0.0.lock().unwrap().0.clone()
    }

    /// Where `what` ends, the first time from `from` on; `None` where the pipe ended, or nothing
    /// came for too long.
    fn wait_for(&self, from: usize, what: &str) -> Option<usize> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0.0.lock().unwrap();
        loop {
            if let Some(at) = state.0[from..].find(what) {
                return Some(from + at + what.len());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            if state.1 {
                return None;
            }
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
    }
}

/// Whether tests that need a namespace must run: then skipping one is a failure.
pub fn must_run() -> bool {
    std::env::var_os("TAPIP_REQUIRE_NET").is_some_and(|value| value != "0")
}

/// The `tapip` binary, built like the test that asks.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let me = std::env::current_exe().expect("the path of this test");
        let dir = me.parent().and_then(Path::parent).expect("target/PROFILE/deps");
        let binary = dir.join("tapip");
        // `cargo test -p tests` alone does not build the binary of another package. Where
        // `--workspace` has built it, building again would be with other features of the
        // dependencies, and so from the bottom up.
        if modified(&binary).is_none_or(|built| built < newest_source()) {
            build(dir);
        }
        binary
    })
}

fn build(profile: &Path) {
    // As above: cargo says who it is.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--offline", "--package", "app", "--bin", "tapip"]);
    build.arg("--manifest-path").arg(workspace().join("Cargo.toml"));
    build.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    let status = build.status().expect("cargo runs");
    assert!(status.success(), "tapip could not be built");
}

/// The root of this project's tree.
pub fn workspace() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Cargo says at run time where the package is: the tree may have been copied since.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        package.parent().expect("the package is in the workspace").to_path_buf()
    })
}

/// Every Rust source under `dir`.
pub fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap_or_else(|why| panic!("{}: {why}", dir.display())) {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn newest_source() -> SystemTime {
    let of = |package: &str| {
        let mut files = sources(&workspace().join(package).join("src"));
        files.push(workspace().join(package).join("Cargo.toml"));
        files
    };
    let packages = ["netdev", "arp", "ip", "icmp", "udp", "tcp", "socket", "shell", "app"];
    let manifests = ["Cargo.toml", "Cargo.lock"].map(|name| workspace().join(name));
    let all = packages.into_iter().flat_map(of).chain(manifests);
    all.filter_map(|file| modified(&file)).max().expect("sources")
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|facts| facts.modified()).ok()
}

/// `len` bytes that are the same on every run and have no period that a buffer could hide.
pub fn payload(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; len];
    rng.fill(&mut bytes);
    bytes
}

/// A directory for one test, removed when dropped.
pub fn scratch(test: &str) -> Scratch {
    let dir = std::env::temp_dir().join(format!("tapip-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a scratch directory");
    Scratch(dir)
}

/// See [`scratch`].
pub struct Scratch(PathBuf);

impl std::ops::Deref for Scratch {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
