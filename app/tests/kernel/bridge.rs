//! `tapip bridge` against the kernel: a cable as the NIC, a namespace as the LAN.
//!
//! Everything happens in namespaces that the test makes; no interface of the machine is touched.
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};

use crate::lan::{BEYOND, Lan};
use crate::stack::Stack;

const UP: &[&str] = &["bridge", "up", "--nic", "eth0"];
const DOWN: &[&str] = &["bridge", "down", "--nic", "eth0"];
/// A stack there, with an address that is free.
const RUN: [&str; 7] =
    ["run", "--link", "bridge:eth0", "--addr", "10.9.0.77/24", "--probe", "never"];

/// A ping from the host at every hundredth of a second.
pub(crate) struct Pings(Child);

impl Pings {
    pub(crate) fn start(to: &str) -> Pings {
        let mut command = Command::new("ping");
        let mut child =
            command.args(["-n", "-i", "0.01", to]).stdout(Stdio::piped()).spawn().unwrap();
        // The first answer has come: whoever resolves addresses has done so.
        let mut first = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("icmp_seq") {
            line.clear();
            assert!(first.read_line(&mut line).unwrap() > 0, "ping {to} ended");
        }
        child.stdout = Some(first.into_inner());
        Pings(child)
    }

    /// Hundredths of a second without an answer, and all of them.
    pub(crate) fn end(mut self) -> (u32, u32) {
        let stdout = self.0.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            BufReader::new(stdout).read_to_string(&mut text).unwrap();
            text
        });
        signal("INT", self.0.id());
        self.0.wait().unwrap();
        let text = reader.join().unwrap();
        let line = text.lines().find(|line| line.contains("packets transmitted")).expect(&text);
        let number = |words: &str| {
            let before = line.split(words).next().unwrap();
            before.trim().rsplit(' ').next().unwrap().parse::<u32>().unwrap()
        };
        let (sent, received) = (number(" packets transmitted"), number(" received"));
        (sent - received, sent)
    }
}

pub(crate) fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(status.unwrap().success());
}

/// The picture with the NIC's name in place of the bridge's, without what each link has for itself.
fn of_the_nic(picture: Vec<String>) -> Vec<String> {
    let of_link = |line: &str| {
        line.contains("\"fe80:") || line.contains("\"ff00::/8\"") || line.contains("\"::1\"")
    };
    let lines = picture.into_iter().filter(|line| !of_link(line));
    let mut lines: Vec<_> = lines.map(|line| line.replace("\"br0", "\"eth0")).collect();
    lines.sort();
    lines
}

/// That nothing changed, or else what did.
#[track_caller]
fn assert_same(now: &[String], before: &[String], when: &str) {
    let only = |here: &[String], there: &[String]| {
        let lines = here.iter().filter(|line| !there.contains(line)).cloned();
        lines.collect::<Vec<_>>()
    };
    let (new, gone) = (only(now, before), only(before, now));
    assert!(new.is_empty() && gone.is_empty(), "{when}: new: {new:#?}\ngone: {gone:#?}");
    assert!(now == before, "{when}: in another order: {now:#?}");
}

#[test]
fn the_host_stays_on_the_network_with_all_its_addresses_and_routes() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::rich("stays");
    let before = lan.picture("eth0");
    let (pings, pings6) = (Pings::start(BEYOND), Pings::start("2001:db8::1"));

    lan.expect(UP);
    assert_same(&of_the_nic(lan.picture("br0")), &of_the_nic(before.clone()), "on the bridge");
    let status = lan.expect(&["bridge", "status"]);
    assert!(status.contains("10.9.0.2/24 on br0") && status.contains("whole"), "{status}");
    let refused = lan.refused(UP);
    assert!(refused.contains("eth0 is on the bridge br0 already"), "{refused}");
    lan.host(&format!("ping -n -c 1 -W 10 {BEYOND}"));
    lan.there("ping -n -c 1 -W 10 10.9.0.2");

    lan.expect(DOWN);
    assert_same(&lan.picture("eth0"), &before, "at the end");
    assert_eq!(lan.links().iter().filter(|link| !link.starts_with("eth0")).count(), 1);
    assert_eq!(lan.journals(), Vec::<std::path::PathBuf>::new());
    lan.host(&format!("ping -n -c 1 -W 10 {BEYOND}"));
    let status = lan.refused(&["bridge", "status"]);
    assert_eq!(status, "");
    assert!(lan.expect(DOWN).contains("nothing to do"));

    for (name, pings) in [("IPv4", pings), ("IPv6", pings6)] {
        let (lost, sent) = pings.end();
        eprintln!("{name}: {lost} of {sent} pings lost, one each hundredth of a second");
        assert!(lost <= 100, "{name}: {lost} hundredths of a second without the network");
    }
}

/// How many commands `args` would run.
fn commands(lan: &Lan, args: &[&str]) -> usize {
    lan.expect(&[args, &["--dry-run"]].concat()).lines().filter(|l| l.starts_with("ip ")).count()
}

/// Runs `args` and cuts it short.
fn cut(lan: &Lan, args: &[&str], after: usize, end: &str) -> Output {
    let phase = format!("{}:{after}:{end}", args[1]);
    lan.tapip(args).env("TAPIP_BRIDGE_CUT", phase).output().unwrap()
}

#[test]
fn killed_at_any_step_of_up_down_puts_everything_back() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::rich("killed-up");
    let before = lan.picture("eth0");
    let all = commands(&lan, UP);
    assert!(all > 50, "{all} commands");
    assert_same(&lan.picture("eth0"), &before, "--dry-run changes nothing");
    for after in 0..=all {
        let output = cut(&lan, UP, after, "kill");
        assert_eq!(output.status.signal(), Some(9), "after {after}: {output:?}");
        assert_eq!(lan.journals().len(), 1, "after {after}");
        if after < all {
            let refused = lan.refused(UP);
            assert!(refused.contains("tapip bridge down --nic eth0"), "after {after}: {refused}");
        }
        lan.expect(DOWN);
        assert_same(&lan.picture("eth0"), &before, &format!("after {after} of {all}"));
        assert_eq!(lan.links().len(), 2, "after {after}: {:?}", lan.links());
        assert!(lan.journals().is_empty(), "after {after}");
    }
    lan.host(&format!("ping -n -c 1 -W 10 {BEYOND}"));
}

/// The one that cuts a batch short is of our making; here the kill comes whenever it comes, while
/// `ip` goes on without its parent.
#[test]
fn killed_at_any_moment_down_waits_for_what_is_under_way() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::rich("moment");
    let before = lan.picture("eth0");
    let started = std::time::Instant::now();
    lan.expect(UP);
    let whole = started.elapsed();
    lan.expect(DOWN);
    for part in 1..=16 {
        let mut up = lan.tapip(UP).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * part / 16);
        let _ = up.kill();
        up.wait().unwrap();
        lan.expect(DOWN);
        assert_same(&lan.picture("eth0"), &before, &format!("after {part}/16 of {whole:?}"));
        assert_eq!(lan.links().len(), 2, "after {part}/16: {:?}", lan.links());
    }
}

#[test]
fn killed_at_any_step_of_down_the_next_one_puts_everything_back() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::rich("killed-down");
    let before = lan.picture("eth0");
    lan.expect(UP);
    let all = commands(&lan, DOWN);
    assert!(all > 20, "{all} commands");
    for after in 0..=all {
        let output = cut(&lan, DOWN, after, "kill");
        assert_eq!(output.status.signal(), Some(9), "after {after}: {output:?}");
        lan.expect(DOWN);
        assert_same(&lan.picture("eth0"), &before, &format!("after {after} of {all}"));
        assert!(lan.journals().is_empty(), "after {after}");
        lan.expect(UP);
    }
    lan.expect(DOWN);
    assert_eq!(lan.links().len(), 2, "{:?}", lan.links());
}

#[test]
fn a_failure_at_any_step_undoes_what_was_done_and_says_so() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::rich("failure");
    let before = lan.picture("eth0");
    let all = commands(&lan, UP);
    for after in (0..=all).step_by(3) {
        let output = cut(&lan, UP, after, "fail");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "after {after}: {said}");
        assert!(said.contains("Everything is as it was before"), "after {after}: {said}");
        assert_same(&lan.picture("eth0"), &before, &format!("after {after} of {all}"));
        assert_eq!(lan.links().len(), 2, "after {after}: {:?}", lan.links());
        assert!(lan.journals().is_empty(), "after {after}");
    }
    let said = lan.refused(&[UP, &["--user", "nobody-of-that-name"]].concat());
    assert!(said.contains("nobody-of-that-name") && said.contains("as it was"), "{said}");
    assert_same(&lan.picture("eth0"), &before, "after another's name");
    // One that the kernel refuses: the gateway cannot be reached any more.
    lan.host("ip route add 10.61.0.1 dev eth0");
    lan.host("ip route add 10.62.0.0/16 via 10.61.0.1");
    lan.host("ip route del 10.61.0.1 dev eth0");
    let before = lan.picture("eth0");
    let said = lan.refused(UP);
    assert!(said.contains("(`ip route append unicast 10.62.0.0/16 "), "{said}");
    assert!(said.contains("Everything is as it was before"), "{said}");
    assert_same(&lan.picture("eth0"), &before, "at the end");
    assert_eq!(lan.links().len(), 2, "{:?}", lan.links());
}

#[test]
fn what_others_made_is_neither_taken_nor_deleted() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("others");
    lan.host("ip link add br0 type bridge");
    lan.host("ip tuntap add dev tap0 mode tap");
    let taken = lan.refused(&[UP, &["--bridge", "br0"]].concat());
    assert!(taken.contains("--bridge br0: there is such an interface"), "{taken}");
    // The first free names.
    lan.expect(UP);
    let links = lan.links();
    assert!(links.contains(&"br1".into()) && links.contains(&"tap1".into()), "{links:?}");
    lan.expect(DOWN);
    assert_eq!(lan.links().len(), 4, "{:?}", lan.links());

    // Names that became another's after `up` was killed.
    let names = ["--bridge", "brx", "--tap", "tapx"];
    let killed = cut(&lan, &[UP, &names].concat(), 0, "kill");
    assert_eq!(killed.status.signal(), Some(9));
    lan.host("ip link add brx type bridge");
    lan.host("ip tuntap add dev tapx mode tap");
    lan.host("ip link set tapx up");
    lan.expect(DOWN);
    let links = lan.links();
    assert!(links.contains(&"brx".into()) && links.contains(&"tapx".into()), "{links:?}");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_made() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("refused");
    lan.host("ip tuntap add dev tun7 mode tun");
    lan.host("ip link add br7 type bridge");
    let before = (lan.picture("eth0"), lan.links());
    let up = |nic: &str| lan.refused(&["bridge", "up", "--nic", nic]);
    for (nic, words) in [
        ("eth9", "those that an Ethernet could be on: eth0"),
        ("lo", "lo is no Ethernet"),
        ("tun7", "tun7 is no Ethernet"),
        ("br7", "br7 is a bridge itself"),
    ] {
        let refused = up(nic);
        assert!(refused.contains(words), "{refused}");
    }
    lan.host("ip nexthop add id 5 via 10.9.0.1 dev eth0");
    lan.host("ip route add 10.79.0.0/16 nhid 5");
    let refused = up("eth0");
    assert!(refused.contains("10.79.0.0/16") && refused.contains("nexthop object"), "{refused}");
    lan.host("ip nexthop del id 5");
    lan.host("ip link set eth0 master br7");
    let refused = up("eth0");
    assert!(refused.contains("a port of br7 already"), "{refused}");
    lan.host("ip link set eth0 nomaster");
    assert_eq!((lan.picture("eth0"), lan.links()), before);
    assert!(lan.journals().is_empty());
}

#[test]
fn the_tap_belongs_to_the_user_who_called_sudo() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("owner");
    let uid = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    // Where only one user is known in here there is nobody to give it to.
    let all = uid.split_whitespace().last().is_some_and(|count| count.len() > 5);
    let user = if all { "54321" } else { "0" };
    let output = lan.tapip(UP).env("SUDO_UID", user).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let facts = lan.host("ip -N -d link show dev tap0");
    for words in [&format!("user {user}"), "vnet_hdr on", "persist on"] {
        assert!(facts.contains(words), "{words}: {facts}");
    }
    lan.expect(DOWN);
}

#[test]
fn the_stack_is_a_neighbour_on_the_lan() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("neighbour");
    lan.expect(UP);
    let ping = "ping -c 2 -s 60000 10.9.0.1; ping -c 1 192.0.2.9; ping -c 1 10.9.0.2; route";
    // Asked for before it is used, as the default is there.
    let run = ["run", "--link", "bridge:eth0", "--addr", "10.9.0.77/24", "-c", ping];
    let said = lan.expect(&run);
    assert!(said.contains("2 packets transmitted, 2 received, 0% packet loss"), "{said}");
    assert_eq!(said.matches("1 packets transmitted, 1 received").count(), 2, "{said}");
    assert!(lan.expect(&["bridge", "status"]).contains("whole"), "it was there before");

    // TCP across the LAN, to the stack and back.
    let bytes: Vec<u8> = (0..3_000_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    std::fs::write(lan.directory().join("sent"), &bytes).unwrap();
    let mut stack = Stack::start(&lan, &RUN);
    stack.run("serve http 80 .");
    let url = "http://10.9.0.77/sent";
    let output = lan.on_lan(&format!("curl -sS -m 100 {url}")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == bytes, "{} bytes came", output.stdout.len());
    // From the host itself as well, by way of its bridge.
    let output = Command::new("curl").args(["-sS", "-m", "100", url]).output().unwrap();
    assert!(output.stdout == bytes, "{}", String::from_utf8_lossy(&output.stderr));
    let neighbour = lan.there("ip neigh show 10.9.0.77");
    assert!(neighbour.contains("06:00:00:00:aa:01"), "beside the NIC's: {neighbour}");
    stack.end();
    lan.expect(DOWN);
}

#[test]
fn a_run_without_a_bridge_makes_one_and_takes_it_along_however_it_ends() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("session");
    let before = lan.picture("eth0");
    let taken = ["run", "--link", "bridge:eth0", "--addr", "10.9.0.2/24", "-c", "help"];
    let taken = lan.refused(&taken);
    assert!(taken.contains("this host's own"), "{taken}");
    assert_same(&lan.picture("eth0"), &before, "taken down again on an error");

    let ping = "ping -c 1 10.9.0.1";
    let run = [&RUN[..], &["-c", ping]].concat();
    // A bridge that is not ready loses the question for the gateway's address, which is repeated
    // after 1 s. A machine that stands still looks the same, so there is more than one try.
    let prompt = |_| {
        let said = lan.expect(&run);
        assert!(said.contains("1 received"), "{said}");
        let times = said.split("rtt min/avg/max/mdev = ").nth(1).expect(&said);
        times.split('/').next().unwrap().parse::<f64>().unwrap() < 900.0
    };
    assert!((0..3).any(prompt), "each first ping took a second");
    assert_eq!((lan.picture("eth0"), lan.links().len()), (before.clone(), 2));

    for end in ["TERM", "HUP", "KILL", "ABRT"] {
        let mut stack = Stack::start(&lan, &RUN);
        stack.run(ping);
        assert!(lan.links().contains(&"br0".into()), "{:?}", lan.links());
        signal(end, stack.id());
        stack.wait();
        // After a kill it is the guard that does it, in its own time.
        lan.wait("the end of the bridge", || lan.journals().is_empty());
        assert_eq!((lan.picture("eth0"), lan.links().len()), (before.clone(), 2), "SIG{end}");
    }
}
