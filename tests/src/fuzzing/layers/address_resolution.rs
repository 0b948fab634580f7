//! Address resolution.

use super::*;

/// What a resolver sent: datagrams, and its own packets.
#[derive(Default)]
struct Frames {
    datagrams: usize,
    own: usize,
}

impl Link for Frames {
    fn transmit(&mut self, _: Instant, dst: MacAddr, ethertype: EtherType, packet: Packet) {
        match ethertype {
            EtherType::ARP => {
                assert_eq!(packet.len(), 28, "RFC 826 for Ethernet and IPv4");
                self.own += 1;
            }
            _ => {
                assert!(!dst.is_group(), "a datagram for a neighbour to a group");
                self.datagrams += 1;
            }
        }
    }
}

/// [`arp::Cache`] and [`arp::StaticTable`]: packets as they come or nearly right, datagrams to
/// send, time. No datagram is ever lost: it went, came back, waits, or is counted.
pub fn arp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let config = arp::Config { entries: 6, queue: 3, queue_total: 8, ..arp::Config::default() };
    let mut table = arp::StaticTable::new(MY_MAC);
    let mut cache = arp::Cache::new(MY_MAC, config, 1);
    let (mut now, mut link) = (Instant::ZERO, Frames::default());
    let (mut given, mut back) = (0, 0);
    let mut returned = |event: Event| {
        if let Event::Unreachable(packets) = event {
            back += packets.len();
        }
    };
    let mut aside = Frames::default();
    for resolver in [&mut cache as &mut dyn Resolver, &mut table] {
        let add = arp::Change::AddAddress(ME.into());
        resolver.configure(now, add, &mut aside).expect("an address");
    }
    while let Some(event) = choices.next() {
        let neighbour = |byte: u8| IpAddr::from([10, 0, 0, byte % 12]);
        match event % 8 {
            0 => {
                given += 1;
                let packet = Packet::from_payload(b"datagram");
                returned(cache.send(now, neighbour(choices.byte()), packet, &mut link));
            }
            1..=4 => {
                let bytes = if event % 8 == 1 { choices.bytes(60) } else { arp(&mut choices) };
                for resolver in [&mut cache as &mut dyn Resolver, &mut table] {
                    let before = total(resolver.counters());
                    returned(resolver.input(now, Packet::from_payload(&bytes), &mut link));
                    assert!(total(resolver.counters()) > before, "not counted: {bytes:02x?}");
                }
            }
            5 => now += choices.time(),
            6 => {
                cache.confirm(now, neighbour(choices.byte()));
                cache.doubt(now, neighbour(choices.byte()));
            }
            _ => {
                let (addr, mac) = (neighbour(choices.byte()), MacAddr([2, 0, 0, 0, 1, 1]));
                let change = match choices.byte() % 5 {
                    0 => arp::Change::AddStatic(addr, mac),
                    1 => arp::Change::Remove(addr),
                    2 => arp::Change::Flush,
                    3 => arp::Change::AddAddress(addr),
                    _ => arp::Change::RemoveAddress(addr),
                };
                let _ = cache.configure(now, change, &mut link);
            }
        }
        for _ in 0..1000 {
            if cache.poll_at().is_none_or(|due| due > now) {
                break;
            }
            returned(cache.poll(now, &mut link));
        }
        assert!(cache.poll_at().is_none_or(|due| due > now), "polled again and again");
        let entries = cache.entries(now);
        assert!(entries.len() <= 6, "{} entries", entries.len());
        assert!(entries.iter().map(|entry| entry.waiting).sum::<usize>() <= 8);
    }
    let waiting: usize = cache.entries(now).iter().map(|entry| entry.waiting).sum();
    let known = link.datagrams + back + waiting;
    let dropped = count(&cache.counters(), "waiting queue full") as usize;
    assert!(known <= given, "a datagram twice");
    assert!(given <= known + dropped, "a datagram vanished");
}

/// A packet of RFC 826 that is right or nearly so.
fn arp(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, choices.of(&[1, 2, 1, 2, 3])];
    for _ in 0..2 {
        message.extend([2, 0, 0, 0, 0, choices.byte() % 16, 10, 0, 0, choices.byte() % 12]);
    }
    if choices.one_in(8) {
        let (place, byte) = (choices.below(28), choices.byte());
        message[place] = byte;
    }
    message
}
