//! A router with one interface, and the layer below it.

use ip::{Change, Config, Hop, IfIndex, Interface, Internet as _, NextHop, Router};
use netdev::{Instant, Medium, Packet};

/// When everything happens.
pub(crate) const NOW: Instant = Instant::ZERO;
/// The interface.
pub(crate) const IFACE: IfIndex = IfIndex(1);

/// The layer below: it keeps what is sent.
#[derive(Default)]
pub(crate) struct Below(pub(crate) Vec<Packet>);

impl NextHop for Below {
    fn send(&mut self, _: Instant, _: IfIndex, _: Hop, packet: Packet) {
        self.0.push(packet);
    }
}

/// 10.0.0.`host`, with room for many routes.
pub(crate) fn host(host: u8) -> Router {
    let mut ip = Router::new(Config { max_routes: 4096, ..Config::default() }, u64::from(host));
    let interface = Interface {
        index: IFACE,
        name: "wire0".to_string(),
        addrs: vec![format!("10.0.0.{host}/24").parse().expect("an address")],
        mtu: 1500,
        medium: Medium::Ethernet,
        loopback: false,
        up: true,
        offload: Default::default(),
    };
    ip.configure(NOW, Change::SetInterface(interface)).expect("an interface");
    ip
}
