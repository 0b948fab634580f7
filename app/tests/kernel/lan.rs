//! A LAN for one test: this process's namespace is the host, another one has the gateway and,
//! behind it, a network that is reached by it alone.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far beyond what a loaded machine needs, so that only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The host's NIC is `eth0`, the gateway's `lan0`.
pub(crate) struct Lan {
    gateway: Namespace,
    state: PathBuf,
}

/// A network namespace beside this process's.
pub(crate) struct Namespace {
    /// Keeps it: ends with its input.
    keeper: Child,
}

impl Namespace {
    pub(crate) fn new() -> Namespace {
        let mut keeper = Command::new("unshare")
            .args(["-n", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare runs");
        let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
        let theirs = format!("/proc/{}/ns/net", keeper.id());
        let deadline = Instant::now() + PATIENCE;
        while std::fs::read_link(&theirs).is_ok_and(|link| link == ours) {
            assert!(Instant::now() < deadline, "no new namespace");
            assert!(keeper.try_wait().unwrap().is_none(), "no new namespace");
            std::thread::sleep(Duration::from_millis(5));
        }
        Namespace { keeper }
    }

    /// A command in it.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.keeper.id().to_string(), "-n"]).args(line.split(' '));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command in it, which must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        done(line, self.command(line).output().unwrap())
    }

    /// Takes an interface of this process's namespace into it, where it is up with the address
    /// `addr`.
    pub(crate) fn take(&self, name: &str, addr: &str) {
        let taken = Command::new("ip")
            .args(["link", "set", name, "netns", &self.keeper.id().to_string()])
            .output();
        done("ip link set netns", taken.unwrap());
        self.run(&format!("ip address add {addr} dev {name}"));
        self.run(&format!("ip link set {name} up"));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The address behind the gateway.
pub(crate) const BEYOND: &str = "192.0.2.9";

impl Lan {
    /// With one address and a default route.
    pub(crate) fn plain(test: &str) -> Lan {
        let lan = Lan::bare(test);
        lan.host("ip address add 10.9.0.2/24 broadcast + dev eth0");
        lan.host("ip route add default via 10.9.0.1");
        lan
    }

    /// With addresses and routes of every kind that this kernel has.
    pub(crate) fn rich(test: &str) -> Lan {
        let lan = Lan::plain(test);
        for line in RICH.lines().map(str::trim).filter(|line| !line.is_empty()) {
            lan.host(&format!("ip {line}"));
        }
        lan
    }

    fn bare(test: &str) -> Lan {
        let state = std::env::temp_dir().join(format!("tapip-lan-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&state).unwrap();
        let lan = Lan { gateway: Namespace::new(), state };
        let peer = lan.gateway.keeper.id();
        lan.host(&format!(
            "ip link add eth0 address 02:00:00:00:aa:01 type veth peer name lan0 netns {peer}"
        ));
        lan.host("ip link set eth0 up");
        lan.there("ip link set lo up");
        lan.there("ip link set lan0 up");
        lan.there("ip address add 10.9.0.1/24 broadcast + dev lan0");
        lan.there(&format!("ip address add {BEYOND}/32 dev lo"));
        lan.there("ip -6 address add 2001:db8::1/64 dev lan0 nodad");
        lan.host("ip -6 address add 2001:db8::2/64 dev eth0 nodad");
        // Until its detection of duplicates is over, what is printed of an address changes.
        lan.wait("the link-local address", || {
            let text = lan.host("ip -6 address show dev eth0 scope link");
            text.contains("fe80:") && !text.contains("tentative")
        });
        lan
    }

    /// `tapip ARGS` on the host.
    pub(crate) fn tapip(&self, args: &[&str]) -> Command {
        let me = std::env::current_exe().unwrap();
        let binary = me.parent().and_then(Path::parent).expect("target/PROFILE/deps").join("tapip");
        let mut command = Command::new(binary);
        command.args(args).current_dir(&self.state).stdin(Stdio::null());
        command.env("TAPIP_STATE_DIR", &self.state).env("XDG_RUNTIME_DIR", &self.state);
        command.env_remove("SUDO_UID");
        command
    }

    /// Runs `tapip ARGS` and expects that it succeeds; gives what it printed.
    pub(crate) fn expect(&self, args: &[&str]) -> String {
        done(&format!("tapip {args:?}"), self.tapip(args).output().unwrap())
    }

    /// Runs `tapip ARGS` and expects that it fails; gives its complaint.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.tapip(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "tapip {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs a command on the host, which must succeed.
    pub(crate) fn host(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        done(line, command.args(words).output().unwrap())
    }

    /// A command on the LAN.
    pub(crate) fn on_lan(&self, line: &str) -> Command {
        self.gateway.command(line)
    }

    /// Runs a command on the LAN, which must succeed.
    pub(crate) fn there(&self, line: &str) -> String {
        self.gateway.run(line)
    }

    pub(crate) fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "{what} never came");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `ip -j` prints of `link`'s addresses and of all routes, a line each, without what
    /// passes: remaining lifetimes are there or not.
    pub(crate) fn picture(&self, link: &str) -> Vec<String> {
        let read = |line: &str| -> Vec<serde_json::Value> {
            serde_json::from_str(&self.host(line)).unwrap_or_default()
        };
        let mut lines = Vec::new();
        for info in read(&format!("ip -j address show dev {link}")) {
            lines.extend(info["addr_info"].as_array().into_iter().flatten().cloned());
        }
        for family in ["-4", "-6"] {
            lines.extend(read(&format!("ip {family} -d -j route show table all")));
        }
        let settled = |mut line: serde_json::Value| {
            for passing in ["valid_life_time", "preferred_life_time", "expires"] {
                if let Some(value) = line.get_mut(passing) {
                    *value = (*value == u64::from(u32::MAX)).into();
                }
            }
            line.to_string()
        };
        lines.into_iter().map(settled).collect()
    }

    pub(crate) fn links(&self) -> Vec<String> {
        let text = self.host("ip -o link show");
        let name = |line: &str| line.split(": ").nth(1).map(str::to_string);
        text.lines().filter_map(name).collect()
    }

    /// Where the journals are.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.state).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect()
    }

    /// A directory of the test's own.
    pub(crate) fn directory(&self) -> &Path {
        &self.state
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

fn done(what: &str, output: Output) -> String {
    let (stdout, stderr) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {stderr}");
    String::from_utf8_lossy(stdout).into_owned()
}

const RICH: &str = "
    address add 10.9.0.3/24 dev eth0 label eth0:1
    address add 10.9.1.2/24 broadcast + dev eth0 valid_lft 3600 preferred_lft 1800 metric 300
    address add 10.50.0.1 peer 10.50.0.2/32 dev eth0
    address add 169.254.3.3/16 dev eth0 scope link noprefixroute
    -6 address add 2001:db8::3/64 dev eth0 nodad
    -6 address change 2001:db8::3/64 dev eth0
    -6 address add 2001:db8:1::2/64 dev eth0 nodad valid_lft 3600 preferred_lft 1800
    -6 address add 2001:db8::9 peer 2001:db8::10 dev eth0 nodad noprefixroute
    route add default via 10.9.0.1 metric 100 proto dhcp src 10.9.0.3
    route add default via 10.9.7.1 metric 200 onlink dev eth0
    route add 192.168.5.0/24 via 10.9.0.1 table 77 mtu 1300 advmss 1200 initcwnd 10
    route add 192.168.6.0/24 tos 0x10 dev eth0 scope link congctl reno
    route add 172.16.0.0/12 nexthop via 10.9.0.1 weight 2 dev eth0 nexthop via 10.9.0.4 dev eth0
    route add 172.98.0.0/16 nexthop dev lo nexthop via 10.9.0.1 dev eth0
    route add 172.99.0.0/16 via inet6 2001:db8::1 dev eth0
    route add 10.77.0.0/16 dev eth0 proto static mtu 1200 rto_min 100ms quickack 1
    route add blackhole 10.200.0.0/16
    -6 route add default via fe80::1 dev eth0 metric 50 proto ra pref high expires 1000
    -6 route add 2001:db8:5::/48 nexthop via 2001:db8::5 dev eth0 nexthop via 2001:db8::6 dev eth0
    -6 route add 2001:db8:6::/48 from 2001:db8::/32 via 2001:db8::5 dev eth0
    -6 route add 2001:db8:7::/48 dev eth0 src 2001:db8::3 metric 7
    -6 route add 2001:db8:8::/48 via 2001:db8::1
";
