//! A stack that follows its DHCP clients: addresses, routes, MTU and DNS servers come and go with
//! the leases.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use etherparse::PacketBuilder;
use ip::{Cidr, Handle, Hop, IfIndex, NextHop as _, RouteEntry, SocketError, Ttl};
use netdev::{Counter, Instant, LinkState, MacAddr, Packet, sooner};

use super::{CLIENT_PORT, Client, Config, Event, Lease, Network, SERVER_PORT, State};
use crate::configure::default_route;
use crate::{ConfigError, Stack};

/// The clients of a stack, one an interface at most.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// The socket at port 68 that all share.
    socket: Option<Handle>,
    list: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    iface: IfIndex,
    client: Client,
    /// What the interface has by now.
    applied: Option<Applied>,
    /// Whether its interface is up, and the link too.
    connected: bool,
}

/// What came of asking a link for an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probed {
    pub(crate) iface: IfIndex,
    pub(crate) addr: IpAddr,
    pub(crate) outcome: Outcome,
}

/// What the link said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody has it.
    Free,
    /// This host has it, or uses it too.
    Contested(MacAddr),
    /// This host has it, and it was taken out of use for that.
    Lost(MacAddr),
}

/// What was changed for a lease, to be undone after it.
#[derive(Debug)]
struct Applied {
    addr: Cidr,
    route: Option<RouteEntry>,
    /// The MTU that was there before.
    mtu: Option<usize>,
}

/// A client as a person sees it.
#[derive(Clone, Debug)]
pub struct View {
    /// Its interface.
    pub iface: IfIndex,
    /// Where it is.
    pub state: State,
    /// What it has.
    pub lease: Option<Lease>,
    /// How long until it asks for more time; zero while it does.
    pub renews_in: Duration,
    /// How long until the lease ends.
    pub ends_in: Duration,
}

impl Clients {
    /// Whether there is any: most stacks have none.
    pub(crate) fn is_any(&self) -> bool {
        !self.list.is_empty()
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.list.iter().fold(None, |due, running| sooner(due, running.client.poll_at()))
    }

    /// Of each: its interface and its counters.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (IfIndex, Vec<Counter>)> {
        self.list.iter().map(|running| (running.iface, running.client.counters()))
    }
}

impl Clients {
    /// Tells the client that asked what came of it. A claim that nobody waits for any more is
    /// given up.
    fn probed(&mut self, now: Instant, outcome: Probed, stack: &mut Stack) {
        let Probed { iface, addr, outcome } = outcome;
        let IpAddr::V4(v4) = addr else { return };
        let concerned = |running: &&mut Running| {
            let client = &running.client;
            running.iface == iface
                && (client.is_probing(v4) || client.lease().is_some_and(|lease| lease.ip() == v4))
        };
        let Some(running) = self.list.iter_mut().find(concerned) else {
            if outcome == Outcome::Free {
                // Only fails where it is gone already.
                let _ = stack.configure_arp(now, iface, arp::Change::RemoveAddress(addr));
            }
            return;
        };
        let event = match outcome {
            Outcome::Free => running.client.free(v4),
            Outcome::Contested(mac) if running.client.is_probing(v4) => {
                let mut net = Through { stack, iface, socket: self.socket };
                running.client.contested(now, v4, mac, &mut net)
            }
            // It was defended.
            Outcome::Contested(_) => Event::None,
            Outcome::Lost(mac) => {
                let mut net = Through { stack, iface, socket: self.socket };
                running.client.contested(now, v4, mac, &mut net)
            }
        };
        running.follow(now, event, stack);
    }
}

impl Stack {
    /// Lets an interface get its address by DHCP from now on. `change` may alter the client's
    /// usual behaviour. One that runs there is replaced, without a word to its server.
    pub fn start_dhcp(
        &mut self,
        now: Instant,
        iface: IfIndex,
        seed: u64,
        change: impl FnOnce(&mut Config),
    ) -> Result<(), ConfigError> {
        let interface = self.interface(iface)?;
        let mac = interface.port.mac();
        let connected = interface.link == LinkState::Up && interface.admin_up;
        let mut config = Config::new(mac);
        change(&mut config);
        if self.dhcp.socket.is_none() {
            self.dhcp.socket = Some(self.client_socket(now).map_err(ConfigError::Dhcp)?);
        }
        self.stop_dhcp(now, iface);
        let client = Client::new(now, config, seed);
        self.dhcp.list.push(Running { iface, client, applied: None, connected });
        self.drive_dhcp(now);
        Ok(())
    }

    /// Gives the addresses of all leases back. They go a second later; whoever ends may end before.
    pub fn release_dhcp(&mut self, now: Instant) {
        self.with_clients(|stack, clients| {
            for running in &mut clients.list {
                let mut net = Through { stack, iface: running.iface, socket: clients.socket };
                running.client.release(now, &mut net);
            }
        });
        self.after_call(now);
    }

    /// The DHCP clients.
    pub fn dhcp(&self, now: Instant) -> Vec<View> {
        let view = |running: &Running| {
            let lease = running.client.lease().cloned();
            let until = |of: fn(&Lease) -> Instant| {
                lease.as_ref().map_or(Duration::ZERO, |lease| of(lease).since(now))
            };
            View {
                iface: running.iface,
                state: running.client.state(),
                renews_in: until(|lease| lease.t1),
                ends_in: until(|lease| lease.end),
                lease,
            }
        };
        self.dhcp.list.iter().map(view).collect()
    }

    /// Hands what came to port 68 to the clients, and lets them do what is due.
    pub(crate) fn drive_dhcp(&mut self, now: Instant) {
        self.with_clients(|stack, clients| {
            let socket = clients.socket;
            while let Some(outcome) = stack.probed.pop_front() {
                clients.probed(now, outcome, stack);
            }
            while let Some(received) =
                socket.and_then(|socket| stack.udp.receive(socket, false).ok())
            {
                let at = |running: &&mut Running| running.iface == received.iface;
                if let Some(running) = clients.list.iter_mut().find(at) {
                    let mut net = Through { stack, iface: received.iface, socket };
                    let event = running.client.input(now, &received.data, &mut net);
                    running.follow(now, event, stack);
                }
            }
            for running in &mut clients.list {
                running.watch_link(now, stack);
                while running.client.poll_at().is_some_and(|at| at <= now) {
                    let mut net = Through { stack, iface: running.iface, socket };
                    let event = running.client.poll(now, &mut net);
                    running.follow(now, event, stack);
                }
            }
            // An interface that was taken away takes its client along.
            clients.list.retain(|running| stack.interfaces.find(running.iface).is_some());
        });
        self.after_call(now);
    }

    /// The clients, taken out so that they can use the rest.
    fn with_clients(&mut self, call: impl FnOnce(&mut Stack, &mut Clients)) {
        let mut clients = std::mem::take(&mut self.dhcp);
        call(self, &mut clients);
        self.dhcp = clients;
    }

    /// Ends the client of an interface, without a word to its server. What it had given the
    /// interface goes. Nothing where there is none.
    pub fn stop_dhcp(&mut self, now: Instant, iface: IfIndex) {
        self.with_clients(|stack, clients| {
            for running in clients.list.iter_mut().filter(|running| running.iface == iface) {
                running.undo(now, stack);
            }
            clients.list.retain(|running| running.iface != iface);
        });
    }

    fn client_socket(&mut self, now: Instant) -> Result<Handle, SocketError> {
        self.with_udp(now, |udp, out| {
            let socket = udp.open()?;
            let any = (Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into();
            match udp.bind(socket, any, out) {
                Ok(()) => Ok(socket),
                Err(error) => {
                    udp.close(socket);
                    Err(error)
                }
            }
        })
    }
}

impl Running {
    /// Lets the interface follow what became of the lease.
    fn follow(&mut self, now: Instant, event: Event, stack: &mut Stack) {
        match event {
            Event::None => {}
            Event::Bound(lease) => {
                if self.applied.as_ref().is_some_and(|applied| applied.addr != lease.addr) {
                    self.undo(now, stack);
                }
                self.apply(now, &lease, stack);
            }
            Event::Lost(why) => {
                tracing::warn!(interface = %self.iface, ?why, "the DHCP lease is gone");
                self.undo(now, stack);
            }
        }
    }

    fn apply(&mut self, now: Instant, lease: &Lease, stack: &mut Stack) {
        let iface = self.iface;
        let refused = |what: &str, error: ConfigError| {
            tracing::warn!(interface = %iface, %error, "DHCP: cannot set the {what}");
        };
        if self.applied.is_none()
            && let Err(error) = stack.add_address(now, iface, lease.addr)
        {
            return refused("address", error);
        }
        let Applied { route: old, mut mtu, .. } =
            self.applied.take().unwrap_or(Applied { addr: lease.addr, route: None, mtu: None });
        let route = lease.routers.first().map(|router| default_route((*router).into(), iface));
        if route != old {
            if let Some(old) = old {
                remove_route(now, &old, stack);
            }
            if let Some(route) = &route
                && let Err(error) = stack.configure(now, ip::Change::AddRoute(*route))
            {
                refused("route", error);
            }
        }
        if let Some(wanted) = lease.mtu.map(usize::from)
            && let Ok(interface) = stack.interface(iface)
        {
            let most = mtu.unwrap_or(interface.port.capabilities().mtu);
            // Never more than what the device had: the link would drop it.
            if wanted <= most && stack.set_mtu(now, iface, wanted).is_ok() {
                mtu = Some(most);
            }
        }
        let dns = lease.dns.iter().map(|server| IpAddr::V4(*server)).collect();
        stack.dns.learn(iface, dns, lease.domain.clone());
        self.applied = Some(Applied { addr: lease.addr, route, mtu });
    }

    fn undo(&mut self, now: Instant, stack: &mut Stack) {
        let Some(Applied { addr, route, mtu }) = self.applied.take() else { return };
        stack.dns.forget(self.iface);
        if let Some(route) = route {
            remove_route(now, &route, stack);
        }
        // Both only fail where somebody else was faster.
        let _ = stack.remove_address(now, self.iface, addr);
        if let Some(mtu) = mtu {
            let _ = stack.set_mtu(now, self.iface, mtu);
        }
    }

    fn watch_link(&mut self, now: Instant, stack: &Stack) {
        let Some(interface) = stack.interfaces.find(self.iface) else { return };
        let connected = interface.link == LinkState::Up && interface.admin_up;
        if self.connected != connected {
            self.connected = connected;
            if connected {
                self.client.link_up(now);
            }
        }
    }
}

/// Only fails where a person took it away before.
fn remove_route(now: Instant, route: &RouteEntry, stack: &mut Stack) {
    let gone = ip::Change::RemoveRoute {
        dst: route.dst,
        gateway: route.gateway,
        metric: Some(route.metric),
    };
    let _ = stack.configure(now, gone);
}

/// What a client sends by: its interface, whatever the routes say, or UDP once it has an address.
struct Through<'a> {
    stack: &'a mut Stack,
    iface: IfIndex,
    socket: Option<Handle>,
}

impl Network for Through<'_> {
    fn broadcast(&mut self, now: Instant, src: Ipv4Addr, message: &[u8]) {
        // RFC 2131 §4.1: from 0.0.0.0 to everybody, which no route leads to; and on this interface,
        // when there are several.
        let build = PacketBuilder::ipv4(src.octets(), [255; 4], Ttl::DEFAULT.0)
            .udp(CLIENT_PORT, SERVER_PORT);
        let mut bytes = Vec::with_capacity(build.size(message.len()));
        // Fails for what is longer than a datagram; a client's message is some 300 bytes.
        if build.write(&mut bytes, message).is_ok() {
            let packet = Packet::from_payload(&bytes);
            self.stack.interfaces.send(now, self.iface, Hop::Broadcast, packet);
        }
    }

    fn unicast(&mut self, now: Instant, server: Ipv4Addr, message: &[u8]) {
        let Some(socket) = self.socket else { return };
        let to = Some((server, SERVER_PORT).into());
        // A refusal is as good as a loss: the client asks again, and then everybody.
        let sent = self.stack.with_udp(now, |udp, out| {
            // An error that an earlier message brought is no reason against this one.
            let _ = udp.take_error(socket);
            udp.send(now, socket, to, message, out)
        });
        if let Err(error) = sent {
            tracing::debug!(%server, %error, "dhcp: not sent");
        }
    }

    fn probe(&mut self, now: Instant, addr: Ipv4Addr) -> bool {
        let addr = IpAddr::V4(addr);
        // What is this host's own already nobody has to be asked for.
        !self.stack.ip.is_local(addr)
            && self.stack.configure_arp(now, self.iface, arp::Change::ProbeAddress(addr)).is_ok()
    }
}
