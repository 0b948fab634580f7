//! The network: what it is made of, and how it is put together.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use ip::{Cidr, RouteEntry, RouteOrigin};
use netdev::{
    Capabilities, CaptureFile, FaultConfig, Instant, Loopback, MacAddr, Medium, Wire, WireConfig,
};
use socket::{Layers, Stack};

use super::agenda::Agenda;
use super::host::Host;
use super::link::{Lane, LinkConfig, LinkCounts};
use super::program::{Program, Running};
use super::switch::Switch;
use super::trace::Trace;

/// Events of a run that was given no other bound.
const EVENTS: u64 = 20_000_000;

/// Hosts, routers and switches, and links between them, on virtual time.
///
/// All chance in it comes from one seed: the same calls with the same seed are the same run, event
/// for event ([`Network::trace_hash`]).
pub struct Network {
    pub(super) now: Instant,
    pub(super) seed: u64,
    seeds: fastrand::Rng,
    pub(super) nodes: Vec<Node>,
    /// Two for each link: there, and back.
    pub(super) lanes: Vec<Lane>,
    pub(super) agenda: Agenda,
    pub(super) trace: Trace,
    /// Events that a run may have.
    pub(super) bound: u64,
    /// How many runs there were.
    pub(super) run: u64,
    interfaces: u32,
}

/// A host, router or switch of a [`Network`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub(super) u32);

/// A link of a [`Network`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(u32);

/// One end of a link to be: a node, and the address that its new interface has there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plug {
    node: NodeId,
    addr: Option<Cidr>,
    gateway: Option<IpAddr>,
}

pub(super) struct Node {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The lane that leads away from each port.
    pub(super) ports: Vec<usize>,
    /// The run in which it last had an event, and how many it had there.
    pub(super) busy: (u64, u64),
}

pub(super) enum Kind {
    Host(Box<Host>),
    Switch(Switch),
}

/// The first implementation of every layer.
pub fn layers(seed: u64) -> Layers {
    Layers {
        ip: Box::new(ip::Router::new(ip::Config::default(), seed)),
        icmp: Box::new(icmp::Icmp::new(icmp::Config::default(), seed)),
        udp: Box::new(udp::Udp::new(udp::Config::default(), seed)),
        tcp: Box::new(tcp::Tcp::new(tcp::Config::default(), seed)),
    }
}

impl Network {
    /// An empty network at time zero.
    pub fn new(seed: u64) -> Network {
        Network {
            now: Instant::ZERO,
            seed,
            seeds: fastrand::Rng::with_seed(seed),
            nodes: Vec::new(),
            lanes: Vec::new(),
            agenda: Agenda::default(),
            trace: Trace::new(),
            bound: EVENTS,
            run: 0,
            interfaces: 0,
        }
    }

    /// A host with the first implementation of every layer.
    pub fn host(&mut self, name: &str) -> NodeId {
        self.host_with(name, layers)
    }

    /// A host with layers of one's own, made from a seed.
    pub fn host_with(&mut self, name: &str, layers: impl FnOnce(u64) -> Layers) -> NodeId {
        let mut stack = Stack::new(layers(self.seeds.u64(..)));
        stack.add_loopback(self.now, Box::new(Loopback::new())).expect("a loopback interface");
        self.add(name, Kind::Host(Box::new(Host::new(stack))))
    }

    /// A router: a host that forwards.
    pub fn router(&mut self, name: &str) -> NodeId {
        let router = self.host(name);
        let forwarding = ip::Change::Forwarding(true);
        self.with(router, |stack, now| stack.configure(now, forwarding)).expect("a router");
        router
    }

    /// A switch, which learns who is behind which of its ports. It takes no time.
    pub fn switch(&mut self, name: &str) -> NodeId {
        self.add(name, Kind::Switch(Switch::default()))
    }

    /// A link between two nodes. A host or router gets one more interface by it, with the address
    /// of its [`Plug`] and the link's MTU.
    ///
    /// # Panics
    /// Where a host does not take the address, or a switch is given one.
    pub fn link(&mut self, a: impl Into<Plug>, b: impl Into<Plug>, config: LinkConfig) -> LinkId {
        let ends = [a.into(), b.into()];
        let link = LinkId(self.lanes.len() as u32 / 2);
        let ports = ends.map(|end| self.nodes[end.node.0 as usize].ports.len());
        // Both ends may be the same switch, by mistake or to see what comes of it.
        let ports = [ports[0], ports[1] + usize::from(ends[0].node == ends[1].node)];
        for (from, to) in [(0, 1), (1, 0)] {
            let lane = self.lanes.len();
            let seed = self.seeds.u64(..);
            self.lanes.push(Lane::new(seed, ends[from].node, ends[to].node, ports[to]));
            self.nodes[ends[from].node.0 as usize].ports.push(lane);
        }
        self.set_link(link, config);
        ends.into_iter().for_each(|end| self.plug(end, config.mtu));
        link
    }

    /// Makes a link another one, for the packets that enter it from now on. The interfaces at its
    /// ends keep their MTU.
    pub fn set_link(&mut self, link: LinkId, config: LinkConfig) {
        let LinkConfig { there, back, mtu } = config;
        for (lane, config) in self.ways(link).zip([there, back]) {
            (self.lanes[lane].config, self.lanes[lane].mtu) = (config, mtu);
        }
    }

    /// Loses all that enters a link from now on.
    pub fn cut(&mut self, link: LinkId) {
        for lane in self.ways(link) {
            let config = &mut self.lanes[lane].config;
            *config = FaultConfig { loss: netdev::Loss::ALWAYS, ..*config };
        }
    }

    /// What became of the packets of a link so far: there, and back.
    pub fn counts(&self, link: LinkId) -> [LinkCounts; 2] {
        let first = link.0 as usize * 2;
        [self.lanes[first].counts(), self.lanes[first + 1].counts()]
    }

    /// Records what passes a link from now on. Each end is an interface of the file, so that what
    /// entered and what came out can be told apart; what chance did to a packet is its comment.
    pub fn capture(&mut self, link: LinkId, file: &CaptureFile) {
        for lane in self.ways(link) {
            let [near, far] = [self.lanes[lane].from, self.lanes[lane].to];
            let end = |this: NodeId, other: NodeId| {
                let name = format!("{} (to {})", self.name(this), self.name(other));
                file.interface(&name, Medium::Ethernet)
            };
            let (near, far) = (end(near, far), end(far, near));
            self.lanes[lane].capture(near, far);
        }
    }

    /// A static route of a host or router by a gateway: `net.route(r, "10.0.2.0/24", "10.0.1.2")`.
    ///
    /// # Panics
    /// Where the host does not take it.
    pub fn route(&mut self, node: NodeId, dst: &str, gateway: &str) {
        let gateway: IpAddr = gateway.parse().expect("an address");
        self.with(node, |stack, now| {
            let iface = stack.route(now, gateway).expect("a gateway on a link of the host").iface;
            let route = RouteEntry {
                dst: dst.parse().expect("a network"),
                gateway: Some(gateway),
                iface,
                metric: 0,
                source: None,
                origin: RouteOrigin::Static,
            };
            stack.configure(now, ip::Change::AddRoute(route))
        })
        .expect("a route");
    }

    /// Starts a program on a host.
    pub fn start<P: Program>(&mut self, host: NodeId, program: P) -> Running<P> {
        let number = self.host_mut(host).start(Box::new(program));
        self.agenda.set(host.slot(), Some(self.now));
        Running { node: host, number, program: PhantomData }
    }

    /// A call of a host's stack from outside; what it sends is on its way afterwards.
    pub fn with<T>(&mut self, host: NodeId, call: impl FnOnce(&mut Stack, Instant) -> T) -> T {
        let now = self.now;
        let result = call(&mut self.host_mut(host).stack, now);
        self.settle(host);
        result
    }

    /// A host's stack, to be looked at.
    pub fn stack(&self, host: NodeId) -> &Stack {
        match &self.nodes[host.0 as usize].kind {
            Kind::Host(host) => &host.stack,
            Kind::Switch(_) => panic!("{} is a switch", self.name(host)),
        }
    }

    /// A counter of a host, summed over its interfaces.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn counter(&self, host: NodeId, layer: &str, name: &str) -> u64 {
        crate::virtual_net::counter(self.stack(host), layer, name)
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How long it has been since time zero.
    pub fn elapsed(&self) -> Duration {
        self.now - Instant::ZERO
    }

    /// Events so far. A packet that arrives at a node is one, a timer of a node that is due is one.
    pub fn events(&self) -> u64 {
        self.trace.events
    }

    /// A number that follows from every event so far: its time, its node, and of a packet the
    /// headers, checksums and so the content. The same seed gives the same.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// The last events in words, the oldest first.
    pub fn last_events(&self) -> Vec<String> {
        self.trace.last(&|node| self.name(node))
    }

    /// Packets on their way in the links.
    pub fn on_the_way(&self) -> usize {
        self.lanes.iter().map(Lane::on_the_way).sum()
    }

    /// The name of a node.
    pub fn name(&self, node: NodeId) -> &str {
        &self.nodes[node.0 as usize].name
    }

    /// The first node of a name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let at = self.nodes.iter().position(|node| node.name == name)?;
        Some(NodeId(at as u32))
    }

    pub(super) fn host_mut(&mut self, host: NodeId) -> &mut Host {
        let Node { name, kind, .. } = &mut self.nodes[host.0 as usize];
        match kind {
            Kind::Host(host) => host,
            Kind::Switch(_) => panic!("{name} is a switch"),
        }
    }

    fn add(&mut self, name: &str, kind: Kind) -> NodeId {
        self.nodes.push(Node { name: name.to_string(), kind, ports: Vec::new(), busy: (0, 0) });
        NodeId(self.nodes.len() as u32 - 1)
    }

    fn ways(&self, link: LinkId) -> std::ops::Range<usize> {
        let first = link.0 as usize * 2;
        first..first + 2
    }

    /// Gives a host the interface that goes with a port.
    fn plug(&mut self, end: Plug, mtu: usize) {
        let Plug { node, addr, gateway } = end;
        if let Kind::Switch(_) = self.nodes[node.0 as usize].kind {
            assert_eq!(addr, None, "{} is a switch and has no address", self.name(node));
            return;
        }
        self.interfaces += 1;
        let [_, b, c, d] = self.interfaces.to_be_bytes();
        let mac = MacAddr([2, 0, 0, b, c, d]);
        // ARP has no checksum: a link that flips a bit of another host's address makes it ours, and
        // what is watched for hours is not to lose its address by that (RFC 5227 §2.4 (c)).
        let config = arp::Config { yield_address: false, ..arp::Config::default() };
        let arp = Box::new(arp::Cache::new(mac, config, self.seeds.u64(..)));
        let (near, far) = Wire::pair_with(WireConfig {
            latency: Duration::ZERO,
            queue: usize::MAX,
            capabilities: Capabilities::plain(Medium::Ethernet, mtu),
        });
        self.host_mut(node).plug(far);
        let addrs: Vec<Cidr> = addr.into_iter().collect();
        self.with(node, |stack, now| {
            stack.add_interface(now, Box::new(near), mac, Some(arp), &addrs, gateway)
        })
        .expect("an interface");
    }
}

impl NodeId {
    /// This node's end of a link to be, with an address: `host.at("10.0.0.1/24")`.
    ///
    /// # Panics
    /// Where it is not an address and a prefix length.
    pub fn at(self, addr: &str) -> Plug {
        let addr = Some(addr.parse().expect("an address and a prefix length"));
        Plug { node: self, addr, gateway: None }
    }

    pub(super) fn slot(self) -> u32 {
        self.0 * 2
    }
}

/// The slot of a lane in the agenda; those of nodes lie between.
pub(super) fn lane_slot(lane: usize) -> u32 {
    lane as u32 * 2 + 1
}

impl Plug {
    /// With a default route by this gateway, for a host.
    ///
    /// # Panics
    /// Where it is not an address.
    #[must_use]
    pub fn via(self, gateway: &str) -> Plug {
        Plug { gateway: Some(gateway.parse().expect("an address")), ..self }
    }
}

/// A switch's end, or a host's without an address.
impl From<NodeId> for Plug {
    fn from(node: NodeId) -> Plug {
        Plug { node, addr: None, gateway: None }
    }
}

/// What a program has come to.
impl<P: Program> Index<Running<P>> for Network {
    type Output = P;
    fn index(&self, running: Running<P>) -> &P {
        let Kind::Host(host) = &self.nodes[running.node.0 as usize].kind else {
            unreachable!("a switch runs no program")
        };
        let program: &dyn std::any::Any = host.program(running.number);
        program.downcast_ref().expect("a program of this network")
    }
}

impl<P: Program> IndexMut<Running<P>> for Network {
    fn index_mut(&mut self, running: Running<P>) -> &mut P {
        let program: &mut dyn std::any::Any =
            self.host_mut(running.node).program_mut(running.number);
        program.downcast_mut().expect("a program of this network")
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("nodes", &self.nodes.len())
            .field("events", &self.events())
            .finish_non_exhaustive()
    }
}
