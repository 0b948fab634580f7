//! smoltcp's TCP behind [`Streams`]: an independent stack, to hold the conformance kit against.
//!
//! smoltcp has no accept: a listener here is a handful of its sockets that listen on one port,
//! and one more for each that a SYN takes. It has no list of what became ready, and reports no
//! error: both follow from how the states of its sockets change. What it cannot be told, such as
//! most settings, gives [`SocketError::Unsupported`].

mod calls;
mod device;
mod user;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use ip::{Handle, Output, Readiness, SocketError};
use netdev::Instant;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State as SmolState};
use smoltcp::wire::{HardwareAddress, IpCidr};
use tcp::Setting;

use device::Queues;
use user::{Role, User};

/// How many sockets of a listener wait for a SYN.
const LISTENING: usize = 4;
/// How many of a listener's sockets there are in all.
const MAX_POOL: usize = 64;
const SEND_BUFFER: usize = 256 * 1024;

thread_local! {
    /// smoltcp's timestamps come from a function that is told nothing.
    static CLOCK: Cell<Instant> = const { Cell::new(Instant::ZERO) };
}

fn timestamp() -> u32 {
    (CLOCK.get().nanos() / 1_000_000) as u32
}

/// smoltcp as a [`Streams`](tcp::Streams).
pub(crate) struct SmolTcp {
    iface: Interface,
    queues: Queues,
    addr: Ipv4Addr,
    seed: u64,
    congestion: CongestionControl,
    receive_buffer: usize,
    sockets: SocketSet<'static>,
    users: BTreeMap<u32, User>,
    next: u32,
    next_port: u16,
    /// Connections without a user.
    orphans: Vec<SocketHandle>,
    changed: VecDeque<Handle>,
    poll_at: Option<Instant>,
}

impl SmolTcp {
    /// A host with an address, and what its sockets begin with: the receive buffer is in bytes.
    pub(crate) fn new(
        addr: Ipv4Addr,
        congestion: CongestionControl,
        receive_buffer: usize,
        seed: u64,
    ) -> SmolTcp {
        let mut queues = Queues::new();
        SmolTcp {
            iface: interface(addr, seed, &mut queues, Instant::ZERO),
            queues,
            addr,
            seed,
            congestion,
            receive_buffer,
            sockets: SocketSet::new(Vec::new()),
            users: BTreeMap::new(),
            next: 0,
            next_port: 49_152,
            orphans: Vec::new(),
            changed: VecDeque::new(),
            poll_at: None,
        }
    }

    fn user(&mut self, handle: Handle) -> Result<&mut User, SocketError> {
        self.users.get_mut(&handle.index).ok_or(SocketError::BadHandle)
    }

    fn add_user(&mut self, role: Role) -> Handle {
        let handle = Handle { index: self.next, generation: 0 };
        self.next += 1;
        let (settings, told) = (tcp::Config::default().settings(), Vec::new());
        let (local, error, readiness) = (None, None, Readiness::empty());
        self.users.insert(handle.index, User { role, local, settings, told, error, readiness });
        handle
    }

    fn socket(&self, socket: SocketHandle) -> &Socket<'static> {
        self.sockets.get(socket)
    }

    fn socket_mut(&mut self, socket: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(socket)
    }

    fn add_socket(&mut self, told: &[Setting]) -> SocketHandle {
        let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
        let mut socket = Socket::new(buffer(self.receive_buffer), buffer(SEND_BUFFER));
        socket.set_tsval_generator(Some(timestamp));
        socket.set_congestion_control(self.congestion);
        for setting in told {
            tell(&mut socket, setting);
        }
        self.sockets.add(socket)
    }

    /// Lets smoltcp do what there is to do, and finds out what that changed.
    fn run(&mut self, now: Instant, out: &mut dyn Output) {
        CLOCK.set(now);
        let mtu = out.route(now, self.addr.into(), None).map_or(self.queues.mtu, |route| route.mtu);
        if mtu != self.queues.mtu {
            // It asks for the MTU once.
            self.queues.mtu = mtu;
            self.iface = interface(self.addr, self.seed, &mut self.queues, now);
        }
        let at = to_smoltcp(now);
        loop {
            while self.iface.poll_ingress_single(at, &mut self.queues, &mut self.sockets)
                != smoltcp::iface::PollIngressSingleResult::None
            {
                self.settle(SocketError::Reset);
                self.fill_pools();
            }
            self.iface.poll_egress(at, &mut self.queues, &mut self.sockets);
            self.settle(SocketError::TimedOut);
            let sent = self.queues.take_sent();
            if sent.is_empty() {
                break;
            }
            for (header, segment) in sent {
                // What cannot be sent is lost.
                let _ = out.send(now, &header, segment);
            }
        }
        self.fill_pools();
        self.refresh(now);
    }

    /// Connections that have come to an end since this was last asked: by a segment, or because
    /// time was up, as `why` says.
    fn settle(&mut self, why: SocketError) {
        for user in self.users.values_mut() {
            let Role::Connection { socket, seen, .. } = &mut user.role else { continue };
            let state = self.sockets.get::<Socket<'_>>(*socket).state();
            if state == SmolState::Closed && *seen != state {
                user.error = match (*seen, why) {
                    (SmolState::TimeWait, _) => None,
                    (SmolState::LastAck | SmolState::Closing, SocketError::Reset) => None,
                    (SmolState::SynSent | SmolState::SynReceived, SocketError::Reset) => {
                        Some(SocketError::Refused)
                    }
                    _ => Some(why),
                };
            }
            *seen = state;
        }
    }

    /// Sockets without a user go when they are closed; listeners keep some that wait.
    fn fill_pools(&mut self) {
        let (orphans, sockets) = (&mut self.orphans, &mut self.sockets);
        orphans.retain(|orphan| {
            let open = sockets.get::<Socket<'_>>(*orphan).state() != SmolState::Closed;
            if !open {
                sockets.remove(*orphan);
            }
            open
        });
        let indices: Vec<u32> = self.users.keys().copied().collect();
        for index in indices {
            let user = self.users.get_mut(&index).expect("listed");
            let (Role::Listener { pool, .. }, Some(local)) = (&mut user.role, user.local) else {
                continue;
            };
            let (mut pool, told) = (std::mem::take(pool), user.told.clone());
            pool.retain(|socket| {
                let keep = self.socket(*socket).state() != SmolState::Closed;
                if !keep {
                    self.sockets.remove(*socket);
                }
                keep
            });
            let waiting = |this: &SmolTcp, pool: &[SocketHandle]| {
                pool.iter().filter(|socket| this.socket(**socket).is_listening()).count()
            };
            while waiting(self, &pool) < LISTENING && pool.len() < MAX_POOL {
                let socket = self.add_socket(&told);
                self.socket_mut(socket).listen(local.port()).expect("a socket that is not open");
                pool.push(socket);
            }
            let user = self.users.get_mut(&index).expect("listed");
            user.role = match &user.role {
                Role::Listener { backlog, .. } => Role::Listener { backlog: *backlog, pool },
                _ => unreachable!("it was one"),
            };
        }
    }

    /// Finds out whose readiness changed, and when to be called again.
    fn refresh(&mut self, now: Instant) {
        let sockets = &self.sockets;
        for (index, user) in &mut self.users {
            let readiness = user.readiness_now(sockets);
            if readiness != user.readiness {
                user.readiness = readiness;
                self.changed.push_back(Handle { index: *index, generation: 0 });
            }
        }
        self.poll_at = self.iface.poll_at(to_smoltcp(now), &self.sockets).map(from_smoltcp);
    }
}

/// smoltcp's interface, with the one address.
fn interface(addr: Ipv4Addr, seed: u64, queues: &mut Queues, now: Instant) -> Interface {
    let mut hardware = Config::new(HardwareAddress::Ip);
    hardware.random_seed = seed;
    let mut iface = Interface::new(hardware, queues, to_smoltcp(now));
    iface.update_ip_addrs(|addrs| {
        addrs.push(IpCidr::new(addr.into(), 24)).expect("room for one");
    });
    iface
}

/// Passes a setting on; whether smoltcp has it.
fn tell(socket: &mut Socket<'static>, setting: &Setting) -> bool {
    match setting {
        Setting::NoDelay(on) => socket.set_nagle_enabled(!on),
        Setting::KeepAlive(times) => {
            socket.set_keep_alive(times.map(|times| to_smoltcp_duration(times.idle)));
        }
        Setting::UserTimeout(time) => socket.set_timeout(time.map(to_smoltcp_duration)),
        Setting::Ttl(ttl) => socket.set_hop_limit(Some(ttl.0)),
        Setting::Congestion(name) if name == "newreno" => {
            socket.set_congestion_control(CongestionControl::Reno);
        }
        Setting::Congestion(name) if name == "none" => {
            socket.set_congestion_control(CongestionControl::None);
        }
        _ => return false,
    }
    true
}

/// smoltcp counts in microseconds; rounded up, so that it never wakes before its time.
fn from_smoltcp(at: smoltcp::time::Instant) -> Instant {
    Instant::from_micros(at.total_micros() as u64)
}

fn to_smoltcp(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(at.nanos().div_ceil(1000) as i64)
}

fn to_smoltcp_duration(time: Duration) -> smoltcp::time::Duration {
    smoltcp::time::Duration::from_micros(time.as_micros() as u64)
}
