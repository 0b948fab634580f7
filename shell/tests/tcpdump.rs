//! `tcpdump` on running stacks, and its filters against the original.

mod support;

use std::io::Write;
use std::net::Shutdown;
use std::process::Command;
use std::time::Duration;

use netdev::{CaptureFile, Direction, EtherType, Instant, Medium, Packet};
use shell::ExitStatus;
use shell::filter::Filter;
use support::{eventually, pair};

#[test]
fn packets_are_shown_while_they_pass() {
    let (mut a, _b) = pair();
    a.ok("tcpdump -b -c 4 -i any 10.0.0.2");
    let screen = a.screen.clone();
    a.shell.run_line("ping -c 2 -i 0.01 10.0.0.2");
    eventually("four packets", || screen.text().contains("4 packets captured"));
    let text = a.screen.text();
    for part in [
        "veth0 Out ARP, request who-has 10.0.0.2 tell 10.0.0.1",
        "veth0 In  ARP, reply 10.0.0.2 is-at 00:34:45:67:89:02",
        "veth0 Out IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id ",
        "veth0 In  IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id ",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // Its job has ended.
    eventually("no job", || a.run("jobs").1.is_empty());
}

#[test]
fn only_what_is_meant_and_until_an_interrupt() {
    let (mut a, mut b) = pair();
    b.ok("serve echo 7; serve discard 9");
    a.ok("tcpdump -b -n tcp port 7 and (syn or fin)");
    let (data, screen) = (b"x".repeat(5000), a.screen.clone());
    a.stdin.write_all(&data).unwrap();
    a.stdin.shutdown(Shutdown::Write).unwrap();
    a.shell.run_line("nc -N 10.0.0.2 7");
    a.shell.run_line("nc -z 10.0.0.2 9");
    let lines = || {
        let text = screen.text();
        text.lines().filter(|line| line.contains(": TCP [")).map(String::from).collect::<Vec<_>>()
    };
    eventually("both ends of the connection", || lines().len() >= 4);
    for line in lines() {
        assert!(line.contains(".7") && (line.contains("[S") || line.contains("F")), "{line}");
    }
    a.shell.run_line("kill 1");
    assert!(a.screen.text().contains("packets received by filter"), "{}", a.screen.text());
    let raiser = a.interrupt_after(Duration::from_millis(30));
    let (status, text) = a.run("tcpdump port 4444");
    assert_eq!(status, ExitStatus::SUCCESS);
    assert!(text.starts_with("tcpdump: listening on veth0\n"), "{text}");
    assert!(text.contains("\n0 packets captured\n"), "{text}");
    raiser.join().unwrap();
}

#[test]
fn a_file_for_others_to_read() {
    let (mut a, _b) = pair();
    let dir = std::env::temp_dir().join(format!("tapip-tcpdump-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("lo.pcapng");
    a.ok(&format!("tcpdump -b -c 2 -i lo -w {} icmp", file.display()));
    a.shell.run_line("ping -c 1 127.0.0.1");
    let screen = a.screen.clone();
    eventually("two packets", || screen.text().contains("2 packets captured"));
    if let Some(text) = read(&file, "") {
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("ICMP echo request") && text.contains("ICMP echo reply"), "{text}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_is_wrong_is_said() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("tcpdump tcp prot 7");
    assert_eq!(status, ExitStatus::USAGE);
    assert_eq!(
        text,
        "tcpdump: in `tcp prot 7`: column 5: `prot`: `and`, `or` or the end is expected\n"
    );
    let (status, text) = a.run("tcpdump -i eth7");
    assert_eq!(status, ExitStatus::FAILURE);
    assert_eq!(text, "tcpdump: no interface `eth7`; there are lo, veth0\n");
    let (status, text) = a.run("tcpdump -w /does/not/exist");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.starts_with("tcpdump: cannot write the capture to /does/not/exist: "), "{text}");
}

/// What the original prints of a file; `None`, and a loud line, where it is not installed.
fn read(file: &std::path::Path, expression: &str) -> Option<String> {
    let mut command = Command::new("tcpdump");
    command.args(["-n", "-tt", "-r"]).arg(file);
    if !expression.is_empty() {
        command.arg(expression);
    }
    match command.output() {
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{expression}: {error}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(_) if std::env::var_os("TAPIP_REQUIRE_NET").is_some_and(|value| value != "0") => {
            panic!("tcpdump is not installed")
        }
        Err(_) => {
            eprintln!("SKIPPED: tcpdump is not installed");
            None
        }
    }
}

/// An IPv4 datagram.
fn ip(protocol: u8, fragment: u16, ends: [[u8; 4]; 2], options: usize, content: &[u8]) -> Vec<u8> {
    let header_len = 20 + options;
    let mut bytes = vec![0x40 | (header_len / 4) as u8, 0, 0, 0, 0, 1];
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0]);
    bytes.extend(ends[0]);
    bytes.extend(ends[1]);
    bytes.extend(vec![1; options]);
    bytes.extend(content);
    let total = bytes.len() as u16;
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    bytes
}

fn ports(from: u16, to: u16, rest: &[u8]) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), rest].concat()
}

fn tcp(from: u16, to: u16, flags: u8) -> Vec<u8> {
    ports(from, to, &[0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0])
}

/// Packets of every kind that a filter may tell apart.
fn packets() -> Vec<Vec<u8>> {
    let (a, b, c) = ([10, 0, 0, 1], [10, 0, 0, 2], [192, 0, 2, 80]);
    let frame = |ethertype: EtherType, src: u8, dst: u8, content: &[u8]| {
        let mut bytes = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src];
        bytes.extend(ethertype.0.to_be_bytes());
        bytes.extend(content);
        // As short ones are on the wire.
        bytes.resize(bytes.len().max(60), 0);
        bytes
    };
    let v4 = |src, dst, datagram: Vec<u8>| frame(EtherType::IPV4, src, dst, &datagram);
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1];
    arp.extend([&a[..], &[0; 6], &b].concat());
    let mut v6 = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
    v6.extend([1; 32]);
    let v6_tcp = [v6.clone(), tcp(80, 1000, 2)].concat();
    v6[6] = 17;
    let v6_udp = [v6.clone(), ports(53, 1000, &[0, 8, 0, 0])].concat();
    v6[6] = 44;
    let v6_fragment = [v6, vec![17, 0, 0, 1, 0, 0, 0, 1], ports(53, 53, &[0; 4])].concat();
    let mut all = vec![
        frame(EtherType::ARP, 1, 2, &arp),
        frame(EtherType::IPV6, 1, 2, &v6_tcp),
        frame(EtherType::IPV6, 1, 2, &v6_udp),
        frame(EtherType::IPV6, 1, 2, &v6_fragment),
        frame(EtherType(0x88cc), 1, 2, &[9; 60]),
        v4(1, 2, ip(1, 0, [a, b], 0, &[8, 0, 0, 0, 0, 1, 0, 1])),
        v4(2, 1, ip(2, 0, [b, c], 4, &[0x16, 0, 0, 0, 224, 0, 0, 9])),
        v4(1, 3, ip(17, 0, [a, c], 0, &ports(1000, 53, &[0, 8, 0, 0]))),
        v4(3, 1, ip(17, 0x2000, [c, a], 8, &ports(53, 1000, &[0, 200, 0, 0]))),
        v4(3, 1, ip(17, 0x00b9, [c, a], 0, &ports(53, 1000, &[0; 60]))),
        v4(1, 3, ip(6, 0x00b9, [a, c], 0, &tcp(80, 443, 2))),
        v4(1, 2, ip(47, 0, [a, b], 0, &[0; 900])),
    ];
    for flags in [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x38, 0x00, 0x3f] {
        all.push(v4(1, 2, ip(6, 0, [a, b], usize::from(flags % 4) * 4, &tcp(1000, 80, flags))));
        all.push(v4(2, 1, ip(6, 0, [b, a], 0, &tcp(443, 25, flags))));
    }
    all
}

#[test]
fn filters_choose_what_the_originals_do() {
    let dir = std::env::temp_dir().join(format!("tapip-filter-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("all.pcapng");
    let packets = packets();
    // Each has a second of its own, by which it is known.
    let file = CaptureFile::create(&path, std::time::SystemTime::UNIX_EPOCH).unwrap();
    let interface = file.interface("eth0", Medium::Ethernet);
    for (second, bytes) in packets.iter().enumerate() {
        let at = Instant::from_secs(second as u64);
        interface.record(at, Direction::Rx, &Packet::from_payload(bytes));
    }
    file.flush();
    let questions = [
        "ip",
        "ip6",
        "arp",
        "tcp",
        "udp",
        "icmp",
        "igmp",
        "ip proto 47",
        "host 10.0.0.1",
        "src host 10.0.0.1",
        "dst 10.0.0.2",
        "ip host 10.0.0.2",
        "arp host 10.0.0.2",
        "net 10.0.0.0/24",
        "dst net 192.0.2",
        "not net 10",
        "port 53",
        "src port 53",
        "tcp port 80",
        "udp dst port 53",
        "portrange 20-100",
        "tcp src portrange 400-500",
        "ether host 02:00:00:00:00:03",
        "ether src 02:00:00:00:00:01",
        "less 60",
        "greater 300",
        "port 80 or 443",
        "tcp and not port 80",
        "arp or tcp and port 25",
        "arp or (tcp and port 25)",
        "not (tcp or udp) and ip",
        "! tcp && ! udp || port 443",
        "host 10.0.0.1 and port 443 or icmp",
        "ether dst 02:00:00:00:00:01 and not udp",
    ];
    let flags = ["fin", "syn", "rst", "psh", "ack", "urg"];
    let theirs = |flag: &str| {
        let name = if flag == "psh" { "push" } else { flag };
        format!("tcp[tcpflags] & tcp-{name} != 0")
    };
    let pairs = questions.iter().map(|text| (text.to_string(), text.to_string())).chain(
        flags.iter().flat_map(|flag| {
            let both = |text: &str| (format!("{text}{flag}"), format!("{text}{}", theirs(flag)));
            // Theirs looks into IPv4 alone.
            [both("ip and "), both("ip and not port 80 and ")]
        }),
    );
    let mut compared = 0;
    for (ours, theirs) in pairs {
        let filter: Filter = ours.parse().unwrap_or_else(|why| panic!("{ours}: {why}"));
        let meant = |bytes: &&Vec<u8>| filter.matches(Medium::Ethernet, bytes);
        let chosen: Vec<usize> = (0..packets.len()).filter(|at| meant(&&packets[*at])).collect();
        let Some(text) = read(&path, &theirs) else { break };
        let others: Vec<usize> =
            text.lines().filter_map(|line| line.split_once('.')?.0.parse().ok()).collect();
        assert_eq!(chosen, others, "{ours}: ours, and the original's");
        compared += usize::from(!chosen.is_empty() && chosen.len() < packets.len());
    }
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(compared == 0 || compared >= 40, "{compared} filters chose something and not all");
}
