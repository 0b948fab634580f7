use std::sync::mpsc;

use pcap_file::pcapng::{Block, PcapNgReader};

use super::*;
use crate::{FaultConfig, FaultInjector, Loopback, Loss, Probability, Wire};

/// What was written, also while the captures still exist.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recorded packet as another reader understands it.
#[derive(Debug, PartialEq)]
struct Record {
    interface: String,
    link: DataLink,
    time: Duration,
    direction: u32,
    comment: Option<String>,
    data: Vec<u8>,
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let mut reader = PcapNgReader::new(bytes).unwrap();
    let mut interfaces = Vec::new();
    let mut records = Vec::new();
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(block) => {
                let name = block.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                });
                assert!(block.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
                interfaces.push((name.unwrap(), block.linktype));
            }
            Block::EnhancedPacket(block) => {
                let (interface, link) = interfaces[block.interface_id as usize].clone();
                let (mut direction, mut comment) = (0, None);
                for option in &block.options {
                    match option {
                        EnhancedPacketOption::Flags(flags) => direction = *flags,
                        EnhancedPacketOption::Comment(text) => comment = Some(text.to_string()),
                        other => panic!("{other:?}"),
                    }
                }
                let (time, data) = (block.timestamp, block.data.to_vec());
                records.push(Record { interface, link, time, direction, comment, data });
            }
            other => panic!("{other:?}"),
        }
    }
    records
}

#[test]
fn both_directions_are_recorded_with_time_and_interface() {
    let output = Output::default();
    let file = CaptureFile::new(output.clone(), Duration::from_secs(1_000_000_000));
    let mut lo = Capture::new(Box::new(Loopback::new()), file, Directions::all());
    lo.transmit(Instant::from_nanos(7), Packet::from_payload(b"abc")).unwrap();
    lo.receive(Instant::from_nanos(9)).unwrap();
    assert_eq!(lo.receive(Instant::from_nanos(9)), None);
    lo.flush(Instant::from_nanos(9));
    let record = |nanos, direction| Record {
        interface: "lo".to_string(),
        link: DataLink::RAW,
        time: Duration::new(1_000_000_000, nanos),
        direction,
        comment: None,
        data: b"abc".to_vec(),
    };
    // The capture still lives: the file is good at any time.
    assert_eq!(records(&output.bytes()), [record(7, 2), record(9, 1)]);
}

#[test]
fn two_taps_around_a_fault_injector_share_a_file_and_comment_the_faults() {
    let output = Output::default();
    let file = CaptureFile::new(output.clone(), Duration::ZERO);
    let (near, mut far) = Wire::pair(Duration::ZERO);
    let twice = FaultConfig { duplicate: Probability::ALWAYS, ..FaultConfig::default() };
    let lost = FaultConfig { loss: Loss::ALWAYS, ..FaultConfig::default() };
    let below = Capture::new(Box::new(near), file.clone(), Directions::TX);
    let faults = FaultInjector::new(Box::new(below), twice, lost, 1);
    let mut above = Capture::new(Box::new(faults), file, Directions::RX);

    above.transmit(Instant::ZERO, Packet::from_payload(&[1; 60])).unwrap();
    far.transmit(Instant::ZERO, Packet::from_payload(&[2; 60])).unwrap();
    assert_eq!(above.receive(Instant::ZERO), None);
    drop(above);
    let records = records(&output.bytes());
    let seen: Vec<_> =
        records.iter().map(|r| (r.interface.as_str(), r.direction, r.comment.as_deref())).collect();
    assert_eq!(seen, [("wire0", 2, None), ("wire0", 2, Some("duplicated"))]);
    assert_eq!(records[0].link, DataLink::ETHERNET);
}

#[test]
fn only_what_the_device_takes_is_recorded() {
    let output = Output::default();
    let file = CaptureFile::new(output.clone(), Duration::ZERO);
    let mut lo = Capture::new(Box::new(Loopback::new()), file, Directions::TX);
    let mut taken = 0;
    while lo.transmit(Instant::ZERO, Packet::from_payload(b"x")).is_ok() {
        taken += 1;
    }
    drop(lo);
    assert_eq!(records(&output.bytes()).len(), taken);
}

#[test]
fn a_partial_checksum_is_completed_in_the_record_and_left_in_the_packet() {
    let output = Output::default();
    let file = CaptureFile::new(output.clone(), Duration::ZERO);
    let mut lo = Capture::new(Box::new(Loopback::new()), file, Directions::TX);
    let mut packet = Packet::from_payload(&[0, 0, 0x12, 0x34]);
    packet.set_checksum(Checksum::Partial { start: 0, offset: 0 });
    lo.transmit(Instant::ZERO, packet).unwrap();
    assert_eq!(&lo.receive(Instant::ZERO).unwrap()[..], &[0, 0, 0x12, 0x34]);
    drop(lo);
    assert_eq!(records(&output.bytes())[0].data, [0xed, 0xcb, 0x12, 0x34]);
}

#[test]
fn a_long_batch_is_written_in_whole_blocks() {
    let output = Output::default();
    let file = CaptureFile::new(output.clone(), Duration::ZERO);
    let mut lo = Capture::new(Box::new(Loopback::new()), file, Directions::TX);
    for _ in 0..10 {
        lo.transmit(Instant::ZERO, Packet::from_payload(&[7; 10_001])).unwrap();
    }
    let written = records(&output.bytes()).len();
    assert!((6..10).contains(&written), "{written} without a flush");
    drop(lo);
    assert_eq!(records(&output.bytes()).len(), 10);
}

#[test]
fn a_failing_file_ends_the_record_and_not_the_device() {
    struct Full(mpsc::Sender<()>);
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.send(()).unwrap();
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (writes, seen) = mpsc::channel();
    let file = CaptureFile::new(Full(writes), Duration::ZERO);
    let mut lo = Capture::new(Box::new(Loopback::new()), file, Directions::all());
    for _ in 0..3 {
        lo.transmit(Instant::ZERO, Packet::from_payload(b"x")).unwrap();
        lo.flush(Instant::ZERO);
        assert!(lo.receive(Instant::ZERO).is_some());
    }
    drop(lo);
    assert_eq!(seen.iter().count(), 1, "not tried again");
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let path = std::env::temp_dir().join("no-such-directory").join("a.pcapng");
    let error = CaptureFile::create(path, SystemTime::UNIX_EPOCH).err().unwrap().to_string();
    assert!(error.contains("no-such-directory") && error.contains("must exist"), "{error}");
}
