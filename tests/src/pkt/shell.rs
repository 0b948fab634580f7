//! The commands that scripts give to a shell: those that set up a kernel's TCP set up ours; any
//! other makes the script unsupported.

use std::collections::BTreeMap;
use std::time::Duration;

use tcp::{CONGESTION_CONTROLS, Config, EcnMode, KeepAlive, LOSS_RECOVERIES, Setting, Sizes};

use super::options::own_name;
use super::report::{Result, unsupported};

/// What a script's commands have set.
#[derive(Debug)]
pub(super) struct Setup {
    pub config: Config,
    /// Bytes of the link's MTU.
    pub mtu: usize,
    /// What every new socket begins with.
    pub settings: Vec<Setting>,
    pub keep_alive: KeepAlive,
    /// Files of zeros, by their paths.
    pub files: BTreeMap<String, usize>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            // Linux looks for black holes only with `tcp_mtu_probing`.
            config: Config { black_hole: u32::MAX, ..Config::default() },
            mtu: 1500,
            settings: Vec::new(),
            keep_alive: KeepAlive::default(),
            files: BTreeMap::new(),
        }
    }
}

impl Setup {
    /// Runs commands. `running`: the TCP is there already, and only what is so anyway can be set.
    pub(super) fn run(&mut self, line: u32, commands: &str, running: bool) -> Result<()> {
        let before = running.then(|| self.config_text());
        for row in commands.replace("\\\n", " ").lines() {
            // A word that begins with `#` begins a comment.
            let row = match row.trim_start().starts_with('#') {
                true => "",
                false => row.split_once(" #").map_or(row, |(before, _)| before),
            };
            for command in row.split(';').flat_map(|part| part.split("&&")) {
                self.command(line, command.trim())?;
            }
        }
        match before {
            Some(before) if before != self.config_text() => {
                Err(unsupported(line, format!("a setting of the stack in mid-flight: {commands}")))
            }
            _ => Ok(()),
        }
    }

    fn config_text(&self) -> String {
        format!("{:?}", self.config)
    }

    fn command(&mut self, line: u32, command: &str) -> Result<()> {
        let command = without_output(command);
        let words: Vec<&str> = command.split_whitespace().collect();
        let [program, args @ ..] = &words[..] else { return Ok(()) };
        let unknown = || unsupported(line, format!("the command `{command}`"));
        match (program.rsplit('/').next().unwrap_or_default(), args) {
            // What a stack starts with is what this file sets (see `Config::default`).
            ("defaults.sh" | "true" | ":", _) => Ok(()),
            (name, []) if name.starts_with("sysctl_restore") => Ok(()),
            ("set_sysctls.py", args) => args.iter().try_for_each(|arg| {
                let (path, value) = arg.split_once('=').ok_or_else(unknown)?;
                self.sysctl(line, path, value)
            }),
            ("sysctl", args) => self.sysctls(line, args, unknown),
            ("echo", [value @ .., ">", path]) => self.sysctl(line, path, &value.join(" ")),
            // Segments are never longer than the MSS here.
            ("ethtool", ["-K", _, ..]) if args[2..].iter().all(|arg| is_offload(arg)) => Ok(()),
            ("ip", ["tcp_metrics", ..]) => Ok(()),
            ("ip", ["route" | "ro" | "r", "add" | "change" | "replace" | "append", rest @ ..]) => {
                self.route(rest).ok_or_else(unknown)
            }
            ("dd", args) => self.zeros(args).ok_or_else(unknown),
            ("truncate" | "fallocate", ["-s" | "-l", len, path]) => {
                let len = size(len).ok_or_else(unknown)?;
                self.files.insert((*path).to_string(), len);
                Ok(())
            }
            ("rm", args) => {
                for arg in args {
                    self.files.remove(*arg);
                }
                Ok(())
            }
            // They say something, or free something, and change nothing of the TCP.
            ("nstat" | "ss" | "cat" | "sync" | "ulimit" | "date", _) => Ok(()),
            ("ip", ["link", "set", rest @ ..]) => self.mtu(rest).ok_or_else(unknown),
            ("ifconfig", [_, rest @ ..]) => self.mtu(rest).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }

    fn mtu(&mut self, args: &[&str]) -> Option<()> {
        let at = args.iter().position(|arg| *arg == "mtu")?;
        self.mtu = args.get(at + 1)?.parse().ok().filter(|mtu| (68..=65535).contains(mtu))?;
        Some(())
    }

    /// What a route says of the connections along it: `initcwnd 20`, `rto_min 5ms`, `mtu 1300`. The
    /// way itself is always the same.
    fn route(&mut self, args: &[&str]) -> Option<()> {
        let mut words = args.iter();
        while let Some(word) = words.next() {
            match *word {
                "initcwnd" => self.config.initial_window = words.next()?.parse().ok()?,
                "rto_min" => {
                    let time = words.next()?;
                    let millis = time.strip_suffix("ms")?.parse().ok()?;
                    self.config.rto_min = Duration::from_millis(millis);
                }
                "mtu" => {
                    let mtu = words.next().filter(|word| **word != "lock").or_else(|| words.next());
                    self.mtu = mtu?.parse().ok().filter(|mtu| (68..=65535).contains(mtu))?;
                }
                "dev" | "via" | "src" | "proto" | "scope" | "metric" | "table" => {
                    words.next()?;
                }
                word if word.starts_with(|c: char| c.is_ascii_digit()) || word == "default" => {}
                _ => return None,
            }
        }
        Some(())
    }

    /// `dd if=/dev/zero of=/tmp/zeros bs=1M count=5`
    fn zeros(&mut self, args: &[&str]) -> Option<()> {
        let (mut block, mut count, mut path) = (512, 1, None);
        for (name, value) in args.iter().filter_map(|arg| arg.split_once('=')) {
            match name {
                "if" if value == "/dev/zero" => {}
                "bs" => block = size(value)?,
                "count" => count = size(value)?,
                "of" => path = Some(value),
                "status" | "conv" => {}
                _ => return None,
            }
        }
        self.files.insert(path?.to_string(), block * count);
        Some(())
    }

    /// `sysctl -q net.ipv4.tcp_sack=0 net.ipv4.tcp_rmem="1 2 3"`
    fn sysctls(
        &mut self,
        line: u32,
        args: &[&str],
        unknown: impl Fn() -> super::report::Stop,
    ) -> Result<()> {
        let said = args.iter().take_while(|arg| !arg.starts_with('#'));
        let all = said.filter(|arg| !arg.starts_with('-')).copied().collect::<Vec<_>>();
        let all = all.join(" ");
        let mut rest = &all[..];
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (value, next) = match quote {
                Some(quote) => after[1..].split_once(quote).ok_or_else(&unknown)?,
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            self.sysctl(line, name.trim(), value)?;
            rest = next.trim_start();
        }
        if rest.is_empty() { Ok(()) } else { Err(unknown()) }
    }

    fn sysctl(&mut self, line: u32, path: &str, value: &str) -> Result<()> {
        let value = value.trim().trim_matches(['"', '\'']);
        let name = path.rsplit(['/', '.']).next().unwrap_or_default();
        match self.set(name, value) {
            Some(()) => Ok(()),
            None => Err(unsupported(line, format!("the setting {name} = {value}"))),
        }
    }

    /// Sets what a kernel's setting of this name sets; `None` where we have no such thing.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let config = &mut self.config;
        let number = || value.parse::<u32>().ok();
        let flag = || number().map(|value| value != 0);
        let secs = || number().map(|secs| Duration::from_secs(secs.into()));
        match name {
            "tcp_timestamps" => config.timestamps = flag()?,
            "tcp_sack" => config.sack = flag()?,
            "tcp_window_scaling" => config.window_scaling = flag()?,
            "tcp_ecn" => {
                config.ecn = match value {
                    "0" => EcnMode::Off,
                    "1" => EcnMode::On,
                    "2" => EcnMode::Accept,
                    _ => return None,
                };
            }
            "tcp_syncookies" => {
                config.syn_cookies = match value {
                    "0" => false,
                    "1" => true,
                    _ => return None,
                };
            }
            "tcp_min_tso_segs" => config.min_burst = number().filter(|n| *n > 0)?,
            "tcp_slow_start_after_idle" => config.slow_start_after_idle = flag()?,
            "tcp_syn_retries" => config.syn_retries = number()?,
            "tcp_synack_retries" => config.syn_ack_retries = number()?,
            "tcp_retries2" => config.retries = number()?,
            // Linux's 0 is eight.
            "tcp_orphan_retries" => {
                config.orphan_retries = number().map(|n| if n == 0 { 8 } else { n })?;
            }
            "tcp_retries1" => config.retries_told = number()?,
            "tcp_max_tw_buckets" => config.max_time_wait = number()? as usize,
            "tcp_max_orphans" => config.max_orphans = number()? as usize,
            "tcp_min_snd_mss" => config.min_mss = number().and_then(|n| n.try_into().ok())?,
            "min_pmtu" => config.min_path_mtu = number()?,
            "tcp_rto_min_us" => config.rto_min = Duration::from_micros(number()?.into()),
            "tcp_rto_max_ms" => config.rto_max = Duration::from_millis(number()?.into()),
            "tcp_mtu_probing" => {
                config.black_hole = match value {
                    "0" => u32::MAX,
                    "1" => Config::default().black_hole,
                    _ => return None,
                };
            }
            "tcp_dsack" => config.dsack = flag()?,
            // 1 was without SACK's help, which is what a connection without SACK has.
            "tcp_frto" => config.frto = flag()?,
            "tcp_reordering" => config.reordering = number().filter(|n| *n > 0)?,
            // What made retransmissions early (RFC 5827) went with time-based recovery.
            "tcp_early_retrans" => config.tail_loss_probe = matches!(number()?, 3 | 4),
            "tcp_recovery" => {
                let name = match value {
                    "1" => "rack",
                    "0" => "sack",
                    _ => return None,
                };
                config.recovery = tcp::find(LOSS_RECOVERIES, name)?;
            }
            "hystart" => config.hystart = flag()?,
            "tcp_fin_timeout" => config.fin_wait2 = secs()?,
            // The first number is for when memory is short; what can be asked for is another.
            "tcp_wmem" => {
                config.send_buffer = Sizes { min: config.send_buffer.min, ..sizes(value)? };
            }
            "tcp_rmem" => {
                config.receive_buffer = Sizes { min: config.receive_buffer.min, ..sizes(value)? };
            }
            "tcp_challenge_ack_limit" => config.challenge_acks = number()?,
            "tcp_max_syn_backlog" => config.syn_queue = number()? as usize,
            "somaxconn" => config.max_backlog = number()? as usize,
            "tcp_congestion_control" => {
                config.congestion = tcp::find(CONGESTION_CONTROLS, own_name(value))?;
            }
            "tcp_notsent_lowat" => {
                let bytes = value.parse::<i64>().ok()?;
                // -1, which is also 4294967295, is "no limit".
                let bytes = usize::try_from(bytes).ok().filter(|n| *n < u32::MAX as usize);
                self.settings.push(Setting::NotSentLowat(bytes.unwrap_or(usize::MAX)));
            }
            "tcp_keepalive_time" => self.keep_alive.idle = secs()?,
            "tcp_keepalive_intvl" => self.keep_alive.interval = secs()?,
            "tcp_keepalive_probes" => self.keep_alive.count = number()?,
            // How a kernel cuts its work up, which nobody sees on the wire once segments are
            // joined; and what it remembers from other connections, of which there are none.
            "tcp_tso_win_divisor"
            | "tcp_tso_rtt_log"
            | "tcp_mem"
            | "tcp_limit_output_bytes"
            | "tcp_autocorking"
            | "tcp_no_metrics_save"
            | "tcp_no_ssthresh_metrics_save"
            // Beyond what any script sends, or of things that are switched on elsewhere.
            | "rmem_max"
            | "wmem_max"
            | "optmem_max"
            | "tcp_adv_win_scale"
            | "tcp_app_win"
            | "tcp_fastopen"
            | "tcp_low_latency"
            | "tcp_max_reordering"
            | "tcp_base_mss"
            | "tcp_mtu_probe_floor"
            | "tcp_probe_interval"
            | "tcp_probe_threshold"
            | "tcp_pacing_ss_ratio"
            | "tcp_pacing_ca_ratio"
            | "tcp_backlog_ack_defer"
            | "tcp_comp_sack_nr"
            | "tcp_comp_sack_delay_ns"
            | "tcp_comp_sack_slack_ns"
            | "hystart_low_window"
            | "ip_local_port_range"
            | "mtu_expires" => {}
            // What we always do, and have no switch for.
            _ if ALWAYS.contains(&(name, value)) => {}
            _ => return None,
        }
        Some(())
    }
}

/// Settings that are always so here.
const ALWAYS: &[(&str, &str)] = &[
    ("tcp_fack", "0"),
    ("tcp_rfc1337", "1"),
    ("tcp_syn_linear_timeouts", "0"),
    ("tcp_shrink_window", "0"),
    ("tcp_workaround_signed_windows", "0"),
    ("tcp_pingpong_thresh", "1"),
    ("tcp_ecn_fallback", "1"),
    ("tcp_thin_dupack", "0"),
    ("ip_no_pmtu_disc", "0"),
    ("tcp_tw_reuse", "0"),
    ("tcp_plb_enabled", "0"),
    ("tcp_moderate_rcvbuf", "1"),
    ("tcp_stdurg", "0"),
    ("tcp_abort_on_overflow", "0"),
    ("tcp_thin_linear_timeouts", "0"),
    ("tcp_retrans_collapse", "0"),
    ("tcp_invalid_ratelimit", "500"),
    // HyStart by delay, or with both detectors.
    ("hystart_detect", "2"),
    ("hystart_detect", "3"),
];

/// `4096 131072 6291456`
fn sizes(value: &str) -> Option<Sizes> {
    let mut numbers = value.split_whitespace().map(|word| word.parse().ok());
    let sizes = Sizes { min: numbers.next()??, default: numbers.next()??, max: numbers.next()?? };
    let ordered = sizes.min <= sizes.max && numbers.next().is_none();
    ordered.then_some(sizes)
}

/// A command without what becomes of its output.
fn without_output(command: &str) -> &str {
    let ends = ["> /dev/null", ">/dev/null", "&> /dev/null", "2>&1", "2>/dev/null", "2> /dev/null"];
    let mut rest = command;
    while let Some(shorter) = ends.iter().find_map(|end| rest.strip_suffix(end)) {
        rest = shorter.trim_end();
    }
    rest
}

/// `1000`, `64K`, `1M`
fn size(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "c" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "KB" | "kB" => 1000,
        "M" | "MiB" => 1 << 20,
        "MB" => 1_000_000,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

fn is_offload(word: &str) -> bool {
    matches!(
        word,
        "tso" | "gso" | "gro" | "lro" | "sg" | "tx" | "rx" | "ufo" | "rx-gro-hw" | "on" | "off"
    )
}
