//! Attacks with other people's tools, against a running `tapip` from the kernel's end of its link.
//!
//! Each is bounded in count and in time. While it runs, one connection keeps working, answer for
//! answer; after it the stack answers a ping, and has not grown.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tests::{Instance, scratch};

/// The longest that an answer may take: far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Memory that a session may cost, however long it is attacked: buffers of connections that an
/// attack left half open, and what an allocator keeps.
const GROWTH: u64 = 48 << 20;
/// Seconds after which an attack is ended.
const MOST: &str = "45";

/// A connection to the echo service that is to go on.
struct Echo {
    client: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    count: u32,
}

impl Echo {
    fn begin(stack: &Instance) -> Echo {
        let mut client = stack
            .host_command("nc", &["10.0.0.1", "7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nc runs");
        let (stdin, stdout) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut echo = Echo { client, stdin, lines, count: 0 };
        echo.answers();
        echo
    }

    /// Says something, and hears it again.
    fn answers(&mut self) {
        self.count += 1;
        let line = format!("line {} of a connection that goes on", self.count);
        writeln!(self.stdin, "{line}").expect("the connection is open");
        assert_eq!(self.lines.recv_timeout(PATIENCE).as_deref(), Ok(line.as_str()));
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// Bytes of a process that are in memory.
fn resident(stack: &Instance) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") << 10
}

/// A stack with services, where the tool is there.
fn stack(test: &str, tool: &str) -> Option<Instance> {
    let mut stack = Instance::start_with(test, &["nc", "ping", "timeout", tool], &[])?;
    stack.run("serve echo 7");
    stack.run("serve discard 9");
    Some(stack)
}

/// Runs attacks one after the other, while the connection goes on; gives what each printed.
fn withstands(stack: &mut Instance, attacks: &[&[&str]]) -> Vec<String> {
    let mut echo = Echo::begin(stack);
    // What a first session costs once is no growth.
    let _ = stack.host("ping", &["-c", "1", "10.0.0.1"]);
    let before = resident(stack);
    let mut printed = Vec::new();
    for attack in attacks {
        let words: Vec<&str> = [MOST].iter().chain(*attack).copied().collect();
        let start = Instant::now();
        let mut tool = stack
            .host_command("timeout", &words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("timeout runs");
        while tool.try_wait().unwrap().is_none() {
            echo.answers();
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = tool.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        // 124: it had to be ended. What else a tool thinks of the answers is its own business.
        assert_ne!(output.status.code(), Some(124), "{attack:?} does not end: {text}");
        eprintln!("{attack:?}: {:?}, {} answers so far", start.elapsed(), echo.count);
        printed.push(text);
    }
    echo.answers();
    let ping = stack.host("ping", &["-c", "3", "-i", "0.2", "-W", "5", "10.0.0.1"]);
    assert!(ping.success, "no ping after it: {}", ping.stdout);
    let grown = resident(stack).saturating_sub(before);
    assert!(grown < GROWTH, "grown by {grown} bytes");
    eprintln!("grown by {} KiB", grown >> 10);
    printed
}

#[test]
fn nmap_looks_at_everything() {
    let Some(mut stack) = stack("nmap_looks_at_everything", "nmap") else { return };
    stack.run("serve http 80 /usr/share/nmap");
    let line = "nmap -A -n -Pn -T5 --host-timeout 40s --max-retries 1 --version-intensity 1 \
                --script-timeout 4s -p 80,81 10.0.0.1";
    let words: Vec<&str> = line.split_whitespace().collect();
    let printed = withstands(&mut stack, &[&words]);
    let row = |port: &str| {
        let found = printed[0].lines().find(|line| line.starts_with(port));
        found.unwrap_or_else(|| panic!("no {port}: {}", printed[0])).to_string()
    };
    assert!(row("80/tcp").contains("open"), "{}", printed[0]);
    assert!(row("81/tcp").contains("closed"), "{}", printed[0]);
}

#[test]
fn hping3_floods() {
    let Some(mut stack) = stack("hping3_floods", "hping3") else { return };
    let lines = [
        // SYNs of random senders to an open port, then to one of nobody.
        "hping3 -q -i u100 -c 4000 -S -p 9 --rand-source 10.0.0.1",
        "hping3 -q -i u100 -c 2000 -S -p 81 10.0.0.1",
        // Datagrams to closed ports, and large ones in fragments.
        "hping3 -q -i u100 -c 4000 --udp -p 1000 10.0.0.1",
        "hping3 -q -i u500 -c 500 --udp -d 4000 --rand-source 10.0.0.1",
        // Fragments whose others never come.
        "hping3 -q -i u100 -c 2000 --udp -x -d 400 --rand-source 10.0.0.1",
        // Pings, and answers that nobody asked for.
        "hping3 -q -i u200 -c 1000 --icmp -d 1000 10.0.0.1",
        "hping3 -q -i u100 -c 1000 --icmp --icmptype 3 --icmpcode 1 10.0.0.1",
        // Land: from itself, to itself.
        "hping3 -q -i u500 -c 500 -S -a 10.0.0.1 -k -s 7 -p 7 10.0.0.1",
    ];
    let attacks: Vec<Vec<&str>> =
        lines.iter().map(|line| line.split_whitespace().collect()).collect();
    let attacks: Vec<&[&str]> = attacks.iter().map(Vec::as_slice).collect();
    for (line, text) in lines.iter().zip(withstands(&mut stack, &attacks)) {
        assert!(text.contains("packets transmitted"), "{line}: {text}");
    }
}

/// Every layer's header with random fields, and whole random ones.
const FUZZ: &str = r#"
import random
from scapy.all import *
conf.verb = 0
random.seed(7)
link = conf.L2socket(iface="tap0")
to = Ether(dst="00:34:45:67:89:ab")
ip = lambda: IP(src="10.0.0.2", dst="10.0.0.1")
count = 0
for _ in range(150):
    for packet in (ip() / fuzz(TCP(dport=7)), ip() / fuzz(UDP(dport=7)), ip() / fuzz(ICMP()),
                   fuzz(IP(dst="10.0.0.1")) / fuzz(TCP()), fuzz(IP(dst="10.0.0.1", proto=1)),
                   fuzz(ARP()), fuzz(ARP(pdst="10.0.0.1"))):
        link.send(to / packet)
        count += 1
print("sent", count)
"#;

#[test]
fn scapy_fuzzes_every_layer() {
    let test = "scapy_fuzzes_every_layer";
    let Some(mut stack) = stack(test, "scapy3") else { return };
    let dir = scratch("scapy");
    let script = dir.join("fuzz.py");
    std::fs::write(&script, FUZZ).unwrap();
    // Debian's interpreter, whose packages Debian's scapy is among.
    let attack = ["/usr/bin/python3", script.to_str().unwrap()];
    let printed = withstands(&mut stack, &[&attack]);
    assert!(printed[0].contains("sent 1050"), "{}", printed[0]);
}

/// Random bytes as a datagram, as an ARP packet, behind a good IP header, and as a frame.
const TRAFGEN: &str = "
{ 0x00,0x34,0x45,0x67,0x89,0xab, 0x02,0,0,0,0,9, 0x08,0x00, drnd(60) }
{ 0x00,0x34,0x45,0x67,0x89,0xab, 0x02,0,0,0,0,9, 0x08,0x06, drnd(28) }
{ 0x00,0x34,0x45,0x67,0x89,0xab, 0x02,0,0,0,0,9, 0x08,0x00, 0x45,0,0,60, drnd(2), 0,0, 64,
  drnd(1), csumip(14,33), 10,0,0,2, 10,0,0,1, drnd(40) }
{ drnd(60) }
";

#[test]
fn trafgen_sends_random_bytes_as_fast_as_it_can() {
    let test = "trafgen_sends_random_bytes_as_fast_as_it_can";
    // It raises the socket buffers of the whole system first, and ends where it may not.
    let me = std::fs::metadata("/proc/self").expect("a process");
    if std::os::unix::fs::MetadataExt::uid(&me) != 0 {
        eprintln!("SKIPPED: {test}: trafgen is for root alone");
        return;
    }
    let Some(mut stack) = stack(test, "trafgen") else { return };
    let dir = scratch("trafgen");
    let config = dir.join("random.cfg");
    std::fs::write(&config, TRAFGEN).unwrap();
    let path = config.to_str().unwrap();
    let attack = ["trafgen", "--dev", "tap0", "--conf", path, "--num", "20000", "--cpus", "1"];
    let printed = withstands(&mut stack, &[&attack, &attack]);
    for text in printed {
        assert!(text.contains("20000 packets outgoing"), "{text}");
    }
}
