//! Two whole stacks, joined by a link in memory, each with a shell.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use netdev::{Device, Loopback, MacAddr, UnixLink};
use shell::{
    Captured, DebugSwitch, DebugTarget, Environment, ExitStatus, HostEnd, Input, Shell, Terminal,
};
use socket::{Layers, Net, Stack};

/// One stack and its shell.
pub struct Host {
    pub net: Net,
    pub shell: Shell,
    pub screen: Captured,
    /// What standard input brings.
    pub stdin: UnixStream,
}

/// 10.0.0.1 and 10.0.0.2 on one link.
pub fn pair() -> (Host, Host) {
    pair_over(|device| device)
}

/// As [`pair`], with the first one's device in a decorator.
pub fn pair_over(decorate: impl FnOnce(Box<dyn Device>) -> Box<dyn Device>) -> (Host, Host) {
    let (a, b) = UnixLink::pair().unwrap();
    (host(1, decorate(Box::new(a.named("veth0")))), host(2, Box::new(b.named("veth0"))))
}

/// A host behind another, which gets a second interface for it: 10.0.1.1 on `behind`, and the
/// host is 10.0.1.2.
pub fn behind(router: &Host) -> Host {
    let (near, far) = UnixLink::pair().unwrap();
    let mac = MacAddr([0, 0x34, 0x45, 0x67, 0x8a, 1]);
    let arp = arp::Cache::new(mac, arp::Config::default(), 3);
    let addrs = ["10.0.1.1/24".parse().unwrap()];
    let near = Box::new(near.named("behind"));
    router
        .net
        .with(|stack, now| stack.add_interface(now, near, mac, Some(Box::new(arp)), &addrs, None))
        .unwrap();
    let gateway = Some("10.0.1.1".parse().unwrap());
    host_at(3, Box::new(far.named("veth0")), "10.0.1.2/24", gateway)
}

fn host(last: u8, link: Box<dyn Device>) -> Host {
    host_at(last, link, &format!("10.0.0.{last}/24"), None)
}

fn host_at(last: u8, link: Box<dyn Device>, addr: &str, gateway: Option<IpAddr>) -> Host {
    let seed = u64::from(last);
    let mut stack = Stack::new(Layers {
        ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
        icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
        udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
        tcp: Box::new(tcp::Tcp::new(tcp::Config::default(), seed)),
    });
    let now = netdev::Instant::ZERO;
    stack.add_loopback(now, Box::new(Loopback::new())).unwrap();
    let mac = MacAddr([0, 0x34, 0x45, 0x67, 0x89, last]);
    let arp = arp::Cache::new(mac, arp::Config::default(), seed);
    let addr = addr.parse().unwrap();
    stack.add_interface(now, link, mac, Some(Box::new(arp)), &[addr], gateway).unwrap();
    let net = Net::start(stack).unwrap();

    let (terminal, screen) = Terminal::capture();
    let (stdin, reads) = UnixStream::pair().unwrap();
    let shell = Shell::new(Environment {
        net: net.clone(),
        debug: Box::new(Switches::default()),
        host_command: Some(Box::new(|line| {
            let mut command = std::process::Command::new("sh");
            command.arg("-c").arg(line);
            command
        })),
        host_ends: vec![HostEnd {
            name: "tap0".into(),
            mac: None,
            addr: Some("10.0.0.2/24".parse().unwrap()),
            mtu: Some(1500),
        }],
        layers: vec![("tcp", "tcp".into())],
        terminal,
        input: Input::from_fd(OwnedFd::from(reads)).unwrap(),
    });
    Host { net, shell, screen, stdin }
}

impl Host {
    /// Runs a line; its status and what was printed.
    pub fn run(&mut self, line: &str) -> (ExitStatus, String) {
        self.screen.take();
        let status = self.shell.run_line(line);
        (status, self.screen.take())
    }

    /// Runs a line that must succeed.
    pub fn ok(&mut self, line: &str) -> String {
        let (status, text) = self.run(line);
        assert!(status.is_success(), "`{line}` gave {status:?}: {text}");
        text
    }

    /// Raises ^C a moment after now, while a command runs.
    pub fn interrupt_after(&self, time: Duration) -> std::thread::JoinHandle<()> {
        let interrupt = self.shell.interrupt();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            interrupt.raise();
        })
    }
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "not so after 20 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Remembers every change.
#[derive(Default)]
pub struct Switches(Mutex<Vec<DebugTarget>>);

impl DebugSwitch for Switches {
    fn set(&self, target: DebugTarget, on: bool) {
        let mut on_now = self.0.lock().unwrap();
        on_now.retain(|other| *other != target);
        if on {
            on_now.push(target);
        }
    }

    fn is_on(&self, target: DebugTarget) -> bool {
        self.0.lock().unwrap().contains(&target)
    }
}

/// An address of the second host.
pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
