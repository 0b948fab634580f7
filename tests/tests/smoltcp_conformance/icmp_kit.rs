//! smoltcp's ICMP behind the trait of control messages. What it reports by itself, a datagram for a
//! port or a protocol that nobody has, it finds out by itself: the datagram arrives once more.

use std::net::{IpAddr, Ipv4Addr};

use icmp::{ControlMessages, DropReason, Input, Suppressed};
use ip::{Cause, Datagram, Header, Output, Protocol, Quoted, Report, Tos, Ttl};
use netdev::{Cast, Counter, Instant, MacAddr, Packet};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp as sockets;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress};

use crate::host::{Host, MY_MAC};

struct Smoltcp {
    host: Host,
    /// For errors about what the kit calls this host's datagrams, and for its echo replies.
    listening: [SocketHandle; 2],
}

impl Smoltcp {
    fn new(seed: u64) -> Smoltcp {
        let mut host = Host::addressed(seed);
        let ends = [sockets::Endpoint::Udp(12_345.into()), sockets::Endpoint::Ident(0x0102)];
        let listening = ends.map(|end| {
            let meta = || vec![sockets::PacketMetadata::EMPTY; 4];
            let buffer = || sockets::PacketBuffer::new(meta(), vec![0; 4096]);
            let mut socket = sockets::Socket::new(buffer(), buffer());
            socket.bind(end).expect("a fresh socket");
            host.sockets.add(socket)
        });
        Smoltcp { host, listening }
    }

    /// A datagram arrives; how many messages were sent because of it.
    fn arrive(
        &mut self,
        now: Instant,
        (src, cast): (Ipv4Addr, Cast),
        datagram: &[u8],
        out: &mut dyn Output,
    ) -> usize {
        let dst = match cast {
            Cast::Unicast => MY_MAC,
            Cast::Multicast => MacAddr([1, 0, 0x5e, 0, 0, 1]),
            _ => MacAddr::BROADCAST,
        };
        self.host.know(now, src);
        self.host.receive_datagram(dst, datagram);
        let frames = self.host.poll(now);
        let messages = frames.iter().filter(|frame| frame[12..14] == [8, 0]);
        let mut sent = 0;
        for frame in messages {
            let (header, packet) = parse(&frame[14..]);
            sent += usize::from(out.send(now, &header, packet).is_ok());
        }
        sent
    }
}

/// What a datagram of smoltcp's says.
pub(crate) fn parse(datagram: &[u8]) -> (Header, Packet) {
    let ip = etherparse::Ipv4Slice::from_slice(datagram).expect("smoltcp's own datagram");
    let fields = ip.header();
    let (src, dst) = (fields.source_addr(), fields.destination_addr());
    let mut header = Header::new(src.into(), dst.into(), Protocol(fields.protocol().0));
    (header.ttl, header.tos) = (Ttl(fields.ttl()), Tos(datagram[1]));
    header.dont_fragment = fields.dont_fragment();
    (header, Packet::from_payload(ip.payload().payload))
}

/// A delivered datagram as it was on the wire.
pub(crate) fn unparse(datagram: &Datagram) -> (Ipv4Addr, Vec<u8>) {
    let Header { src, dst, protocol, ttl, tos, options, .. } = &datagram.header;
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (src, dst) else { panic!("IPv4 only") };
    let options = options.as_wire();
    let header_len = 20 + options.len();
    let [high, low] = ((header_len + datagram.payload.len()) as u16).to_be_bytes();
    let mut bytes = vec![0x40 | (header_len / 4) as u8, tos.0, high, low, 0, 1, 0, 0];
    bytes.extend([ttl.0, protocol.0, 0, 0]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(options);
    bytes.extend(&datagram.payload[..]);
    (*src, bytes)
}

impl ControlMessages for Smoltcp {
    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        let (src, bytes) = unparse(&datagram);
        let sent = self.arrive(now, (src, datagram.cast), &bytes, out);
        for handle in self.listening {
            let socket = self.host.sockets.get_mut::<sockets::Socket<'_>>(handle);
            if let Ok((message, IpAddress::Ipv4(from))) = socket.recv() {
                return told(message, from.into());
            }
        }
        if sent > 0 { Input::Consumed } else { Input::Dropped(DropReason::Unsupported) }
    }

    fn report(
        &mut self,
        now: Instant,
        report: Report,
        out: &mut dyn Output,
    ) -> Result<(), Suppressed> {
        let finds_out = matches!(report.cause, Cause::PortUnreachable | Cause::ProtocolUnreachable);
        let src = report.packet.get(12..16).and_then(|src| <[u8; 4]>::try_from(src).ok());
        let Some(src) = src.filter(|_| finds_out) else { return Err(Suppressed::Unsupported) };
        match self.arrive(now, (src.into(), report.cast), &report.packet, out) {
            0 => Err(Suppressed::Unsupported),
            _ => Ok(()),
        }
    }

    fn poll(&mut self, _: Instant, _: &mut dyn Output) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn counters(&self) -> Vec<Counter> {
        Vec::new()
    }
}

/// What a socket of smoltcp's is told by a message.
fn told(message: &[u8], from: IpAddr) -> Input {
    let packet = Icmpv4Packet::new_checked(message).expect("smoltcp has checked it");
    let checksums = ChecksumCapabilities::default();
    let (cause, header, data) = match Icmpv4Repr::parse(&packet, &checksums) {
        Ok(Icmpv4Repr::DstUnreachable { reason, header, data }) => {
            let cause = match u8::from(reason) {
                0 => Cause::NetworkUnreachable,
                1 => Cause::HostUnreachable,
                2 => Cause::ProtocolUnreachable,
                3 => Cause::PortUnreachable,
                4 => Cause::FragmentationNeeded { mtu: 0 },
                5 => Cause::SourceRouteFailed,
                9 | 10 | 13 => Cause::Prohibited,
                code => Cause::Unreachable { code },
            };
            (cause, header, data)
        }
        Ok(Icmpv4Repr::TimeExceeded { reason, header, data }) => match u8::from(reason) {
            0 => (Cause::TtlExceeded, header, data),
            _ => (Cause::ReassemblyTimeout, header, data),
        },
        _ => return Input::Consumed,
    };
    let quoted = Quoted {
        src: header.src_addr.into(),
        dst: header.dst_addr.into(),
        protocol: Protocol(header.next_header.into()),
        total_len: (20 + header.payload_len) as u16,
        payload: data.to_vec(),
    };
    Input::Error { from, cause, quoted }
}

const NOT_SHOWN: &str = "no counters";
const NOT_READ: &str = "a type that smoltcp does not read";
const NO_ROUTER: &str = "smoltcp is no router here: of errors it sends port and protocol \
                         unreachable alone, about whole datagrams to itself";
const NO_OPTIONS: &str = "IP options are passed over";
const NO_OFFLOAD: &str = "no offload";
const DISAGREES_TOS: &str = "disagrees: every datagram has TOS 0";
const DISAGREES_QUOTE: &str =
    "disagrees: the quoted header is written anew, without identification, flags, options and TOS";
const DISAGREES_LIMIT: &str = "disagrees: errors are not limited";
const DISAGREES_LINK: &str = "disagrees: to whom the frame was sent is not asked";
const DISAGREES_SOURCE: &str = "disagrees: such a source is answered";
const DISAGREES_ECHO: &str = "disagrees: an echo request to a broadcast address is answered";
const DISAGREES_SHORT: &str = "disagrees: a quote has to hold the whole UDP datagram";
const DISAGREES_BELIEVES: &str =
    "disagrees: who sent what is quoted, and with which header, is not asked; any code goes up";
const ROUTED: &str = "it has a route for everything";

icmp::conformance_tests!(
    make: |seed| Box::new(Smoltcp::new(seed)),
    except: [
        ("a_checksum_that_the_device_has_verified_is_not_summed", NO_OFFLOAD),
        ("a_recorded_route_comes_back", NO_OPTIONS),
        ("a_source_route_is_reversed", NO_OPTIONS),
        ("an_echo_request_to_a_group_is_not_answered", DISAGREES_ECHO),
        ("an_echo_request_without_a_way_back_is_dropped", ROUTED),
        ("the_reply_has_the_precedence_of_the_request", DISAGREES_TOS),
        ("the_reply_has_the_tos_of_the_request", DISAGREES_TOS),
        ("a_missing_option_is_a_parameter_problem", NOT_READ),
        ("a_parameter_problem_is_passed_to_the_transport", NOT_READ),
        ("an_error_about_another_host_s_datagram_is_dropped", DISAGREES_BELIEVES),
        ("an_unknown_code_is_dropped", DISAGREES_BELIEVES),
        ("an_unreadable_quote_is_dropped", DISAGREES_BELIEVES),
        ("eight_bytes_of_the_quote_are_enough", DISAGREES_SHORT),
        ("fragmentation_needed_has_the_mtu_of_the_next_hop", "the MTU is not given to sockets"),
        ("host_and_network_redirects_are_accepted", NOT_READ),
        ("source_quench_is_reported", NOT_READ),
        ("the_protocol_is_that_of_the_quote", "the adapter's socket hears of UDP's errors"),
        ("a_header_that_makes_no_sense_is_quoted_as_it_is", NO_ROUTER),
        ("a_parameter_problem_points_to_the_octet", NO_ROUTER),
        ("a_redirect_tells_the_gateway", NO_ROUTER),
        ("a_short_datagram_is_quoted_whole", DISAGREES_QUOTE),
        ("about_a_first_fragment_it_is_sent", NO_ROUTER),
        ("about_a_query_it_is_sent", NO_ROUTER),
        ("as_much_is_quoted_as_goes_into_576_bytes", DISAGREES_QUOTE),
        ("each_cause_has_its_type_and_code", NO_ROUTER),
        ("else_it_comes_from_an_address_of_the_outgoing_interface", NO_ROUTER),
        ("fragmentation_needed_tells_the_mtu", NO_ROUTER),
        ("its_precedence_is_that_of_control", DISAGREES_TOS),
        ("options_are_quoted_with_the_header", DISAGREES_QUOTE),
        ("the_quote_is_header_and_eight_bytes_at_least_as_they_came", DISAGREES_QUOTE),
        ("a_timestamp_reply_is_taken", NOT_READ),
        ("counters_have_names_and_their_rows_stay", NOT_SHOWN),
        ("what_is_discarded_is_counted", NOT_SHOWN),
        ("errors_are_limited", DISAGREES_LIMIT),
        ("no_error_about_a_link_layer_broadcast", DISAGREES_LINK),
        ("no_error_about_a_link_layer_multicast", DISAGREES_LINK),
        ("no_error_to_a_class_e_address", DISAGREES_SOURCE),
        ("no_error_to_a_zero_address", DISAGREES_SOURCE),
        ("no_error_where_there_is_no_way_back", ROUTED),
        ("what_is_not_sent_is_counted", NOT_SHOWN),
    ]
);
