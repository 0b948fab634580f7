//! The internet layer.

use super::*;

/// What IP sent, by next hop.
#[derive(Default)]
struct Hops(usize);

impl NextHop for Hops {
    fn send(&mut self, _: Instant, iface: IfIndex, _: Hop, packet: Packet) {
        assert!(iface.0 < 3, "out of an interface that is not there");
        assert!(packet.len() >= 20 && packet[0] >> 4 == 4, "no datagram: {:02x?}", &packet[..]);
        let header = usize::from(packet[0] & 15) * 4;
        assert!(Sum::default().bytes(&packet[..header]).is_valid(), "a bad header checksum");
        let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert_eq!(len, packet.len(), "a length that is not its own");
        self.0 += 1;
    }
}

fn interface(index: u32, addr: [u8; 4], mtu: usize) -> Interface {
    Interface {
        index: IfIndex(index),
        name: format!("if{index}"),
        addrs: vec![Cidr { addr: addr.into(), prefix: if index == 0 { 8 } else { 24 } }],
        mtu,
        medium: if index == 0 { Medium::Ip } else { Medium::Ethernet },
        loopback: index == 0,
        up: true,
        offload: Offload::default(),
    }
}

/// [`ip::Router`] and [`ip::SimpleHost`]: datagrams as they come or nearly right, with options and
/// in fragments, ICMP errors, time. Each datagram counts, and for what became of it; what was in
/// fragments is whole.
pub fn ip_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let config = ip::Config {
        forwarding: choices.flag(),
        reassembly_bytes: 20_000,
        reassembly_bytes_per_source: 10_000,
        reassembly_fragments: 20,
        learnt_entries: 4,
        ..ip::Config::default()
    };
    let mut layers: Vec<Box<dyn Internet>> =
        vec![Box::new(ip::Router::new(config, 1)), Box::new(ip::SimpleHost::new(1))];
    let mut now = Instant::ZERO;
    for (number, layer) in layers.iter_mut().enumerate() {
        let mut set = |change| layer.configure(now, change);
        set(ip::Change::SetInterface(interface(0, [127, 0, 0, 1], 65_535))).expect("lo");
        set(ip::Change::SetInterface(interface(1, [10, 0, 0, 1], 1500))).expect("an interface");
        if number == 0 {
            set(ip::Change::SetInterface(interface(2, [10, 0, 1, 1], 300))).expect("another");
            set(ip::Change::Join(IfIndex(1), [224, 0, 0, 5].into())).expect("a group");
            let entry = RouteEntry {
                dst: Cidr { addr: [0, 0, 0, 0].into(), prefix: 0 },
                gateway: Some([10, 0, 0, 254].into()),
                iface: IfIndex(1),
                metric: 0,
                source: None,
                origin: RouteOrigin::Static,
            };
            set(ip::Change::AddRoute(entry)).expect("a route");
        }
    }
    while let Some(event) = choices.next() {
        match event % 8 {
            0..=4 => {
                let bytes = match event % 8 {
                    0 => {
                        let mut bytes = choices.bytes(80);
                        // None of the fragments whose contents are known.
                        bytes.get_mut(4).into_iter().for_each(|byte| *byte &= 0x7f);
                        bytes
                    }
                    _ => odd_datagram(&mut choices),
                };
                let cast =
                    choices.of(&[Cast::Unicast, Cast::Unicast, Cast::Broadcast, Cast::Multicast]);
                let iface = IfIndex(choices.of(&[1, 1, 1, 2, 0]));
                for layer in &mut layers {
                    give_ip(&mut **layer, now, iface, cast, &bytes);
                }
            }
            5 => now += choices.time(),
            6 => {
                let bytes = odd_datagram(&mut choices);
                let Some(quoted) = Quoted::parse(&bytes) else { continue };
                let gateway = [10, 0, 0, choices.byte()].into();
                let cause = match choices.flag() {
                    true => Cause::Redirect { gateway, host: true },
                    false => Cause::FragmentationNeeded { mtu: choices.word() },
                };
                for layer in &mut layers {
                    layer.error(now, [10, 0, 0, 254].into(), cause, &quoted);
                }
            }
            _ => {
                let len = choices.len(4000);
                let dst = Ipv4Addr::from([10, 0, choices.byte() % 3, choices.byte()]);
                let mut header = Header::new(ME.into(), dst.into(), Protocol(200));
                header.dont_fragment = choices.flag();
                header.options =
                    ip::Options::from_wire(&forge::ip_options(&mut choices)).unwrap_or_default();
                for layer in &mut layers {
                    let packet = Packet::from_payload(&vec![7; len]);
                    let sent = layer.send(now, &header, packet, &mut Hops::default());
                    // A refused packet comes back as it was given.
                    assert!(
                        sent.map_err(|refused| refused.packet.len()).err().unwrap_or(len) == len
                    );
                }
            }
        }
        for layer in &mut layers {
            for report in layer.poll(now, &mut Hops::default()) {
                assert!(report.packet.len() >= 20);
            }
            assert!(layer.poll_at().is_none_or(|due| due > now), "polled again and again");
        }
    }
}

fn give_ip(layer: &mut dyn Internet, now: Instant, iface: IfIndex, cast: Cast, bytes: &[u8]) {
    let before = layer.counters();
    let mut hops = Hops::default();
    let input = layer.input(now, iface, cast, Packet::from_payload(bytes), &mut hops);
    let after = layer.counters();
    let more = |name: &str| count(&after, name) - count(&before, name);
    assert_eq!(more("datagrams received"), 1);
    match input {
        ip::Input::Deliver(datagram) => {
            assert_eq!(more("datagrams delivered"), 1);
            assert!(datagram.payload.len() <= 65_515);
            let ident = u16::from_be_bytes([bytes[4], bytes[5]]);
            if IDENTS.contains(&ident) {
                let whole = pattern(0, datagram.payload.len());
                assert!(datagram.payload[..] == whole, "put together wrong");
            }
            let header = datagram.header.clone();
            assert!(datagram.header_len <= 60);
            if header.options.is_empty() && datagram.header_len > 0 {
                let whole = datagram.into_whole();
                assert!(whole[0] >> 4 == 4, "the header is still in front");
            }
        }
        ip::Input::Dropped(reason) => assert!(more(&reason.to_string()) >= 1, "{reason}"),
        ip::Input::Report(Report { packet, .. }) => {
            let differs = packet[..] != bytes[..packet.len().min(bytes.len())];
            assert!(!differs, "what is reported is as it came");
        }
        ip::Input::Consumed => {
            assert!(total(after) > total(before) + 1, "consumed and not counted")
        }
    }
}
