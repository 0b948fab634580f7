//! DHCP and DNS against a server that everybody uses: dnsmasq, at the kernel's end of a TAP, in a
//! namespace that the test makes.

mod dhcp;
mod dns;
mod server;
