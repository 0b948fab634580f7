//! What arrives, and whose it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ip::{Cause, Datagram, Handle, Quoted};
use netdev::{Cast, Instant};
use tracing::{debug, trace};

use crate::socket::Socket;
use crate::stat::Stat;
use crate::wire::{self, HEADER, Header, is_any};
use crate::{DropReason, Input, Received, Udp};

impl Udp {
    /// Finds the socket, or the sockets, that a datagram is for.
    pub(crate) fn demultiplex(&mut self, now: Instant, datagram: Datagram) -> Input {
        let header = match wire::parse(&datagram) {
            Ok(header) => header,
            Err(reason) => return self.drop(reason),
        };
        let from = SocketAddr::new(datagram.header.src, header.src_port);
        let to = SocketAddr::new(datagram.header.dst, header.dst_port);
        trace!(%from, %to, len = header.len, "input");
        if datagram.cast != Cast::Unicast {
            return match self.members(from, to) {
                Ok(receivers) => self.deliver(now, header, datagram, &receivers),
                Err(reason) => self.drop(reason),
            };
        }
        match self.table.receiver(to, from) {
            Some(receiver) => self.deliver(now, header, datagram, &[receiver]),
            None => Input::Unreachable(datagram),
        }
    }

    /// The sockets that a broadcast or multicast is for: every one at the port that can mean it.
    fn members(&self, from: SocketAddr, to: SocketAddr) -> Result<Vec<Handle>, DropReason> {
        // IP brings own multicasts back where the host is a member; the sender decides whether
        // they are to be heard (IP_MULTICAST_LOOP).
        let own = |socket: &Socket| {
            socket.multicast_source == Some(from.ip()) && !socket.options.multicast_loop
        };
        let group = to.ip().is_multicast();
        if group && self.table.at_port(from.port()).any(own) {
            return Err(DropReason::OwnMulticast);
        }
        let mut reason = DropReason::GroupUnclaimed;
        let mut receivers = Vec::new();
        for socket in self.table.at_port(to.port()) {
            let local = socket.local.ip();
            // A connected socket's address may have been narrowed by connect alone.
            let address = is_any(local) || local == to.ip() || socket.address_by_connect;
            if !address || (group && !is_member(socket, to.ip())) {
                continue;
            }
            if socket.hears(from) {
                receivers.push(socket.handle);
            } else {
                reason = DropReason::NotPeer;
            }
        }
        if receivers.is_empty() { Err(reason) } else { Ok(receivers) }
    }

    /// Puts a datagram into the queues of `receivers`, one at least.
    fn deliver(
        &mut self,
        now: Instant,
        header: Header,
        datagram: Datagram,
        receivers: &[Handle],
    ) -> Input {
        let Datagram { header: ip, iface, cast, header_len: _, payload: mut data } = datagram;
        data.truncate(header.len);
        data.strip(HEADER);
        let mut taken = false;
        for data in wire::pieces(data) {
            let received = Received {
                from: SocketAddr::new(ip.src, header.src_port),
                to: ip.dst,
                iface,
                cast,
                ttl: ip.ttl,
                tos: ip.tos,
                at: now,
                data,
            };
            if let Some((last, others)) = receivers.split_last() {
                for other in others {
                    taken |= self.push(*other, received.clone());
                }
                taken |= self.push(*last, received);
            }
        }
        // Each full queue has counted its own.
        if taken { Input::Delivered } else { Input::Dropped(DropReason::QueueFull) }
    }

    fn push(&mut self, handle: Handle, received: Received) -> bool {
        let Some(socket) = self.table.socket_mut(handle) else { return false };
        if socket.push(received) {
            self.stats.add(Stat::Queued);
            self.mark(handle);
            true
        } else {
            self.drops.add(DropReason::QueueFull);
            false
        }
    }

    fn drop(&mut self, reason: DropReason) -> Input {
        self.drops.add(reason);
        Input::Dropped(reason)
    }

    /// Tells the sockets that sent the quoted datagram what became of it.
    pub(crate) fn tell(&mut self, cause: Cause, quoted: &Quoted) {
        let told = match cause {
            // RFC 6633 §5: to be ignored. A redirect is IP's business: the datagram went on.
            Cause::SourceQuench | Cause::Redirect { .. } => Vec::new(),
            _ => quoted.ports().map_or_else(Vec::new, |(src, dst)| {
                let local = SocketAddr::new(quoted.src, src);
                self.table.connected(local, SocketAddr::new(quoted.dst, dst))
            }),
        };
        let mut passed = false;
        for handle in told {
            let Some(socket) = self.table.socket_mut(handle) else { continue };
            // Without DF the next datagram is fragmented to the path MTU, which IP has learnt.
            if matches!(cause, Cause::FragmentationNeeded { .. }) && !socket.options.dont_fragment {
                continue;
            }
            debug!(?handle, %cause, "error");
            socket.error = Some(cause.into());
            passed = true;
            self.mark(handle);
        }
        self.stats.add(if passed { Stat::Errors } else { Stat::ErrorsIgnored });
    }
}

/// Whether a socket receives a group's datagrams: it has joined, or the group is "all hosts", of
/// which every host is a member (RFC 1112 §4). On which interface is not asked here: IP has
/// dropped what came in where nobody joined, and own multicasts come back over loopback.
fn is_member(socket: &Socket, group: IpAddr) -> bool {
    let all_hosts = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1));
    group == all_hosts || socket.options.groups.iter().any(|(_, joined)| *joined == group)
}
