//! The kernel's side of a measurement: what loads the stack, and counts.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::meter::{self, Used};
use super::place::SERVER;
use super::row::{IDLE, OUTSTANDING, STREAMS};
use super::streams::{Flow, Streams};
use super::{Row, sys};

const ECHO: u16 = 7;
const DISCARD: u16 = 9;
const CHARGEN: u16 = 19;

/// How long anything may take that is to happen at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a client that waits for the stack sees that the measurement is over.
const ATTENTION: Duration = Duration::from_millis(50);

/// What came out.
pub(super) struct Measured {
    /// In the row's unit.
    pub(super) value: f64,
    /// What was used meanwhile.
    pub(super) used: Used,
    /// Bytes or turns in that time.
    pub(super) amount: u64,
    /// How long a turn took, where turns were taken one by one.
    pub(super) latency: Option<Latency>,
}

/// How long turns took, in microseconds.
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Latency {
    /// Of turns in nanoseconds.
    fn of(mut turns: Vec<u32>) -> Option<Latency> {
        turns.sort_unstable();
        let at = |share: f64| {
            let last = turns.len().checked_sub(1)?;
            Some(f64::from(turns[(share * last as f64).round() as usize]) / 1000.0)
        };
        Some(Latency { p50: at(0.5)?, p99: at(0.99)? })
    }
}

/// Waits until the stack answers.
pub(super) fn wait_until_it_answers(patience: Duration) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        // A link without anybody at its other end refuses to send, for now.
        if socket.send_to(b"?", (SERVER, ECHO)).is_ok() && socket.recv(&mut [0; 8]).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    bail!("the stack did not answer within {patience:?}")
}

/// Measures a row of the stack that is the process `stack`, with a client on the processor `cpu`.
pub(super) fn measure(row: Row, window: Duration, cpu: usize, stack: u32) -> Result<Measured> {
    sys::raise_open_files()?;
    let _spinners = row.is_latency().then(Spinners::start).transpose()?;
    sys::pin(cpu)?;
    match row {
        Row::Idle => idle(stack),
        Row::Fair => fair(window, stack),
        _ => {
            let stage = Arc::new(Stage::default());
            let load = Load::of(row, &stage)?;
            let (amount, used) = stage.count(window, stack, || load.progress(&stage))?;
            let latency = Latency::of(load.end()?);
            let per_second = amount as f64 / used.time.as_secs_f64();
            let value = if row.is_bulk() { per_second * 8.0 / 1e9 } else { per_second };
            Ok(Measured { value, used, amount, latency })
        }
    }
}

/// Where in a measurement its threads are, and how far they have come.
#[derive(Default)]
struct Stage {
    phase: AtomicU8,
    done: AtomicU64,
}

const WARMING: u8 = 0;
const COUNTED: u8 = 1;
const OVER: u8 = 2;

impl Stage {
    fn is(&self, phase: u8) -> bool {
        self.phase.load(Ordering::Relaxed) == phase
    }

    /// Lets the load warm up, and counts for `window`: how far it came, and what was used.
    fn count(
        &self,
        window: Duration,
        stack: u32,
        progress: impl Fn() -> io::Result<u64>,
    ) -> Result<(u64, Used)> {
        std::thread::sleep((window / 2).min(Duration::from_millis(500)));
        self.phase.store(COUNTED, Ordering::Relaxed);
        let (before, start) = (progress()?, meter::read(stack)?);
        std::thread::sleep(window);
        let (after, end) = (progress()?, meter::read(stack)?);
        self.phase.store(OVER, Ordering::Relaxed);
        Ok((after - before, start.until(&end)))
    }
}

/// A thread that loads the stack.
struct Load {
    thread: JoinHandle<Result<Vec<u32>>>,
    /// Streams whose acknowledged bytes count.
    sending: Vec<TcpStream>,
}

impl Load {
    fn of(row: Row, stage: &Arc<Stage>) -> Result<Load> {
        let stage = stage.clone();
        let streams = |count, flow| vec![flow; count];
        match row {
            Row::Out | Row::BridgeOut | Row::LossOut => Load::bulk(stage, &streams(1, Flow::Sink)),
            Row::In | Row::BridgeIn | Row::LossIn => Load::bulk(stage, &streams(1, Flow::Source)),
            Row::Out8 => Load::bulk(stage, &streams(8, Flow::Sink)),
            Row::In8 => Load::bulk(stage, &streams(8, Flow::Source)),
            Row::Rr | Row::RrBusy => Load::turns(stage),
            Row::Crr => Ok(Load::run(move || connections(&stage))),
            Row::Udp => Ok(Load::run(move || datagrams(&stage))),
            Row::Idle | Row::Fair => bail!("{row:?} is not one load"),
        }
    }

    fn run(work: impl FnOnce() -> Result<Vec<u32>> + Send + 'static) -> Load {
        Load { thread: std::thread::spawn(work), sending: Vec::new() }
    }

    fn bulk(stage: Arc<Stage>, flows: &[Flow]) -> Result<Load> {
        let (mut streams, mut sending) = (Streams::new(), Vec::new());
        for flow in flows {
            let port = if *flow == Flow::Source { DISCARD } else { CHARGEN };
            let stream = connect(port)?;
            sys::use_cubic(&stream)?;
            if *flow == Flow::Source {
                sending.push(stream.try_clone()?);
            }
            streams.add(stream, *flow)?;
        }
        let count = flows.len();
        let load = Load::run(move || {
            while !stage.is(OVER) {
                streams.turn(&mut [], ATTENTION)?;
                stage.done.store(streams.taken(), Ordering::Relaxed);
                let left = streams.len();
                ensure!(left == count, "{} of {count} streams ended", count - left);
            }
            Ok(Vec::new())
        });
        Ok(Load { sending, ..load })
    }

    fn turns(stage: Arc<Stage>) -> Result<Load> {
        let mut stream = connect(ECHO)?;
        stream.set_read_timeout(Some(ATTENTION))?;
        Ok(Load::run(move || {
            // What it waits for is the stack, and not the client's own streams. An ordinary user
            // may not have it so, and measures a little of both.
            let _ = sys::go_first();
            let mut turns = Vec::with_capacity(1 << 20);
            while !stage.is(OVER) {
                let start = Instant::now();
                stream.write_all(b"x").context("a request")?;
                if !answered(&mut stream, &stage)? {
                    break;
                }
                stage.done.fetch_add(1, Ordering::Relaxed);
                // One that is still under way when the window ends is waited for: those that take
                // longest would be missing otherwise.
                if !stage.is(WARMING) {
                    turns.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
                }
            }
            Ok(turns)
        }))
    }

    fn progress(&self, stage: &Stage) -> io::Result<u64> {
        let acked: io::Result<u64> = self.sending.iter().map(sys::bytes_acked).sum();
        Ok(acked? + stage.done.load(Ordering::Relaxed))
    }

    fn end(self) -> Result<Vec<u32>> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let address = SocketAddr::from((SERVER, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("connect to port {port}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Waits for one byte, also beyond the end of the measurement; whether it came.
fn answered(stream: &mut TcpStream, stage: &Stage) -> Result<bool> {
    let start = Instant::now();
    loop {
        match stream.read(&mut [0]) {
            Ok(0) => bail!("the stack closed the connection"),
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if stage.is(OVER) && start.elapsed() > PATIENCE {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error).context("an answer"),
        }
    }
}

/// Connects, sends a byte, gets it back and closes, again and again.
fn connections(stage: &Stage) -> Result<Vec<u32>> {
    let mut turns = Vec::new();
    while !stage.is(OVER) {
        let start = Instant::now();
        let mut stream = connect(ECHO)?;
        stream.set_read_timeout(Some(ATTENTION))?;
        stream.write_all(b"x")?;
        if !answered(&mut stream, stage)? {
            break;
        }
        stream.shutdown(Shutdown::Write)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        ensure!(stream.read(&mut [0]).context("the end")? == 0, "more came than was sent");
        stage.done.fetch_add(1, Ordering::Relaxed);
        if stage.is(COUNTED) {
            turns.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
    }
    Ok(turns)
}

/// Keeps datagrams under way: each that comes back lets another go.
fn datagrams(stage: &Stage) -> Result<Vec<u32>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    sys::enlarge_buffers(&socket)?;
    socket.connect((SERVER, ECHO))?;
    socket.set_read_timeout(Some(ATTENTION))?;
    let mut under_way = 0;
    while !stage.is(OVER) {
        while under_way < OUTSTANDING {
            socket.send(&[b'x'; 64])?;
            under_way += 1;
        }
        match socket.recv(&mut [0; 64]) {
            Ok(_) => {
                under_way -= 1;
                stage.done.fetch_add(1, Ordering::Relaxed);
            }
            // Whatever was under way is lost.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => under_way = 0,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Vec::new())
}

/// The memory that a connection costs which says nothing.
fn idle(stack: u32) -> Result<Measured> {
    // What the first ones allocate once and for all is not theirs.
    let mut open = (0..16).map(|_| connect(ECHO)).collect::<Result<Vec<_>>>()?;
    std::thread::sleep(Duration::from_millis(100));
    let (before, start) = (meter::memory(stack, "VmRSS")?, meter::read(stack)?);
    for _ in 0..IDLE - open.len() {
        open.push(connect(ECHO)?);
    }
    // The last ones are accepted.
    std::thread::sleep(Duration::from_millis(200));
    let (after, end) = (meter::memory(stack, "VmRSS")?, meter::read(stack)?);
    let count = IDLE - 16;
    let value = after.saturating_sub(before) as f64 * 1024.0 / count as f64;
    Ok(Measured { value, used: start.until(&end), amount: count as u64, latency: None })
}

/// Turns of one byte beside many streams.
fn fair(window: Duration, stack: u32) -> Result<Measured> {
    let (stage, beside) = (Arc::new(Stage::default()), Arc::new(Stage::default()));
    let mut flows = vec![Flow::Source; STREAMS / 2];
    flows.resize(STREAMS, Flow::Sink);
    let bulk = Load::bulk(beside.clone(), &flows)?;
    let turns = Load::turns(stage.clone())?;
    let (amount, used) = stage.count(window, stack, || turns.progress(&stage))?;
    let latency = Latency::of(turns.end()?).context("no turn came to its end")?;
    beside.phase.store(OVER, Ordering::Relaxed);
    bulk.end()?;
    Ok(Measured { value: latency.p99 / 1000.0, used, amount, latency: Some(latency) })
}

/// A thread on each processor that keeps it awake, and gives way to everybody.
struct Spinners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Spinners {
    fn start() -> io::Result<Spinners> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut spinners = Spinners { stop: stop.clone(), threads: Vec::new() };
        for cpu in sys::allowed_cpus()? {
            let stop = stop.clone();
            spinners.threads.push(std::thread::spawn(move || {
                // One that could not give way would be worse than none.
                if sys::pin(cpu).and_then(|()| sys::yield_to_all()).is_ok() {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                }
            }));
        }
        Ok(spinners)
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_turns() {
        assert!(Latency::of(Vec::new()).is_none());
        let one = Latency::of(vec![1500]).unwrap();
        assert_eq!((one.p50, one.p99), (1.5, 1.5));
        let many = Latency::of((0..=100).rev().map(|us| us * 1000).collect()).unwrap();
        assert_eq!((many.p50, many.p99), (50.0, 99.0));
    }
}
