//! What idle connections take, in a process of its own: a test beside it would take memory, too.

use scenarios::growth::Idle;

/// 100,000 connections in 200 MiB.
const GOAL: usize = (200 << 20) / 100_000;
/// Enough for pages and tables to be shared among many.
const CONNECTIONS: usize = 10_000;

#[test]
fn idle_connections_take_little() {
    let before = resident();
    let mut idle = Idle::new(CONNECTIONS);
    let accounted = idle.accounted();
    assert!((1..=1024).contains(&accounted), "TCP counts {accounted} bytes for a connection");
    let Some((before, after)) = before.zip(resident()) else {
        eprintln!("SKIPPED: what the system counts: it does not say");
        return;
    };
    // Both ends are in this process.
    let each = (after - before) / (2 * CONNECTIONS);
    println!("{accounted} bytes as TCP counts them, {each} as the system does");
    assert!(each >= accounted, "{each} bytes are less than the {accounted} that TCP counts");
    assert!(each <= GOAL, "a connection takes {each} bytes, more than {GOAL}");
}

/// Bytes of memory that this process has; `None` where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}
