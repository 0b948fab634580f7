//! A dnsmasq that runs as long as a test needs it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tests::must_run;

/// Far beyond what a loaded machine needs, so that only a failure reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ended when dropped.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    /// What it logged so far.
    log: Vec<String>,
    /// How much of it was waited for.
    read: usize,
}

/// Whether dnsmasq is installed; where it must be and is not, the test fails.
pub(crate) fn is_there(test: &str) -> bool {
    let found = Command::new("dnsmasq").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(found || !must_run(), "{test}: dnsmasq is not installed");
    if !found {
        eprintln!("SKIPPED: {test}: dnsmasq is not installed");
    }
    found
}

/// Makes tap0, which outlives the stack: dnsmasq hears nothing of an interface that is gone, not
/// even what came before.
pub(crate) fn add_tap(addrs: &[&str]) {
    let ip = |args: &[&str]| {
        assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
    };
    ip(&["tuntap", "add", "tap0", "mode", "tap"]);
    for addr in addrs {
        ip(&["addr", "add", addr, "dev", "tap0"]);
    }
    ip(&["link", "set", "tap0", "up"]);
}

impl Server {
    /// One that serves tap0 of this namespace, whenever that comes, and reads no file of the
    /// machine's.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Server {
        let mut child = Command::new("dnsmasq")
            // In the foreground, as whoever we are here.
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"])
            .args([
                "--interface=tap0",
                "--bind-dynamic",
                "--log-queries",
                "--log-dhcp",
                "--no-ping",
            ])
            .arg(format!("--dhcp-leasefile={}", dir.join("leases").display()))
            .arg("--pid-file")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dnsmasq starts");
        let log = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Server { child, lines, log: Vec::new(), read: 0 };
        server.wait_for("started, version");
        server
    }

    /// Waits for a line of the log with `text` in it, beyond the one that was waited for last.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.log[self.read..].iter().position(|line| line.contains(text)) {
                self.read += at + 1;
                return self.log[self.read - 1].clone();
            }
            self.read = self.log.len();
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("`{text}` never came"),
                Err(RecvTimeoutError::Disconnected) => panic!("dnsmasq ended before `{text}`"),
            }
        }
    }

    /// How many lines of the log so far have `text` in them.
    pub(crate) fn count(&mut self, text: &str) -> usize {
        self.log.extend(self.lines.try_iter());
        self.log.iter().filter(|line| line.contains(text)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.log.extend(self.lines.try_iter());
            eprintln!("--- dnsmasq's log\n{}", self.log.join("\n"));
        }
    }
}
