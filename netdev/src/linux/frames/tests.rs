//! Over a pair of datagram sockets, which keep frames apart as a TAP does, and can be full.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use super::*;
use crate::Checksum;
use crate::linux::format::Offload;

fn pair(offload: Offload) -> (Frames, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let file = File::from(OwnedFd::from(ours));
    (Frames::new(Source::Tun, file, "test0".into(), 1500, Format::ethernet(offload)), theirs)
}

#[test]
fn a_full_queue_hands_the_packet_back_and_waits_until_it_has_room() {
    let (mut frames, peer) = pair(Offload::None);
    let wants_write = |frames: &Frames| frames.interest().unwrap().write;
    let mut sent = 0;
    let back = loop {
        match frames.transmit(Packet::from_payload(&[sent as u8; 1000])) {
            Ok(()) => sent += 1,
            Err(packet) => break packet,
        }
    };
    assert!(sent > 0);
    assert_eq!(back[..], [sent as u8; 1000]);
    assert_eq!(frames.stats().tx_packets, sent, "what was handed back is not counted");
    frames.flush();
    assert!(wants_write(&frames), "it is still full");

    while peer.recv(&mut [0; 2000]).is_ok() {}
    frames.flush();
    assert!(wants_write(&frames), "whoever has the packet is to be woken");
    frames.transmit(back).expect("there is room");
    assert!(!wants_write(&frames));
    assert_eq!(peer.recv(&mut [0; 2000]).unwrap(), 1000);
}

#[test]
fn a_caller_who_gives_up_does_not_wake_for_ever() {
    let (mut frames, peer) = pair(Offload::None);
    while frames.transmit(Packet::from_payload(&[0; 1000])).is_ok() {}
    while peer.recv(&mut [0; 2000]).is_ok() {}
    frames.flush();
    frames.flush();
    assert!(!frames.interest().unwrap().write);
}

#[test]
fn a_frame_longer_than_the_buffer_is_dropped_and_the_next_one_is_not() {
    let (mut frames, peer) = pair(Offload::None);
    peer.send(&[1; 9000]).unwrap();
    peer.send(&[2; 60]).unwrap();
    assert_eq!(frames.receive().unwrap()[..], [2; 60]);
    assert_eq!(frames.receive(), None);
    let stats = frames.stats();
    assert_eq!(stats.drops[DropReason::TooLong], 1);
    assert_eq!((stats.rx_packets, stats.rx_errors), (2, 0));
}

#[test]
fn a_header_that_makes_no_sense_costs_its_frame_and_no_more() {
    let (mut frames, peer) = pair(Offload::ChecksumTcp);
    // "Checksum to be filled in", far behind the end.
    peer.send(&[&[1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &[1; 60]].concat()).unwrap();
    peer.send(&[&[0; 10][..], &[2; 60]].concat()).unwrap();
    assert_eq!(frames.receive().unwrap()[..], [2; 60]);
    assert_eq!(frames.stats().drops[DropReason::Framing], 1);
}

#[test]
fn a_small_frame_does_not_keep_a_large_buffer() {
    let (mut frames, peer) = pair(Offload::ChecksumTcp);
    peer.send(&[&[0; 10][..], &[1; 60]].concat()).unwrap();
    peer.send(&[&[0; 10][..], &[2; 60_000]].concat()).unwrap();
    let small = frames.receive().unwrap();
    assert!(frames.spare.is_some(), "the large one waits for the next read");
    let large = frames.receive().unwrap();
    assert!(frames.spare.is_none(), "it went with the frame that filled it, uncopied");
    assert_eq!((small.len(), large.len()), (60, 60_000));
}

#[test]
fn offload_that_was_not_agreed_is_done_here_or_refused() {
    let (mut frames, peer) = pair(Offload::None);
    let mut partial = Packet::from_payload(&[0; 60]);
    partial.set_checksum(Checksum::Partial { start: 34, offset: 6 });
    frames.transmit(partial).unwrap();
    let mut buffer = [0; 100];
    assert_eq!(peer.recv(&mut buffer).unwrap(), 60);
    assert_eq!(buffer[40..42], [0xff; 2], "the sum of zeros, filled in");

    let mut segmented = Packet::from_payload(&[0; 9000]);
    segmented.set_segmentation(Segmentation::Tcp4 { size: 1000 });
    frames.transmit(segmented).unwrap();
    assert_eq!(frames.stats().drops[DropReason::TooLong], 1);
}
