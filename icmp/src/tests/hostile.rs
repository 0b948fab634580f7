//! Bytes from the wire: no panic, no silence.

use etherparse::Icmpv4Slice;
use pnet_packet::icmp::IcmpPacket;
use proptest::prelude::*;

use super::*;
use crate::EchoOnly;

fn total(bench: &Bench) -> u64 {
    bench.icmp.counters().iter().map(|row| row.count).sum()
}

proptest! {
    #[test]
    fn arbitrary_messages_never_panic_nor_vanish(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        right: bool,
    ) {
        for mut bench in [Bench::icmp(), Bench::over(Box::new(EchoOnly::new()))] {
            let datagram = if right { message(PEER, ME, &bytes) } else { raw(PEER, ME, &bytes) };
            let input = bench.input(datagram);
            // Received is counted, and so is what became of it.
            prop_assert!(total(&bench) >= 2, "{:?}", input);
        }
    }

    #[test]
    fn arbitrary_errors_never_panic(
        kind in prop::sample::select(vec![3u8, 4, 5, 11, 12]),
        rest in prop::collection::vec(any::<u8>(), 7..120),
    ) {
        let mut bytes = vec![kind];
        bytes.extend(rest);
        let mut bench = Bench::icmp();
        let _ = bench.input(message(PEER, ME, &bytes));
        prop_assert!(bench.below.sent.is_empty());
    }

    #[test]
    fn arbitrary_reports_never_panic_and_keep_the_rules(
        mut bytes in prop::collection::vec(any::<u8>(), 0..700),
        version: bool,
        first: bool,
    ) {
        if version && !bytes.is_empty() {
            bytes[0] = 0x40 | (bytes[0] & 0xf);
        }
        if first && bytes.len() > 7 {
            bytes[6..8].fill(0);
        }
        let mut bench = Bench::icmp();
        if bench.report(Cause::TtlExceeded, &bytes).is_ok() {
            let (header, error) = bench.sent();
            prop_assert!(error.len() <= 556);
            prop_assert_eq!(&error[8..], &bytes[..bytes.len().min(548)]);
            prop_assert_eq!(bytes[0] >> 4, 4);
            prop_assert_eq!(u16::from_be_bytes([bytes[6], bytes[7]]) & 0x1fff, 0);
            prop_assert!(matches!(header.dst, IpAddr::V4(dst) if !dst.is_multicast()));
        } else {
            prop_assert!(bench.below.sent.is_empty());
        }
    }

    #[test]
    fn pnet_reads_the_same_fields(bytes in prop::collection::vec(any::<u8>(), 8..80)) {
        let two = IcmpPacket::new(&bytes).unwrap();
        if let Ok(one) = Icmpv4Slice::from_slice(&bytes) {
            prop_assert_eq!(one.type_u8(), two.get_icmp_type().0);
            prop_assert_eq!(one.code_u8(), two.get_icmp_code().0);
            prop_assert_eq!(one.checksum(), two.get_checksum());
        }
    }

    #[test]
    fn pnet_agrees_on_the_checksum_of_what_is_sent(
        data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bench = Bench::icmp();
        let mut echo = vec![8, 0, 0, 0, 1, 2, 3, 4];
        echo.extend(&data);
        prop_assert_eq!(bench.input(message(PEER, ME, &echo)), Input::Consumed);
        let (_, reply) = bench.sent();
        let packet = IcmpPacket::new(&reply).unwrap();
        prop_assert_eq!(pnet_packet::icmp::checksum(&packet), packet.get_checksum());
    }
}
