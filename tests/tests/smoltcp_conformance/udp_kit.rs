//! smoltcp's UDP behind the trait of datagrams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Cause, Datagram, Handle, IfIndex, Output, Quoted, Readiness, SocketError, Tos, Ttl};
use netdev::{Cast, Counter, Instant, MacAddr, Packet};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp as sockets;
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};
use udp::{Datagrams, DropReason, Info, Input, Received, Setting};

use crate::host::{Host, MY_MAC};
use crate::icmp_kit::{parse, unparse};

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

struct Smoltcp {
    host: Host,
    sockets: Vec<(Handle, SocketHandle)>,
    opened: u32,
}

impl Smoltcp {
    fn new(seed: u64) -> Smoltcp {
        Smoltcp { host: Host::addressed(seed), sockets: Vec::new(), opened: 0 }
    }

    fn socket(&mut self, handle: Handle) -> Result<&mut sockets::Socket<'static>, SocketError> {
        let found = self.sockets.iter().find(|(open, _)| *open == handle);
        let (_, socket) = *found.ok_or(SocketError::BadHandle)?;
        Ok(self.host.sockets.get_mut(socket))
    }

    fn get(&self, handle: Handle) -> Result<&sockets::Socket<'static>, SocketError> {
        let found = self.sockets.iter().find(|(open, _)| *open == handle);
        let (_, socket) = *found.ok_or(SocketError::BadHandle)?;
        Ok(self.host.sockets.get(socket))
    }

    fn waiting(&self) -> usize {
        let sockets = self.sockets.iter();
        sockets.map(|(_, h)| self.host.sockets.get::<sockets::Socket<'_>>(*h).recv_queue()).sum()
    }

    /// How many datagrams wait, the empty ones too, as far as smoltcp shows it.
    fn readable(&self) -> usize {
        let sockets = self.sockets.iter();
        let ready = |(_, h): &&(Handle, SocketHandle)| {
            self.host.sockets.get::<sockets::Socket<'_>>(*h).can_recv()
        };
        sockets.filter(ready).count()
    }
}

impl Datagrams for Smoltcp {
    fn open(&mut self) -> Result<Handle, SocketError> {
        let meta = || vec![sockets::PacketMetadata::EMPTY; 16];
        let buffer = |len| sockets::PacketBuffer::new(meta(), vec![0; len]);
        let socket = self.host.sockets.add(sockets::Socket::new(buffer(8192), buffer(65_507)));
        self.opened += 1;
        let handle = Handle { index: self.opened, generation: 0 };
        self.sockets.push((handle, socket));
        Ok(handle)
    }

    fn bind(
        &mut self,
        socket: Handle,
        local: SocketAddr,
        _: &dyn Output,
    ) -> Result<(), SocketError> {
        let SocketAddr::V4(local) = local else { return Err(SocketError::Unsupported) };
        let endpoint = match local.ip().is_unspecified() {
            true => IpListenEndpoint::from(local.port()),
            false => IpListenEndpoint::from(local),
        };
        self.socket(socket)?.bind(endpoint).map_err(|error| match error {
            sockets::BindError::InvalidState => SocketError::Invalid,
            sockets::BindError::Unaddressable => SocketError::AddrNotAvailable,
        })
    }

    fn connect(
        &mut self,
        _: Instant,
        _: Handle,
        _: Option<SocketAddr>,
        _: &dyn Output,
    ) -> Result<(), SocketError> {
        Err(SocketError::Unsupported)
    }

    fn send(
        &mut self,
        now: Instant,
        socket: Handle,
        to: Option<SocketAddr>,
        data: &[u8],
        out: &mut dyn Output,
    ) -> Result<usize, SocketError> {
        let to = to.ok_or(SocketError::DestinationRequired)?;
        let SocketAddr::V4(to) = to else { return Err(SocketError::Unsupported) };
        self.host.know(now, *to.ip());
        let endpoint = IpEndpoint::from(to);
        self.socket(socket)?.send_slice(data, endpoint).map_err(|error| match error {
            sockets::SendError::Unaddressable => SocketError::Invalid,
            sockets::SendError::BufferFull => SocketError::MessageTooLong,
        })?;
        for frame in self.host.poll(now) {
            if frame[12..14] == [8, 0] {
                let (header, packet) = parse(&frame[14..]);
                out.send(now, &header, packet).map_err(|refused| refused.cause)?;
            }
        }
        Ok(data.len())
    }

    fn receive(&mut self, socket: Handle, peek: bool) -> Result<Received, SocketError> {
        let socket = self.socket(socket)?;
        let (data, meta) = match peek {
            true => socket.peek().map(|(data, meta)| (data, *meta)),
            false => socket.recv(),
        }
        .map_err(|_| SocketError::WouldBlock)?;
        Ok(Received {
            from: SocketAddr::new(meta.endpoint.addr.into(), meta.endpoint.port),
            to: meta.local_address.map_or(ANY, Into::into),
            iface: IfIndex(1),
            cast: Cast::Unicast,
            ttl: Ttl::default(),
            tos: Tos::default(),
            at: Instant::ZERO,
            data: Packet::from_payload(data),
        })
    }

    fn set(&mut self, socket: Handle, setting: Setting) -> Result<(), SocketError> {
        match setting {
            Setting::Ttl(Ttl(0)) => return Err(SocketError::Invalid),
            Setting::Ttl(ttl) => self.socket(socket)?.set_hop_limit(Some(ttl.0)),
            _ => return Err(SocketError::Unsupported),
        }
        Ok(())
    }

    fn take_error(&mut self, _: Handle) -> Option<SocketError> {
        None
    }

    fn readiness(&self, socket: Handle) -> Readiness {
        let Ok(socket) = self.get(socket) else { return Readiness::empty() };
        let mut readiness = Readiness::WRITABLE;
        readiness.set(Readiness::READABLE, socket.can_recv());
        readiness
    }

    fn info(&self, handle: Handle) -> Result<Info, SocketError> {
        let socket = self.get(handle)?;
        let endpoint = socket.endpoint();
        Ok(Info {
            handle,
            local: SocketAddr::new(endpoint.addr.map_or(ANY, Into::into), endpoint.port),
            peer: None,
            receive_queue: socket.recv_queue(),
            drops: 0,
            ttl: socket.hop_limit().map_or_else(Ttl::default, Ttl),
            broadcast: true,
            receive_buffer: socket.payload_recv_capacity(),
        })
    }

    fn close(&mut self, handle: Handle) {
        if let Some(place) = self.sockets.iter().position(|(open, _)| *open == handle) {
            let (_, socket) = self.sockets.remove(place);
            self.host.sockets.remove(socket);
        }
    }

    fn input(&mut self, now: Instant, datagram: Datagram) -> Input {
        let (src, bytes) = unparse(&datagram);
        let dst = match datagram.cast {
            Cast::Unicast => MY_MAC,
            Cast::Multicast => MacAddr([1, 0, 0x5e, 1, 2, 3]),
            _ => MacAddr::BROADCAST,
        };
        let before = (self.waiting(), self.readable());
        self.host.know(now, src);
        self.host.receive_datagram(dst, &bytes);
        let answered = self.host.poll(now).iter().any(|frame| frame[12..14] == [8, 0]);
        if answered {
            Input::Unreachable(datagram)
        } else if (self.waiting(), self.readable()) != before {
            Input::Delivered
        } else {
            Input::Dropped(DropReason::Checksum)
        }
    }

    fn error(&mut self, _: Instant, _: Cause, _: &Quoted) {}

    fn poll(&mut self, _: Instant, _: &mut dyn Output) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn changed(&mut self) -> Option<Handle> {
        None
    }

    fn sockets(&self) -> Vec<Info> {
        self.sockets.iter().filter_map(|(handle, _)| self.info(*handle).ok()).collect()
    }

    fn counters(&self) -> Vec<Counter> {
        Vec::new()
    }
}

const NO_CONNECT: &str = "no connected sockets";
const NO_EPHEMERAL: &str = "the program chooses the port";
const NO_SETTING: &str = "no such setting";
const NOT_SHOWN: &str = "smoltcp does not show it";
const NOT_TOLD: &str = "not told to the program";
const NO_OFFLOAD: &str = "no offload";
const NO_PERMISSION: &str = "broadcasts need no permission";
const EMPTY: &str = "smoltcp shows the bytes that wait, not the datagrams: an empty one behind \
                     another is not seen from outside";
const ROUTED: &str = "it has a route for everything";
const DISAGREES_BIND: &str = "disagrees: what a socket is bound to is not looked at";
const DISAGREES_TTL: &str = "disagrees: a multicast has as many hops as any datagram";
const DISAGREES_DF: &str = "disagrees: DF is always set";

udp::conformance_tests!(
    make: |seed| Box::new(Smoltcp::new(seed)),
    except: [
        ("a_broadcast_has_to_be_allowed", NO_PERMISSION),
        ("a_broadcast_passes_by_who_is_connected_to_others", NO_CONNECT),
        ("a_connect_to_a_broadcast_has_to_be_allowed", NO_CONNECT),
        ("a_multicast_has_one_hop", DISAGREES_TTL),
        ("a_multicast_is_for_members", NO_SETTING),
        ("an_own_multicast_is_heard_unless_its_sender_says_no", NO_SETTING),
        ("only_groups_can_be_joined", NO_SETTING),
        ("the_hops_of_a_multicast_can_be_set", NO_SETTING),
        ("who_left_hears_no_more", NO_SETTING),
        ("a_connect_that_fails_changes_nothing", NO_CONNECT),
        ("a_connected_socket_hears_its_peer_alone", NO_CONNECT),
        ("a_connected_socket_sends_to_its_peer", NO_CONNECT),
        ("a_disconnected_socket_hears_everybody", NO_CONNECT),
        ("a_port_unreachable_is_told_to_the_connected_socket", NO_CONNECT),
        ("a_socket_can_be_connected_again", NO_CONNECT),
        ("an_error_about_another_s_datagram_is_not_told", NO_CONNECT),
        ("an_error_comes_before_what_waits", NO_CONNECT),
        ("an_error_is_told_once", NO_CONNECT),
        ("an_error_makes_a_socket_ready", NO_CONNECT),
        ("every_error_is_told", NO_CONNECT),
        ("fragmentation_needed_is_told_to_who_set_df", NO_CONNECT),
        ("source_quench_and_redirect_are_not_told", NO_CONNECT),
        ("the_connected_socket_comes_before_the_bound_one", NO_CONNECT),
        ("a_first_send_binds_to_a_port", NO_EPHEMERAL),
        ("a_port_is_bound_once", DISAGREES_BIND),
        ("an_address_that_is_not_ours_cannot_be_bound", DISAGREES_BIND),
        ("an_ephemeral_port_is_no_well_known_one", NO_EPHEMERAL),
        ("another_secret_chooses_other_ports", NO_EPHEMERAL),
        ("each_ephemeral_port_is_free", NO_EPHEMERAL),
        ("ports_or_sockets_run_out_with_an_error", NO_EPHEMERAL),
        ("sockets_are_listed_by_port", NOT_SHOWN),
        ("sockets_that_allow_it_share_a_port", NO_SETTING),
        ("successive_ephemeral_ports_are_not_neighbours", NO_EPHEMERAL),
        ("a_changed_socket_is_named", NOT_SHOWN),
        ("a_flood_of_empty_datagrams_is_bounded", EMPTY),
        ("a_full_queue_drops_what_comes_last", NOT_SHOWN),
        ("counters_have_names_and_their_rows_stay", NOT_SHOWN),
        ("datagrams_keep_their_bounds_and_their_order", EMPTY),
        ("readiness_follows_the_queue", EMPTY),
        ("the_receive_buffer_can_be_set", NO_SETTING),
        ("the_received_tos_is_told", NOT_TOLD),
        ("the_received_ttl_and_time_are_told", NOT_TOLD),
        ("what_is_discarded_is_counted", NOT_SHOWN),
        ("a_datagram_leaves_from_an_address_of_ours", NO_EPHEMERAL),
        ("ecn_is_not_set_by_a_program", NO_SETTING),
        ("the_chosen_source_is_told", NO_CONNECT),
        ("the_tos_can_be_set", NO_SETTING),
        ("with_df_a_datagram_beyond_the_path_mtu_is_refused", DISAGREES_DF),
        ("without_a_route_nothing_is_sent", ROUTED),
        ("a_checksum_that_the_device_has_verified_is_not_summed", NO_OFFLOAD),
        ("the_checksum_is_left_to_a_device_that_fills_it_in", NO_OFFLOAD),
    ]
);
