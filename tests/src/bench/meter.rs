//! What was used between two moments: of the stack's process, and of the machine by others.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use super::sys;

/// A moment, and what had been used until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    at: Instant,
    stack: Duration,
    client: Duration,
    machine: Machine,
}

/// The first line of /proc/stat, in seconds.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
struct Machine {
    busy: f64,
    steal: f64,
}

/// What was used between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Used {
    /// The time between.
    pub(super) time: Duration,
    /// What the stack's process had of the processors.
    pub(super) stack: Duration,
    /// What others had of one processor: neither the stack nor the client; a share of the time.
    pub(super) others: f64,
    /// What the machine's host took from one processor; a share of the time.
    pub(super) steal: f64,
}

/// Above this share of one processor a measurement is called noisy. The kernel's own threads, which
/// work for the packets too, are among the others, and stay below.
const NOISE: f64 = 0.15;

impl Used {
    /// Whether the machine had something else to do.
    pub(super) fn is_noisy(&self) -> bool {
        self.others > NOISE || self.steal > NOISE
    }
}

/// Reads for a stack, which is a process, and the client, which is the calling process.
pub(super) fn read(stack: u32) -> io::Result<Reading> {
    let machine = fs::read_to_string("/proc/stat")?;
    let per_second = sys::ticks_per_second();
    Ok(Reading {
        at: Instant::now(),
        stack: sys::processor_time(stack)?,
        client: sys::processor_time(std::process::id())?,
        machine: machine_of(&machine, per_second).unwrap_or_default(),
    })
}

/// `cpu user nice system idle iowait irq softirq steal ..`, all in ticks.
fn machine_of(stat: &str, per_second: f64) -> Option<Machine> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    let busy = user + nice + system + irq + softirq;
    Some(Machine { busy: busy / per_second, steal: steal / per_second })
}

impl Reading {
    /// What was used until `end`.
    pub(super) fn until(&self, end: &Reading) -> Used {
        let time = end.at - self.at;
        let stack = end.stack.saturating_sub(self.stack);
        let ours = stack + end.client.saturating_sub(self.client);
        let busy = end.machine.busy - self.machine.busy;
        let share = |seconds: f64| (seconds / time.as_secs_f64().max(1e-9)).max(0.0);
        Used {
            time,
            stack,
            others: share(busy - ours.as_secs_f64()),
            steal: share(end.machine.steal - self.machine.steal),
        }
    }
}

/// A number of kibibytes out of /proc/PID/status: `VmRSS` is what a process has in memory now,
/// `VmHWM` the most that it ever had.
pub(super) fn memory(pid: u32, what: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    kibibytes(&status, what).ok_or_else(|| io::Error::other(format!("no {what} of process {pid}")))
}

fn kibibytes(status: &str, what: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: Instant, ms: u64, stack: u64, client: u64, busy: f64, steal: f64) -> Reading {
        Reading {
            at: at + Duration::from_millis(ms),
            stack: Duration::from_millis(stack),
            client: Duration::from_millis(client),
            machine: Machine { busy, steal },
        }
    }

    #[test]
    fn the_machine_is_the_line_of_all_processors() {
        let stat = "cpu  100 10 50 900 7 3 17 20 5 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(machine_of(stat, 100.0), Some(Machine { busy: 1.8, steal: 0.2 }));
        assert_eq!(machine_of("cpu  1 2 3\n", 100.0), None);
        assert_eq!(machine_of("", 100.0), None);
    }

    #[test]
    fn others_are_what_is_neither_the_stack_nor_the_client() {
        let at = Instant::now();
        let start = reading(at, 0, 1000, 2000, 50.0, 1.0);
        let used = start.until(&reading(at, 500, 1400, 2450, 50.9, 1.0));
        assert_eq!((used.time.as_millis(), used.stack.as_millis()), (500, 400));
        assert!((used.others - 0.1).abs() < 1e-6, "{used:?}");
        assert!(!used.is_noisy());
        let used = start.until(&reading(at, 500, 1400, 2450, 51.0, 1.0));
        assert!((used.others - 0.3).abs() < 1e-6 && used.is_noisy(), "{used:?}");
        let used = start.until(&reading(at, 500, 1400, 2450, 50.8, 1.1));
        assert!((used.steal - 0.2).abs() < 1e-6 && used.is_noisy(), "{used:?}");
    }

    #[test]
    fn ticks_that_lag_behind_are_no_others_below_nothing() {
        let at = Instant::now();
        let start = reading(at, 0, 0, 0, 1.0, 0.0);
        assert_eq!(start.until(&reading(at, 100, 100, 0, 1.09, 0.0)).others, 0.0);
    }

    #[test]
    fn memory_is_the_number_behind_the_name() {
        let status = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n";
        assert_eq!(
            (kibibytes(status, "VmHWM"), kibibytes(status, "VmRSS")),
            (Some(2048), Some(1024))
        );
        assert_eq!(kibibytes(status, "VmRS"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let me = std::process::id();
        let start = read(me).unwrap();
        let mut work = 0u64;
        while read(me).unwrap().stack - start.stack < Duration::from_millis(5) {
            work = std::hint::black_box(work + 1);
        }
        let used = start.until(&read(me).unwrap());
        // The system counts processor time in ticks: it can be more than has passed.
        assert!(used.stack >= Duration::from_millis(5) && used.time > Duration::ZERO);
        assert!(memory(me, "VmHWM").unwrap() >= 100);
    }
}
