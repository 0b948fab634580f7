//! smoltcp held against the conformance kits of ARP, ICMP and UDP, on virtual time.
//!
//! A case that a sound independent stack fails is suspect. What smoltcp does not keep is listed
//! with each layer, with the reason: what it does not have or does not show, and, under
//! `DISAGREES`, what it does otherwise than the RFC (or this project) says.

mod arp_kit;
mod host;
mod icmp_kit;
mod udp_kit;
