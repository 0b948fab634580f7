//! Where this layer deliberately does something else than an RFC says, and why.
//!
//! - **Fragments wait 30 seconds.** RFC 1122 §3.3.2 wants 60 to 120. Links have become faster, and
//!   what waits holds memory; other hosts wait as long. [`Config`](crate::Config) changes it.
//! - **Overlapping fragments drop their datagram** (RFC 5722, made for IPv6), where RFC 791 §3.2
//!   lets the later one win. No host makes them but to get past a filter. A fragment that comes
//!   twice, byte for byte, is ignored: links do duplicate.
//! - **IDs may come again within a datagram's lifetime.** RFC 6864 §4.3 forbids it where the
//!   datagram can be fragmented; to keep that, a fast sender would have to wait. Whoever sends fast
//!   sets DF, and the ID of such a datagram means nothing (§4.1).
//! - **Source routes are refused** with "source route failed", by hosts and routers (RFC 1812
//!   §5.3.13.4 wants them followed): they serve attacks alone (RFC 7126 §4.3, §4.4). At its end a
//!   source route is harmless, and the datagram is delivered.
//! - **Broadcasts for another network** are neither forwarded to it (RFC 2644 corrects RFC 1812
//!   §5.3.5.2) nor taken as ours.
//! - **The addresses 240/4** are nobody's (RFC 1122 §3.2.1.3 calls them reserved).
//! - **Group and broadcast datagrams are always looped back** to a member or the host itself. RFC
//!   1112 §7.1 lets the sender forbid it, which [`Internet::send`](crate::Internet::send) cannot
//!   say. [`SimpleHost`](crate::SimpleHost) loops none back.
//! - **The weak host model** (RFC 1122 §3.3.4.2 allows both): an own address is answered for on
//!   every interface, and a bound source does not choose the interface of a unicast datagram.
//! - **A network redirect** counts for the one destination (RFC 1122 §3.2.2.2 recommends it), and
//!   no datagram is forwarded by a redirect. The source of a datagram that came from the gateway
//!   itself is not redirected to itself.
//! - **A packet that stands for many TCP segments** too long for the next link, DF not set, is cut
//!   into shorter segments and not into fragments of segments: the same bytes reach the receiver,
//!   and none are lost with another's. One that stands for many UDP datagrams is refused with
//!   "fragmentation needed" though DF is not set; only an offloading kernel on this machine makes
//!   such, and it learns from it.
//! - **A TTL of zero** asked for by a sender is the default TTL: RFC 1122 §3.2.1.7 forbids zero,
//!   and it is a forgotten field rather than a wish.
