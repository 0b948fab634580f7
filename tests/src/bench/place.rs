//! Network namespaces, and what joins them.
//!
//! ```text
//!   direct              client, 10.0.0.2 [tap0]======(TAP)====== stack, 10.0.0.1
//!   direct, kernel      client, 10.0.0.2 [lan0]---veth---[srv0] kernel, 10.0.0.1
//!   bridged             client, 10.0.0.2 [lan0]---veth---[port1 br0 tap0]===(TAP)=== stack
//!   bridged, kernel     client, 10.0.0.2 [lan0]---veth---[port1 br0 port0]---veth---[srv0] kernel
//! ```
//!
//! Both ends of a direct TAP are in the namespace of this process; each other end that has an
//! address is in one of its own, so that the kernel does not talk to itself over `lo`.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, bail};

use super::{Row, Stack, sys};

/// The stack's address.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The client's.
const CLIENT: &str = "10.0.0.2/24";
/// The TAP of the stacks that use one.
pub(super) const TAP: &str = "tap0";
/// Packets that may wait in the TAP: what `tapip` sets for one that it makes itself. Everybody
/// gets the same.
const TRANSMIT_QUEUE: u32 = 5000;

type Job = Box<dyn FnOnce() + Send>;

/// A thread in a network namespace of its own, which does there what it is told.
pub(super) struct Place {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    path: String,
}

impl Place {
    fn new() -> Result<Place> {
        let (jobs, todo) = channel::<Job>();
        let (said, hear) = channel();
        let thread = std::thread::spawn(move || {
            let path = sys::unshare_net()
                .and_then(|()| std::fs::read_link("/proc/thread-self"))
                .map(|thread| format!("/proc/{}/ns/net", thread.display()));
            let _ = said.send(path);
            todo.into_iter().for_each(|job| job());
        });
        let path = hear.recv()?.context("cannot make a network namespace")?;
        let place = Place { jobs: Some(jobs), thread: Some(thread), path };
        place.run(|| ip("link set lo up")).and_then(|()| place.run(settle))?;
        Ok(place)
    }

    /// Does `job` there, and waits for it. Processes and threads that it starts are there as well.
    pub(super) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (said, hear) = channel();
        let job: Job = Box::new(move || drop(said.send(job())));
        let jobs = self.jobs.as_ref().expect("only dropping takes it");
        // Neither fails but where the job panicked, which has been reported.
        jobs.send(job).expect("the thread waits for jobs");
        hear.recv().expect("the job ends")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The network of one measurement.
pub(super) struct Topology {
    client: Option<Place>,
    server: Option<Place>,
}

impl Topology {
    /// Makes it in the network namespace of the calling thread, which has nothing but `lo`.
    pub(super) fn make(stack: Stack, row: Row) -> Result<Topology> {
        settle()?;
        let topology = Topology {
            client: row.is_bridged().then(Place::new).transpose()?,
            server: stack.is_kernel().then(Place::new).transpose()?,
        };
        let plain = !stack.offloads();
        let tap = || {
            let header = if plain { "" } else { "vnet_hdr" };
            format!(
                "tuntap add dev {TAP} mode tap {header}\nlink set {TAP} txqueuelen {TRANSMIT_QUEUE}"
            )
        };
        match (&topology.client, &topology.server) {
            (None, None) => {
                ip(&tap())?;
                be_client(TAP)?;
            }
            (None, Some(server)) => {
                ip(&format!("link add lan0 type veth peer name srv0 netns {}", server.path))?;
                be_client("lan0")?;
                without_offload("lan0", plain)?;
            }
            (Some(client), server) => {
                let port = match server {
                    None => {
                        ip(&tap())?;
                        TAP
                    }
                    Some(server) => {
                        let path = &server.path;
                        ip(&format!("link add port0 type veth peer name srv0 netns {path}"))?;
                        without_offload("port0", plain)?;
                        "port0"
                    }
                };
                let path = &client.path;
                ip(&format!(
                    "link add port1 type veth peer name lan0 netns {path}\n\
                     link add br0 type bridge forward_delay 0\n\
                     link set {port} master br0 up\nlink set port1 master br0 up\n\
                     link set br0 up"
                ))?;
                without_offload("port1", plain)?;
                client
                    .run(move || be_client("lan0").and_then(|()| without_offload("lan0", plain)))?;
                if row.loses() {
                    lose(&[port, "port1"])?;
                }
            }
        }
        if let Some(server) = &topology.server {
            server.run(move || {
                ip(&format!("addr add {SERVER}/24 dev srv0\nlink set srv0 up"))?;
                without_offload("srv0", plain)
            })?;
        }
        Ok(topology)
    }

    /// Does `job` where the client is.
    pub(super) fn at_the_client<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match &self.client {
            Some(place) => place.run(job),
            None => job(),
        }
    }

    /// Does `job` where the stack is.
    pub(super) fn at_the_server<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match &self.server {
            Some(place) => place.run(job),
            None => job(),
        }
    }
}

/// Settings of the calling thread's namespace.
fn settle() -> Result<()> {
    for (setting, value) in [
        // Neighbour discovery is not part of any row.
        ("net/ipv6/conf/default/disable_ipv6", "1"),
        // Connections in TIME-WAIT at the client would run out of ports, and cost it time.
        ("net/ipv4/tcp_max_tw_buckets", "0"),
        ("net/ipv4/ip_local_port_range", "1024 65535"),
    ] {
        let path = format!("/proc/sys/{setting}");
        match std::fs::write(&path, value) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot set {path}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn be_client(interface: &str) -> Result<()> {
    ip(&format!("addr add {CLIENT} dev {interface}\nlink set {interface} up"))?;
    // What is asked before the stack listens is asked again soon.
    let path = format!("/proc/sys/net/ipv4/neigh/{interface}/retrans_time_ms");
    std::fs::write(&path, "20").with_context(|| format!("cannot set {path}"))
}

fn without_offload(interface: &str, plain: bool) -> Result<()> {
    if plain {
        sys::offload_off(interface)
            .with_context(|| format!("cannot switch the offload of {interface} off"))?;
    }
    Ok(())
}

/// Drops one in a hundred of the packets with data that arrive at these interfaces: those without
/// are spared, so that no connection begins with a second of waiting for its SYN.
fn lose(interfaces: &[&str]) -> Result<()> {
    let table = |interface: &&str| {
        format!(
            "table netdev loss_{interface} {{ chain ingress {{ \
             type filter hook ingress device {interface} priority 0; \
             meta length > 500 numgen random mod 100 == 0 drop; }}; }}\n"
        )
    };
    let rules: String = interfaces.iter().map(table).collect();
    feed(Command::new("nft").args(["-f", "-"]), &rules)
}

/// Runs commands of ip(8), one a line.
fn ip(commands: &str) -> Result<()> {
    feed(Command::new("ip").args(["-batch", "-"]), commands)
}

fn feed(command: &mut Command, input: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let mut stdin = child.stdin.take().context("a pipe was asked for")?;
    stdin.write_all(input.as_bytes()).and_then(|()| stdin.write_all(b"\n"))?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{program}: {}\n{input}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
