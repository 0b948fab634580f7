//! The kernel's TCP as the peer on bad links: packets lost, delayed and marked by our fault
//! injector, packets dropped at random by nftables at the kernel's end, and many connections that
//! come and go. Each byte is compared; the tables are printed.
//!
//! `TAPIP_SOAK=60` lets the soak go on for 60 s instead of 5.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Stdio};
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
    answer(task, begin(stack, task))
}

fn begin(stack: &Instance, task: &str) -> Child {
    let me = std::env::current_exe().unwrap();
    let test = ["--exact", "at_the_kernels_end", "--nocapture"];
    let mut command = stack.host_command(me.to_str().unwrap(), &test);
    command.env(TASK, task).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("tapip host runs")
}

fn answer(task: &str, child: Child) -> String {
    let output = child.wait_with_output().expect("tapip host ends");
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

/// Runs both directions and prints a line of the table. Either has to reach `least` Mbit/s, a tenth
/// of what it does on a machine that is busy with other things: less is a sender that waits.
fn both_directions(stack: &Instance, what: &str, len: usize, least: f64) -> [f64; 2] {
    let rates = ["fetch", "echo"].map(|task| {
        let seconds: f64 = at_the_kernels(stack, &format!("{task} {len}")).parse().unwrap();
        len as f64 * 8.0 / seconds / 1e6
    });
    let [fetch, echo] = rates;
    println!("{what:30} {len:>9} bytes: to the kernel {fetch:8.1}, to and fro {echo:8.1} Mbit/s");
    assert!(rates.iter().all(|rate| *rate >= least), "{what}: {rates:?} Mbit/s, and not {least}");
    rates
}

/// The coarse points of the grid that runs on virtual time: bandwidths, round trips, losses one by
/// one and in bursts, reordering, duplication, and all of it.
#[test]
fn points_of_the_grid_by_our_fault_injector() {
    for (args, len, least) in [
        ("", 20_000_000, 50.0),
        ("--rate 1mbit --delay 5ms", 200_000, 0.5),
        ("--rate 10mbit --delay 10ms", 2_000_000, 2.0),
        ("--rate 100mbit --delay 500us", 8_000_000, 10.0),
        ("--rate 100mbit --delay 50ms", 4_000_000, 1.0),
        ("--delay 20ms", 2_000_000, 2.0),
        ("--loss 1%", 5_000_000, 10.0),
        ("--loss 1% --delay 20ms", 200_000, 0.2),
        ("--loss 5%", 1_000_000, 1.0),
        ("--loss 5% --delay 20ms", 50_000, 0.05),
        ("--loss ge:0.3%,25% --rate 100mbit --delay 2ms", 1_000_000, 0.2),
        ("--reorder 5% --delay 5ms", 2_000_000, 1.0),
        ("--dup 5% --delay 5ms", 2_000_000, 1.0),
        ("--loss 1% --reorder 5% --dup 1% --rate 10mbit --delay 10ms", 300_000, 0.1),
    ] {
        let words: Vec<&str> = args.split_whitespace().chain(["--seed", "7"]).collect();
        let Some((stack, _dir)) = start("grid_points", &[], &words, len) else { return };
        let rates = both_directions(&stack, args, len, least);
        let limit = words.iter().find_map(|word| word.strip_suffix("mbit"));
        if let Some(limit) = limit.map(|limit| limit.parse::<f64>().unwrap()) {
            assert!(rates.iter().all(|rate| *rate < limit), "{args}: {rates:?} on {limit} Mbit/s");
        }
    }
}

/// On a path of microseconds, where a packet that others have passed is later than a round trip:
/// what is sent again is what was lost, and hardly more.
#[test]
fn late_packets_are_not_taken_for_lost() {
    let args = ["--loss", "2%", "--reorder", "5%", "--dup", "1%", "--seed", "7"];
    let len = 20_000_000;
    let Some((mut stack, _dir)) = start("late", &[], &args, len) else { return };
    both_directions(&stack, "loss 2%, reorder 5%", len, 10.0);
    let stat = stack.run("stat");
    let again = counter(&stat, "segments retransmitted");
    // Of 28,000 segments, two in a hundred are lost.
    println!("{again} segments sent again");
    assert!(again < 1200, "{again} segments sent again\n{stat}");
}

/// The kernel's own dice, at its end of the link and in both directions. Neither side may send
/// packets that stand for many: a drop is to be one segment, so there are enough to be sure of some.
#[test]
fn drops_by_nftables_at_the_kernels_end() {
    let test = "nft_drops";
    for (share, delay, len, least) in
        [(1, "1us", 4_000_000, 5.0), (5, "1us", 1_000_000, 0.5), (2, "5ms", 300_000, 0.2)]
    {
        // A wire with faults on it carries no packets that stand for many.
        let args = ["--delay", delay, "--seed", "7"];
        let Some((mut stack, _dir)) = start(test, &["nft", "ip"], &args, len) else { return };
        // On the device, not above it: a packet that is dropped on the way out is sent, for TCP.
        let rules = format!(
            "set -e
            ip link set tap0 gso_max_segs 1
            nft add table netdev bad
            for hook in ingress egress; do
                nft add chain netdev bad $hook \
                    \"{{ type filter hook $hook device tap0 priority 0; }}\"
                nft add rule netdev bad $hook \
                    ip protocol tcp numgen random mod 100 '<' {share} counter drop
            done"
        );
        let set = stack.host("sh", &["-c", &rules]);
        if !set.success {
            assert!(!must_run(), "{test}: {set:?}");
            eprintln!("SKIPPED: {test}: nftables cannot drop here: {}", set.stderr);
            return;
        }
        both_directions(&stack, &format!("{share}% by nftables, {delay}"), len, least);
        let seen = stack.host("nft", &["list", "table", "netdev", "bad"]).stdout;
        let dropped: Vec<u64> = seen
            .split("counter packets ")
            .skip(1)
            .map(|rest| rest.split(' ').next().unwrap().parse().expect("a number"))
            .collect();
        let again = counter(&stack.run("stat"), "segments retransmitted");
        println!("dropped on the way in and out: {dropped:?}; {again} segments sent again here");
        assert!(dropped.len() == 2 && dropped.iter().all(|packets| *packets > 0), "{seen}");
        assert!(again > 0, "nothing was sent again");
    }
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
    both_directions(&stack, "2% marked", 1_000_000, 2.0);
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

/// Connections that open, transfer at random and close under loss, 100 at a time: after them
/// everything that the stack counts is what it was before, but for what TIME-WAIT takes, and after
/// that too: sockets, connections, orphans, timers and bytes.
#[test]
fn a_soak_of_connections_leaves_nothing_behind() {
    let seconds = std::env::var("TAPIP_SOAK").map_or(5, |text| text.parse().expect("seconds"));
    // A timer of a connection that is gone goes when it would have been due: within seconds here.
    let args = "--loss 1% --seed 7 --tcp-set time-wait=2s --tcp-set fin-wait2=2s";
    let args: Vec<&str> = args.split(' ').collect();
    let Some(mut stack) = Instance::start("soak", &args) else { return };
    stack.run("serve echo 7; serve discard 9; serve chargen 19");
    let before = stack.run("ss -a");
    let gauges = |stat: &str| {
        [
            "sockets",
            "connections",
            "connections without a socket",
            "connections in TIME-WAIT",
            "timers",
            "bytes of buffer memory",
        ]
        .map(|name| (name, counter(stat, name)))
    };
    let empty = gauges(&stack.run("stat"));
    assert_eq!(empty[0], ("sockets", 3));
    assert!(empty[1..].iter().all(|(_, count)| *count == 0), "{empty:?}");
    let idle = memory(&stack);
    let task = format!("soak {seconds}");
    let mut soak = begin(&stack, &task);
    let mut most = empty;
    while soak.try_wait().expect("a child").is_none() {
        for (most, (_, now)) in most.iter_mut().zip(gauges(&stack.run("stat"))) {
            most.1 = most.1.max(now);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let count = answer(&task, soak);
    println!("at most {most:?}");
    // (The kernel closes first, so that TIME-WAIT is its.)
    let mut busy = most.iter().zip(empty).filter(|(most, _)| !most.0.ends_with("TIME-WAIT"));
    assert!(busy.all(|(most, empty)| most.1 > empty.1), "never busy: {most:?}");
    let after = memory(&stack);
    println!("{count} connections in {seconds} s; {idle} kB of memory before, {after} kB after");
    assert!(count.parse::<u64>().unwrap() >= CONNECTIONS);
    // What was lost at the end is sent again first, in growing intervals.
    let deadline = Instant::now() + 3 * PATIENCE;
    loop {
        let (stat, sockets) = (stack.run("stat"), stack.run("ss -a"));
        if gauges(&stat) == empty && sockets == before {
            break;
        }
        assert!(Instant::now() < deadline, "left behind: {sockets}\n{stat}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(after < MEMORY_LIMIT, "{after} kB");
}

/// Kilobytes that the stack's process has in memory.
fn memory(stack: &Instance) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
