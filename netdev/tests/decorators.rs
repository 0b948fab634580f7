//! Decorators are devices: they stack in any order, and the stack does not notice them.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netdev::{
    Capture, CaptureFile, Device, Directions, DropReason, FaultConfig, FaultInjector, Instant,
    LinkState, Packet, Probability, Tracer, UnixLink,
};

#[derive(Clone, Copy, Debug)]
enum Decorator {
    Capture,
    Tracer,
    Faults,
}

use Decorator::{Capture as C, Faults as F, Tracer as T};

const ORDERS: [&[Decorator]; 8] =
    [&[C, T, F], &[C, F, T], &[T, C, F], &[T, F, C], &[F, C, T], &[F, T, C], &[F, F], &[C, F, C]];

type Lines = Arc<Mutex<Vec<String>>>;

/// `device` inside of decorators, the first one innermost.
fn stack(
    device: impl Device + 'static,
    order: &[Decorator],
    faults: FaultConfig,
    lines: &Lines,
) -> Box<dyn Device> {
    order.iter().fold(Box::new(device), |inner, decorator| match decorator {
        C => {
            let file = CaptureFile::new(std::io::sink(), Duration::ZERO);
            Box::new(Capture::new(inner, file, Directions::all()))
        }
        T => {
            let lines = Arc::clone(lines);
            let sink = move |_, direction, line: &str| {
                lines.lock().unwrap().push(format!("{direction} {line}"));
            };
            Box::new(Tracer::new(inner, Box::new(sink)))
        }
        F => Box::new(FaultInjector::new(inner, faults, faults, 1)),
    })
}

fn frame(byte: u8) -> Packet {
    Packet::from_payload(&[byte; 60])
}

#[test]
fn every_order_passes_packets_and_all_else_through() {
    for order in ORDERS {
        let (near, mut far) = UnixLink::pair().unwrap();
        let near = near.named("link7");
        let (fd, capabilities) = (near.interest().unwrap().fd.as_raw_fd(), near.capabilities());
        let lines = Lines::default();
        let mut near = stack(near, order, FaultConfig::default(), &lines);
        let now = Instant::from_secs(1);

        assert_eq!((near.name(), near.capabilities()), ("link7", capabilities), "{order:?}");
        assert_eq!(near.interest().unwrap().fd.as_raw_fd(), fd, "{order:?}");
        near.transmit(now, frame(1)).unwrap();
        assert!(near.interest().unwrap().write, "{order:?}");
        near.flush(now);
        assert_eq!(far.receive(now), Some(frame(1)), "{order:?}");
        far.transmit(now, frame(2)).unwrap();
        far.flush(now);
        assert_eq!(near.receive(now), Some(frame(2)), "{order:?}");
        assert_eq!(near.receive(now), None, "{order:?}");

        let stats = near.stats();
        assert_eq!((stats.tx_packets, stats.rx_packets, stats.drops.total()), (1, 1, 0));
        let tracers = order.iter().filter(|decorator| matches!(decorator, T)).count();
        assert_eq!(lines.lock().unwrap().len(), 2 * tracers, "{order:?}");

        assert!(near.set_mtu(1000) && !near.set_mtu(60), "{order:?}");
        assert_eq!(near.capabilities().mtu, 1000, "{order:?}");
        assert_eq!((near.link(), near.poll_at()), (LinkState::Up, None), "{order:?}");
        drop(far);
        assert_eq!(near.receive(now), None, "{order:?}");
        assert!(matches!(near.link(), LinkState::Down(_)), "{order:?}");
    }
}

#[test]
fn every_order_has_the_same_faults_and_counts_them() {
    let delay = Duration::from_millis(10);
    let faults =
        FaultConfig { loss: Probability::new(0.5).into(), delay, ..FaultConfig::default() };
    for order in &ORDERS[..6] {
        let (near, mut far) = UnixLink::pair().unwrap();
        let mut near = stack(near, order, faults, &Lines::default());
        for i in 0..100 {
            near.transmit(Instant::ZERO, frame(i)).unwrap();
        }
        near.flush(Instant::ZERO);
        assert_eq!(far.receive(Instant::ZERO), None, "{order:?}");
        let due = near.poll_at().unwrap();
        assert_eq!(due, Instant::ZERO + delay, "{order:?}");
        near.flush(due);
        let arrived: Vec<_> =
            std::iter::from_fn(|| far.receive(due)).map(|packet| packet[0]).collect();
        assert!(arrived.is_sorted() && (20..80).contains(&arrived.len()), "{order:?}");
        let lost = near.stats().drops[DropReason::FaultLoss];
        assert_eq!(lost as usize, 100 - arrived.len(), "{order:?}");
        assert_eq!(near.stats().tx_packets as usize, arrived.len(), "{order:?}");
    }
}
