//! The `tapip` command as a person or a script calls it, on `--link sim`, which needs nothing of
//! the machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far beyond what a loaded machine needs, so that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// An empty working directory, so that no tapip.toml of somebody else's is read.
fn directory(test: &str) -> Directory {
    let dir = std::env::temp_dir().join(format!("tapip-cli-{test}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    Directory(dir)
}

/// Removed when dropped.
struct Directory(PathBuf);

impl std::ops::Deref for Directory {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Beside this test, wherever the tree was copied since it was built.
fn binary() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    me.parent().and_then(Path::parent).expect("target/PROFILE/deps").join("tapip")
}

/// `tapip ARGS` in `dir`, with the instances of `dir` alone.
fn tapip(dir: &Path, args: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(binary());
    command.current_dir(dir).env("XDG_RUNTIME_DIR", dir).args(args).timeout(PATIENCE);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn layers_lists_each_layer_with_its_default() {
    let dir = directory("layers");
    let output = tapip(&dir, &["layers"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    let mut layer = "";
    let mut seen = Vec::new();
    for row in text.lines() {
        // A layer's first row begins with its name, and is the default.
        if !row.starts_with(' ') {
            layer = row.split(' ').next().unwrap();
        }
        assert_eq!(row.ends_with("(default)"), !row.starts_with(' '), "{row}");
        // What the list calls an implementation is what the option takes.
        let name = row[layer.len() * usize::from(!row.starts_with(' '))..].trim_start();
        let name = name.split(' ').next().unwrap();
        let args = ["--link", "sim", &format!("--{layer}"), name, "-c", "help"];
        tapip(&dir, &args).assert().success();
        seen.push(layer);
    }
    for layer in ["arp", "ip", "icmp", "udp", "tcp", "cc", "recovery", "reassembly", "rtt"] {
        let count = seen.iter().filter(|other| **other == layer).count();
        assert!(count >= 2, "{layer} has {count} implementations: {text}");
    }
}

#[test]
fn help_knows_every_command_and_option() {
    let dir = directory("help");
    let text = stdout(tapip(&dir, &["--help"]).assert().success().get_output());
    for word in ["run", "host", "layers", "--link", "--config", "--loss", "--tcp", "-c"] {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
    for command in ["run", "host", "layers"] {
        let args = ["help", command];
        assert!(stdout(tapip(&dir, &args).assert().success().get_output()).contains("Usage"));
    }
    let version = stdout(tapip(&dir, &["--version"]).assert().success().get_output());
    assert_eq!(version.trim(), format!("tapip {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn host_without_an_instance_says_what_to_do() {
    let dir = directory("host");
    let output = tapip(&dir, &["host", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("start one with `tapip` first"), "{output:?}");
    let output = tapip(&dir, &["host", "--name", "lab", "--", "true"]).output().unwrap();
    assert!(!output.status.success() && stderr(&output).contains("`lab`"), "{output:?}");
    // Without a command it is a usage error, and the usage is shown.
    let output = tapip(&dir, &["host"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("Usage"), "{output:?}");
}

#[test]
fn the_file_is_read_and_the_command_line_wins() {
    let dir = directory("config");
    let ifconfig = |args: &[&str]| {
        let output = tapip(&dir, &[args, &["-c", "ifconfig"]].concat()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        stdout(&output)
    };
    fs::write(dir.join("tapip.toml"), "link = 'sim'\naddr = '10.7.0.1/24'\nmtu = 1300\n").unwrap();
    fs::write(dir.join("other.toml"), "link = 'sim'\nmac = '02:00:00:00:00:77'\n").unwrap();
    let usual = ifconfig(&[]);
    assert!(usual.contains("10.7.0.1") && usual.contains("mtu 1300"), "{usual}");
    let won = ifconfig(&["--mtu", "900"]);
    assert!(won.contains("10.7.0.1") && won.contains("mtu 900"), "{won}");
    // --config is instead of the usual file, not beside it.
    let other = ifconfig(&["run", "--config", "other.toml"]);
    assert!(other.contains("10.0.0.1") && other.contains("02:00:00:00:00:77"), "{other}");
    assert!(!other.contains("mtu 1300"), "{other}");
}

#[test]
fn bad_words_are_named() {
    let dir = directory("bad-words");
    fs::write(dir.join("key.toml"), "mtu = 1400\nhost-adr = '10.0.0.2/24'\n").unwrap();
    fs::write(dir.join("value.toml"), "link = 'sim'\n\nmtu = 'big'\n").unwrap();
    for (args, expected) in [
        (&["--config", "key.toml"][..], &["key.toml", "line 2", "host-adr", "host-addr"][..]),
        (&["--config", "value.toml"], &["value.toml", "line 3", "big"]),
        (&["--config", "missing.toml"], &["missing.toml"]),
        (&["--link", "eth0"], &["eth0", "tap:NAME"]),
        (&["--link", "sim", "--tcp", "none"], &["--tcp", "none", "rfc9293"]),
        (&["--link", "sim", "--recovery", "luck"], &["--recovery", "luck", "rack, sack, newreno"]),
        (&["--link", "sim", "--tcp", "small", "--rtt", "fixed"], &["--tcp small", "--rtt fixed"]),
        (&["--link", "sim", "--arp", "none"], &["--arp", "none", "static"]),
        (&["--link", "sim", "--loss", "many"], &["--loss", "many"]),
        (&["--link", "sim", "--addr", "10.0.0.1"], &["--addr", "10.0.0.1"]),
        (&["--link", "sim", "--pcap", "no/such/dir"], &["--pcap", "no/such/dir"]),
        (&["--link", "sim", "--debug", "everything"], &["everything"]),
        (&["--link", "tap:a-name-that-is-too-long-for-linux"], &["tap"]),
        (&["--nonsense"], &["--nonsense", "Usage"]),
        (&["nonsense"], &["nonsense", "Usage"]),
    ] {
        let output = tapip(&dir, args).output().unwrap();
        let said = stderr(&output);
        assert!(!output.status.success(), "{args:?} was taken");
        assert!(expected.iter().all(|word| said.contains(word)), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn the_exit_status_is_the_last_commands() {
    let dir = directory("status");
    for (script, status) in [
        ("ping -c 1 10.0.0.2", 0),
        ("ping -c 1 -W 1 10.0.0.99", 1),
        ("nonsense", 127),
        ("nonsense; ping -c 1 10.0.0.2", 0),
        ("ping --nonsense", 2),
        ("exit 7", 7),
        ("exit 7; ping -c 1 10.0.0.2", 7),
    ] {
        let output = tapip(&dir, &["--link", "sim", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{script}: {output:?}");
    }
}

#[test]
fn commands_come_on_standard_input_without_a_terminal() {
    let dir = directory("stdin");
    let lines = "ping -c 1 10.0.0.2\narpcache; nonsense\n";
    let output = tapip(&dir, &["--link", "sim"]).write_stdin(lines).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("1 packets transmitted, 1 received"), "{text}");
    assert!(text.contains("02:00:00:00:00:02"), "{text}");
    assert!(!text.contains("[net shell]"), "a prompt without a terminal: {text}");
    // Nothing to do is nothing wrong.
    tapip(&dir, &["--link", "sim"]).write_stdin("").assert().success();
}

#[test]
fn a_trace_has_a_line_for_every_packet_on_standard_error() {
    let dir = directory("trace");
    let args = ["--link", "sim", "--trace", "-c", "ping -c 1 10.0.0.2"];
    let output = tapip(&dir, &args).output().unwrap();
    let trace = stderr(&output);
    let lines = [
        "Out ARP, request who-has 10.0.0.2 tell 10.0.0.1",
        "In  ARP, reply 10.0.0.2 is-at 02:00:00:00:00:02",
        "Out IP 10.0.0.1 > 10.0.0.2: ICMP echo request",
        "In  IP 10.0.0.2 > 10.0.0.1: ICMP echo reply",
    ];
    let places: Vec<_> = lines.iter().map(|line| trace.find(line)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{trace}");
    assert!(!stdout(&output).contains("who-has"), "{output:?}");
}

#[test]
fn a_capture_opens_in_tshark_and_says_what_a_fault_did() {
    let dir = directory("pcap");
    // Everything sent is doubled; what comes back is untouched.
    let args = ["--link", "sim", "--pcap", "out.pcapng", "--dup", "100%/0%", "--seed", "1"];
    let args = [&args[..], &["-c", "ping -c 2 -i 0.1 10.0.0.2"]].concat();
    tapip(&dir, &args).assert().success();
    let fields = ["-T", "fields", "-E", "separator=,", "-e", "_ws.col.Protocol"];
    let fields = [&fields[..], &["-e", "icmp.type", "-e", "frame.comment"]].concat();
    let tshark = Command::new("tshark")
        .args(["-n", "-r", "out.pcapng"])
        .args(fields)
        .current_dir(&*dir)
        .output();
    let output = match tshark {
        Ok(output) => output,
        Err(why) if std::env::var_os("TAPIP_REQUIRE_NET").is_some_and(|value| value != "0") => {
            panic!("tshark is required and cannot be run: {why}")
        }
        Err(why) => {
            eprintln!("SKIPPED: a_capture_opens_in_tshark: tshark cannot be run: {why}");
            return;
        }
    };
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    let count = |row: &str| text.lines().filter(|line| *line == row).count();
    // Two requests, each sent twice and so answered twice.
    assert_eq!((count("ICMP,8,"), count("ICMP,8,duplicated")), (2, 2), "{text}");
    assert_eq!((count("ICMP,0,"), count("ARP,,duplicated")), (4, 1), "{text}");
}

#[test]
fn sigterm_and_sigint_end_a_waiting_program_in_order() {
    let dir = directory("signals");
    for signal in ["TERM", "INT", "HUP"] {
        let mut waiting = Waiting::start(&dir);
        waiting.signal(signal);
        let (code, said) = waiting.end();
        assert_eq!(code, Some(0), "{signal}: {said}");
        assert!(!said.contains("nonsense"), "{signal}: what follows `wait` was run: {said}");
    }
}

/// A `tapip` that waits for a signal.
struct Waiting {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Waiting {
    fn start(dir: &Path) -> Waiting {
        let mut child = Command::new(binary())
            .args(["--link", "sim", "-c", "serve echo 7; wait; nonsense"])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // By then signals are caught: one that comes before `wait` does ends it as well.
        while !line.contains("serve echo 7") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "tapip ended");
        }
        Waiting { child, stdout }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Its exit status, and what else it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "tapip does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_error_says_its_cause_once() {
    let dir = directory("once");
    for args in [["--pcap", "missing/x"], ["--link", "unix:missing/x"]] {
        let output = tapip(&dir, &args).args(["-c", "help"]).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        let text = stderr(&output);
        assert_eq!(text.matches("os error 2").count(), 1, "{text}");
        assert!(text.contains("missing/x") && text.contains("must exist"), "{text}");
    }
}

#[test]
fn a_resolver_that_asks_nobody_knows_the_other_end_of_sim() {
    let dir = directory("sim-static");
    let args = ["--link", "sim", "--arp", "static", "-c", "ping -c 1 10.0.0.2"];
    let output = tapip(&dir, &args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// `yes ping | tapip | head -1` would go on for ever.
#[test]
fn a_reader_that_has_gone_ends_the_commands() {
    let dir = directory("unread");
    let endless = "ping -i 0.01 10.0.0.2\n".repeat(3);
    for script in [&endless, "ping -c 1 10.0.0.2; serve echo 70; ping -i 0.01 10.0.0.2; wait"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tapip"))
            .current_dir(&*dir)
            .env("XDG_RUNTIME_DIR", &*dir)
            .args(["--link", "sim", "-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut first).unwrap();
        assert!(first.starts_with("PING 10.0.0.2"), "{first}");
        drop(out);
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("it goes on without a reader");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn defaults_of_tcp_come_from_the_file_and_the_command_line() {
    let dir = directory("tcp-defaults");
    let run = |args: &[&str]| {
        let args = [&["--link", "sim"], args, &["-c", "stat"]].concat();
        tapip(&dir, &args).output().unwrap()
    };
    assert!(run(&["--tcp-set", "rto-min=50ms", "--tcp-set", "retries=7"]).status.success());
    let wrong = run(&["--tcp-set", "retires=7"]);
    assert!(!wrong.status.success() && stderr(&wrong).contains("unknown field"), "{wrong:?}");
    let wrong = run(&["--tcp", "small", "--tcp-set", "retries=7"]);
    assert!(!wrong.status.success() && stderr(&wrong).contains("small"), "{wrong:?}");
    fs::write(dir.join("tapip.toml"), "seed = 1\n\n[tcp-defaults]\nretries = 7\nrto-min = 1\n")
        .unwrap();
    let wrong = run(&[]);
    let said = stderr(&wrong);
    assert!(!wrong.status.success() && said.contains("line 5"), "{said}");
    // What the rules say is held against the file and the command line together.
    fs::write(dir.join("tapip.toml"), "[tcp-defaults]\nrto-max = '10ms'\n").unwrap();
    assert!(stderr(&run(&[])).contains("rto-min"));
    assert!(run(&["--tcp-set", "rto-min=5ms", "--tcp-set", "rto-initial=5ms"]).status.success());
}
