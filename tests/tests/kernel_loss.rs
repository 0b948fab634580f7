//! The kernel's TCP as the peer on bad links: packets lost, delayed and marked by our fault
//! injector, packets dropped at random by nftables at the kernel's end, and many connections that
//! come and go. Each byte is compared; the tables are printed.
//!
//! `TAPIP_SOAK=60` lets the soak go on for 60 s instead of 5.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::{Instance, must_run, payload, scratch};

/// Says what [`at_the_kernels_end`] is to do.
const TASK: &str = "TAPIP_KERNEL_TASK";
/// How long one transfer may take: many times what the slowest does.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections of the soak at a time.
const CONNECTIONS: u64 = 100;
/// Kilobytes that the process may have after the soak.
const MEMORY_LIMIT: u64 = 200 * 1024;

/// Runs a task at the kernel's end and gives what it printed between `<` and `>`.
fn at_the_kernels(stack: &Instance, task: &str) -> String {
    let me = std::env::current_exe().unwrap();
    let test = ["--exact", "at_the_kernels_end", "--nocapture"];
    let mut command = stack.host_command(me.to_str().unwrap(), &test);
    command.env(TASK, task).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().expect("tapip host runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{task}: {output:?}");
    let (_, said) = said.split_once('<').expect("an answer");
    said.split_once('>').expect("its end").0.to_string()
}

/// Does nothing unless it is run at the kernel's end.
#[test]
fn at_the_kernels_end() {
    let Ok(task) = std::env::var(TASK) else { return };
    let words: Vec<&str> = task.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let start = Instant::now();
    match words[0] {
        "fetch" => fetch(number(1) as usize),
        "echo" => echo(1, number(1) as usize),
        "soak" => {
            println!("<{}>", soak(Duration::from_secs(number(1))));
            return;
        }
        other => panic!("{other}?"),
    }
    println!("<{}>", start.elapsed().as_secs_f64());
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("10.0.0.1", port)).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All data from the stack to the kernel.
fn fetch(len: usize) {
    let mut stream = connect(80);
    stream.write_all(b"GET /data HTTP/1.0\r\n\r\n").unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let head = response.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    assert!(response[head..] == payload(1, len), "wrong bytes");
}

/// Data from the kernel to the stack, and back at the same time.
fn echo(seed: u64, len: usize) {
    let data = payload(seed, len);
    let stream = connect(7);
    let mut writer = stream.try_clone().unwrap();
    let ours = data.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&ours).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    (&stream).read_to_end(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == data, "wrong bytes");
}

/// Connections that open, transfer and close, each with its own luck: an exchange, one that is
/// dropped with data unread, one that only opens. Gives how many there were.
fn soak(time: Duration) -> u64 {
    let end = Instant::now() + time;
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                let mut count = 0;
                while Instant::now() < end {
                    match rng.u8(..10) {
                        0 => drop(connect(9)),
                        1 => {
                            // The rest is refused with a reset.
                            let mut stream = connect(19);
                            stream.read_exact(&mut [0; 5000]).unwrap();
                        }
                        2 => connect(9).write_all(&payload(seed, rng.usize(..50_000))).unwrap(),
                        _ => echo(rng.u64(..), rng.usize(..50_000)),
                    }
                    count += 1;
                }
                count
            })
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().unwrap()).sum()
}

/// A stack with what the tasks need, and the directory that it serves.
fn start(test: &str, tools: &[&str], args: &[&str], len: usize) -> Option<(Instance, impl Sized)> {
    let mut stack = Instance::start_with(test, tools, args)?;
    let dir = scratch(test);
    std::fs::write(dir.join("data"), payload(1, len)).unwrap();
    stack.run(&format!("serve echo 7; serve http 80 {}", dir.display()));
    Some((stack, dir))
}

/// Runs both directions, and prints a line of the table.
fn both_directions(stack: &Instance, what: &str, len: usize) {
    let rate = |task: &str| {
        let seconds: f64 = at_the_kernels(stack, &format!("{task} {len}")).parse().unwrap();
        len as f64 * 8.0 / seconds / 1e6
    };
    let (fetch, echo) = (rate("fetch"), rate("echo"));
    println!("{what:24} {len:>9} bytes: to the kernel {fetch:8.1}, to and fro {echo:8.1} Mbit/s");
}

#[test]
fn loss_and_delay_from_our_fault_injector() {
    for (loss, delay, len) in [
        ("0%", "0ms", 20_000_000),
        ("0%", "20ms", 2_000_000),
        ("1%", "0ms", 5_000_000),
        ("1%", "20ms", 200_000),
        ("5%", "0ms", 1_000_000),
        ("5%", "20ms", 50_000),
    ] {
        let args = ["--loss", loss, "--delay", delay, "--seed", "7"];
        let Some((stack, _dir)) = start("loss_delay", &[], &args, len) else { return };
        both_directions(&stack, &format!("loss {loss}, delay {delay}"), len);
    }
}

/// On a path of microseconds, where a packet that others have passed is later than a round trip:
/// what is sent again is what was lost, and hardly more.
#[test]
fn late_packets_are_not_taken_for_lost() {
    let args = ["--loss", "2%", "--reorder", "5%", "--dup", "1%", "--seed", "7"];
    let len = 20_000_000;
    let Some((mut stack, _dir)) = start("late", &[], &args, len) else { return };
    both_directions(&stack, "loss 2%, reorder 5%", len);
    let stat = stack.run("stat");
    let again = counter(&stat, "segments retransmitted");
    // Of 28,000 segments, two in a hundred are lost.
    println!("{again} segments sent again");
    assert!(again < 1200, "{again} segments sent again\n{stat}");
}

#[test]
fn drops_by_nftables_at_the_kernels_end() {
    let test = "nft_drops";
    let Some((stack, _dir)) = start(test, &["nft"], &[], 5_000_000) else { return };
    // On the device, not above it: a packet that is dropped on the way out is sent, for TCP.
    let rules = "set -e
        nft add table netdev bad
        for hook in ingress egress; do
            nft add chain netdev bad $hook \"{ type filter hook $hook device tap0 priority 0; }\"
            nft add rule netdev bad $hook ip protocol tcp numgen random mod 100 '<' 2 counter drop
        done";
    let set = stack.host("sh", &["-c", rules]);
    if !set.success {
        assert!(!must_run(), "{test}: {set:?}");
        eprintln!("SKIPPED: {test}: nftables cannot drop here: {}", set.stderr);
        return;
    }
    both_directions(&stack, "2% dropped by nftables", 5_000_000);
    let seen = stack.host("nft", &["list", "table", "netdev", "bad"]).stdout;
    assert_eq!(seen.matches(" drop").count(), 2, "{seen}");
    // A packet of the kernel's stands for many here: there are too few for both to be sure of one.
    assert!(seen.matches("counter packets 0 ").count() < 2, "nothing was dropped: {seen}");
}

/// RFC 3168 from end to end: the kernel and the stack agree, marks in both directions are echoed,
/// both reduce their windows for them, and nothing is sent again.
#[test]
fn congestion_marks_are_heard_at_both_ends() {
    let test = "ecn";
    let args = ["--ecn", "on", "--mark", "2%", "--delay", "2ms", "--seed", "7"];
    let Some((mut stack, _dir)) = start(test, &[], &args, 1_000_000) else { return };
    // Its own congestion control may be one that does not care about marks.
    let on = "echo 1 > /proc/sys/net/ipv4/tcp_ecn
        echo reno > /proc/sys/net/ipv4/tcp_congestion_control";
    let set = stack.host("sh", &["-ec", on]);
    if !set.success {
        assert!(!must_run(), "{test}: {set:?}");
        eprintln!("SKIPPED: {test}: the kernel's ECN cannot be switched on: {}", set.stderr);
        return;
    }
    both_directions(&stack, "2% marked", 1_000_000);
    let stat = stack.run("stat");
    let ours = |name: &str| counter(&stat, name);
    let (heard, reduced) = (
        ours("segments received with a congestion mark"),
        ours("windows reduced for a congestion mark"),
    );
    let netstat = stack.host("sh", &["-c", "cat /proc/net/netstat /proc/net/snmp"]).stdout;
    let (marked, delivered) =
        (kernel_counter(&netstat, "InCEPkts"), kernel_counter(&netstat, "TCPDeliveredCE"));
    println!(
        "marks: {heard} came here, and the kernel heard of {delivered} segments; \
         {marked} came there, and {reduced} windows were reduced here"
    );
    assert!(heard > 0 && delivered > 0 && marked > 0, "{stat}\n{netstat}");
    assert!(0 < reduced && reduced <= marked, "{reduced} windows reduced for {marked} marks");
    assert_eq!(ours("segments retransmitted"), 0, "{stat}");
    assert_eq!(kernel_counter(&netstat, "RetransSegs"), 0, "{netstat}");
}

/// The number before a name in what `stat` prints; 0 where it does not stand there.
fn counter(stat: &str, name: &str) -> u64 {
    let mut lines = stat.lines().filter_map(|line| line.trim().split_once("  "));
    let found = lines.find(|(_, words)| *words == name);
    found.map_or(0, |(number, _)| number.parse().expect("a number"))
}

/// A number from `/proc/net/netstat` or `snmp`: a line of names, and a line of values.
fn kernel_counter(text: &str, name: &str) -> u64 {
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.chunks(2).find_map(|pair| {
        let at = pair[0].split_whitespace().position(|word| word == name)?;
        pair[1].split_whitespace().nth(at)?.parse().ok()
    });
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_soak_of_connections_leaves_nothing_behind() {
    let seconds = std::env::var("TAPIP_SOAK").map_or(5, |text| text.parse().expect("seconds"));
    let args = ["--loss", "1%", "--seed", "7"];
    let Some(mut stack) = Instance::start("soak", &args) else { return };
    stack.run("serve echo 7; serve discard 9; serve chargen 19");
    let before = stack.run("ss -a");
    let idle = memory(&stack);
    let count = at_the_kernels(&stack, &format!("soak {seconds}"));
    let after = memory(&stack);
    println!("{count} connections in {seconds} s; {idle} kB of memory before, {after} kB after");
    assert!(count.parse::<u64>().unwrap() >= CONNECTIONS);
    // What was lost at the end is sent again; then only TIME-WAIT may be left, without a buffer.
    let deadline = Instant::now() + PATIENCE;
    let stat = loop {
        let stat = stack.run("stat");
        let sockets = stack.run("ss -a");
        let open = sockets.lines().filter(|line| !line.starts_with("TIME-WAIT")).count();
        let buffers = counter(&stat, "bytes of buffer memory");
        if open == before.lines().count() && buffers == 0 {
            break stat;
        }
        assert!(Instant::now() < deadline, "left behind: {sockets}\n{stat}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(counter(&stat, "sockets"), 3, "{stat}");
    assert!(after < MEMORY_LIMIT, "{after} kB: {stat}");
}

/// Kilobytes that the stack's process has in memory.
fn memory(stack: &Instance) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
