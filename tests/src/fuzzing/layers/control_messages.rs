//! Control messages.

use super::*;

/// [`icmp::Icmp`] and [`icmp::EchoOnly`]: messages as they come or with a right checksum, and
/// datagrams to report.
pub fn icmp_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut layers: Vec<Box<dyn ControlMessages>> = vec![
        Box::new(icmp::Icmp::new(icmp::Config::default(), 1)),
        Box::new(icmp::EchoOnly::new()),
    ];
    let mut now = Instant::ZERO;
    while let Some(event) = choices.next() {
        let mut below = Below { unreachable: event & 64 != 0, ..Below::default() };
        match event % 4 {
            0 => now += choices.time(),
            1 => {
                let bytes = odd_datagram(&mut choices);
                let cause = choices.of(&[
                    Cause::TtlExceeded,
                    Cause::PortUnreachable,
                    Cause::FragmentationNeeded { mtu: 576 },
                    Cause::ParameterProblem { pointer: 20 },
                    Cause::ReassemblyTimeout,
                    Cause::SourceQuench,
                ]);
                let cast = choices.of(&[Cast::Unicast, Cast::Unicast, Cast::Broadcast]);
                for layer in &mut layers {
                    let packet = Packet::from_payload(&bytes);
                    let report = Report { cause, packet, cast };
                    let before = total(layer.counters());
                    let told = layer.report(now, report, &mut below);
                    assert!(total(layer.counters()) > before, "{told:?} and not counted");
                }
            }
            which => {
                let mut bytes = choices.bytes(120);
                if which == 3 {
                    let quoted = odd_datagram(&mut choices);
                    bytes = forge::icmp_error(&mut choices, &quoted);
                } else {
                    forge::fill_icmp_checksum(&mut bytes);
                }
                for layer in &mut layers {
                    let datagram = delivered(&mut choices, Protocol::ICMP, &bytes);
                    let before = total(layer.counters());
                    let input = layer.input(now, datagram, &mut below);
                    assert!(total(layer.counters()) >= before + 2, "{input:?} and not counted");
                }
            }
        }
        assert!(below.sent.len() <= 2, "more than one answer each");
        for (header, packet) in &below.sent {
            // RFC 1812 §4.3.2.3: no error is longer than 576 bytes; an echo's reply is as it was.
            assert!(packet.len() <= 576 || packet[0] == 0, "{} bytes", packet.len());
            assert!(Sum::default().bytes(packet).is_valid(), "a bad checksum");
            assert!(!header.dst.is_multicast() && header.dst != IpAddr::from([255; 4]));
        }
        for layer in &mut layers {
            layer.poll(now, &mut below);
        }
    }
}
