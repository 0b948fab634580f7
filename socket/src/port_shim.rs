//! Stands in for `netdev::Port` until it lands.
use netdev::{Cast, Device, EtherType, Instant, MacAddr, Packet, Stats};

pub(crate) struct Frame {
    pub(crate) cast: Cast,
    pub(crate) ethertype: EtherType,
    pub(crate) packet: Packet,
}

pub(crate) struct Port {
    device: Box<dyn Device>,
    mac: MacAddr,
}

impl Port {
    pub(crate) fn new(device: Box<dyn Device>, mac: MacAddr) -> Port {
        Port { device, mac }
    }
    pub(crate) fn mac(&self) -> MacAddr {
        self.mac
    }
    pub(crate) fn device(&self) -> &dyn Device {
        &*self.device
    }
    pub(crate) fn device_mut(&mut self) -> &mut dyn Device {
        &mut *self.device
    }
    pub(crate) fn stats(&self) -> Stats {
        self.device.stats()
    }
    pub(crate) fn flush(&mut self, now: Instant) {
        self.device.flush(now);
    }
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.device.poll_at()
    }
    pub(crate) fn receive(&mut self, now: Instant) -> Option<Frame> {
        let packet = self.device.receive(now)?;
        Some(Frame { cast: Cast::Unicast, ethertype: EtherType::IPV4, packet })
    }
    pub(crate) fn transmit(&mut self, now: Instant, _: MacAddr, _: EtherType, packet: Packet) {
        let _ = self.device.transmit(now, packet);
    }
}
