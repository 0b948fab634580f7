//! The walk through a script's events on virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use netdev::{Instant, sooner};
use tcp::{Info, Streams};

use super::calls::{self, Pending};
use super::code::{Value, Variables};
use super::config::Options;
use super::constants::constant;
use super::fds::Fds;
use super::info;
use super::network::{LOCAL, Network, PORT, REMOTE, Sent};
use super::report::{Result, Stop, failed, unsupported};
use super::script::{Action, At, Call, Event, Script};
use super::shell::Setup;
use super::wait;
use super::wire::Flow;

/// The time at which a script begins: well after zero, so that nothing is taken for "never".
const START: Instant = Instant::from_secs(1000);
const SEED: u64 = 1;
/// The peers' ports begin here.
const FIRST_PEER_PORT: u16 = 40_000;
/// Timers that may fire in a row without time going on, and in all while one event is waited for.
const POLLS: usize = 100_000;

pub(super) struct Machine<'a> {
    pub(super) options: &'a Options,
    pub(super) setup: Setup,
    /// Of times, at least.
    pub(super) tolerance: Duration,
    /// Of the timestamp clock, in microseconds; 0: not compared.
    pub(super) tick: u32,
    tcp: Option<Box<dyn Streams>>,
    pub(super) net: Network,
    pub(super) now: Instant,
    pub(super) fds: Fds,
    /// Connections, and which is the one that packets without ports belong to.
    pub(super) flows: Vec<Flow>,
    pub(super) current: Option<usize>,
    /// The next injected segment begins a connection.
    pub(super) listening: bool,
    /// What came out and was not yet expected, with its flow.
    pub(super) queue: VecDeque<(usize, Sent)>,
    pub(super) pending: Option<Pending<'a>>,
    /// The size of the segments that a longer injected one stands for.
    pub(super) peer_segment: Option<u16>,
    /// The script has written other bytes than zeros.
    pub(super) text_written: bool,
    variables: Variables,
    pub(super) trace: Vec<String>,
    /// When the event before was to happen.
    pub(super) last_event: Instant,
    pub(super) next_peer_port: u16,
}

impl<'a> Machine<'a> {
    pub(super) fn new(options: &'a Options, script: &Script) -> Result<Machine<'a>> {
        let mut machine = Machine {
            options,
            setup: Setup::default(),
            tolerance: Duration::from_millis(4),
            tick: 0,
            tcp: None,
            net: Network { mtu: 1500, sent: Vec::new() },
            now: START,
            fds: Fds::default(),
            flows: Vec::new(),
            current: None,
            listening: false,
            queue: VecDeque::new(),
            pending: None,
            peer_segment: None,
            text_written: false,
            variables: Variables::default(),
            trace: Vec::new(),
            last_event: START,
            next_peer_port: FIRST_PEER_PORT,
        };
        for flag in &script.flags {
            let number = || {
                let bad =
                    || failed(flag.line, format!("no number: --{}={}", flag.name, flag.value));
                flag.value.parse::<u32>().map_err(|_| bad())
            };
            match &flag.name[..] {
                "tolerance_usecs" => machine.tolerance = Duration::from_micros(number()?.into()),
                "tcp_ts_tick_usecs" => machine.tick = number()?,
                "mtu" => {
                    machine.setup.mtu = number()? as usize;
                    machine.net.mtu = machine.setup.mtu;
                }
                "mss" => machine.peer_segment = u16::try_from(number()?).ok(),
                "ip_version" if flag.value == "ipv4" => {}
                // An echo that was not seen is always counted from the first one.
                "tcp_ts_ecr_scaled" => {}
                "local_ip" if flag.value == LOCAL.to_string() => {}
                "remote_ip" if flag.value == REMOTE.to_string() => {}
                // The link is the same whatever these say, and a script is run once.
                "gateway_ip" | "netmask_ip" | "speed" | "init_scripts" | "non_fatal"
                | "verbose" => {}
                "bind_port" | "connect_port" if flag.value == PORT.to_string() => {}
                name => {
                    let reason = format!("the flag --{name}={}", flag.value);
                    return Err(unsupported(flag.line, reason));
                }
            }
        }
        if let Some(tolerance) = options.tolerance {
            machine.tolerance = tolerance;
        }
        Ok(machine)
    }

    pub(super) fn run(mut self, script: &'a Script) -> Result<()> {
        let mut result = Ok(());
        for event in &script.events {
            result = self.event(event);
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = self.finish_pending();
        }
        result.map_err(|stop| match stop {
            Stop::Failed(mut failure) => {
                failure.trace = std::mem::take(&mut self.trace);
                Stop::Failed(failure)
            }
            stop => stop,
        })
    }

    fn event(&mut self, event: &'a Event) -> Result<()> {
        let (from, to) = match event.at {
            At::Absolute(from, to) => (START + from, START + to.unwrap_or(from)),
            At::Relative(from, to) => (self.now + from, self.now + to.unwrap_or(from)),
            At::Any => (self.now, Instant::FAR_FUTURE),
        };
        let base = match event.at {
            At::Absolute(..) => START,
            _ => self.now,
        };
        let line = event.line;
        if let Action::Expect(packet) = &event.action {
            self.expect(line, packet, from, to)?;
        } else {
            if from + self.tolerance(from) < self.now {
                return Err(failed(line, "its time is over before the event before it has ended"));
            }
            self.advance(line, from)?;
            match &event.action {
                Action::Inject(packet) => self.inject(line, packet)?,
                Action::Call(call) => {
                    self.finish_pending()?;
                    let end = call.end.map(|end| base + end);
                    calls::begin(self, line, call, end)?;
                }
                Action::Shell(commands) => {
                    self.setup.run(line, commands, self.tcp.is_some())?;
                    self.net.mtu = self.setup.mtu;
                }
                Action::Code(block) => self.code(line, block)?,
                Action::Expect(_) => {}
            }
        }
        self.last_event = if to == Instant::FAR_FUTURE { self.now } else { from };
        Ok(())
    }

    /// The TCP, made when it is first needed: until then its configuration may change.
    pub(super) fn tcp(&mut self, line: u32) -> Result<&mut Box<dyn Streams>> {
        let tcp = match self.tcp.take() {
            Some(tcp) => tcp,
            None => (self.options.implementation.make)(&self.setup.config, SEED)
                .ok_or_else(|| unsupported(line, "settings that this TCP does not have"))?,
        };
        Ok(self.tcp.insert(tcp))
    }

    /// The parts that a call needs.
    pub(super) fn parts(&mut self, line: u32) -> Result<(&mut dyn Streams, Instant, &mut Network)> {
        self.tcp(line)?;
        let Some(tcp) = self.tcp.as_deref_mut() else {
            return Err(unsupported(line, "settings that this TCP does not have"));
        };
        Ok((tcp, self.now, &mut self.net))
    }

    /// How far off an event may be that is expected at `expected`.
    pub(super) fn tolerance(&self, expected: Instant) -> Duration {
        self.tolerance.max(expected.since(self.last_event) / 8)
    }

    /// Time since the start of the script.
    pub(super) fn clock(&self, at: Instant) -> String {
        Instant::from_nanos(at.since(START).as_nanos() as u64).to_string()
    }

    /// Time since the start of the script.
    pub(super) fn since_start(&self, at: Instant) -> Duration {
        at.since(START)
    }

    pub(super) fn note(&mut self, at: Instant, what: impl std::fmt::Display) {
        self.trace.push(format!("{:>10} {what}", self.clock(at)));
    }

    /// Lets time go on to `to`. A timer that is due just then has its turn after what happens
    /// there: a kernel's timers are always a little late.
    pub(super) fn advance(&mut self, line: u32, to: Instant) -> Result<()> {
        let mut polls = 0;
        let before = Instant::from_nanos(to.nanos().saturating_sub(1));
        while self.step(line, before)? {
            polls += 1;
            if polls > POLLS {
                return Err(failed(line, "timers that never stop"));
            }
        }
        self.now = self.now.max(to);
        Ok(())
    }

    /// Lets time go on to the next timer and fires it, if it is due by `limit`; whether it was.
    pub(super) fn step(&mut self, line: u32, limit: Instant) -> Result<bool> {
        let timer = self.tcp.as_ref().and_then(|tcp| tcp.poll_at());
        let waiting = self.pending.as_ref().and_then(|pending| pending.timeout);
        match sooner(timer, waiting) {
            Some(at) if at <= limit => {
                self.now = self.now.max(at);
                self.settle(line, true)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// After anything that was done with the TCP: what it puts off is done, what it sent is taken,
    /// and a call that waits gets its turn.
    pub(super) fn settle(&mut self, line: u32, batch: bool) -> Result<()> {
        let mut poll = batch;
        for _ in 0..POLLS {
            let Some(tcp) = self.tcp.as_deref_mut() else { return Ok(()) };
            if poll || tcp.poll_at().is_some_and(|at| at <= self.now) {
                tcp.poll(self.now, &mut self.net);
            }
            while tcp.changed().is_some() {}
            wait::find_edges(self, line)?;
            self.collect(line)?;
            let again = calls::retry(self)?;
            self.collect(line)?;
            let due =
                self.tcp.as_ref().and_then(|tcp| tcp.poll_at()).is_some_and(|at| at <= self.now);
            if !again && !due {
                return Ok(());
            }
            poll = false;
        }
        Err(failed(line, "a TCP that is due again at once, for ever"))
    }

    /// The connection that a block of code asks about.
    pub(super) fn info(&mut self, line: u32) -> Result<Info> {
        let flow = self.current.map(|index| &self.flows[index]);
        let ends = flow.map(|flow| (flow.local, flow.remote));
        let newest = self.fds.newest_socket().map(|socket| socket.handle);
        let (tcp, now, _) = self.parts(line)?;
        let connection = ends.and_then(|(local, remote)| {
            let mut all = tcp.sockets(now).into_iter();
            all.find(|info| info.peer == remote && info.local.port() == local.port())
        });
        connection
            .or_else(|| tcp.info(now, newest?).ok())
            .ok_or_else(|| failed(line, "there is no connection to ask about"))
    }

    fn code(&mut self, line: u32, block: &[super::code::Statement]) -> Result<()> {
        let info = self.info(line).ok();
        let names = |name: &str| {
            let value = match &info {
                Some(info) if name.starts_with("tcpi_") => info::field(info, name),
                _ => constant(name),
            };
            value.map(Value::Int)
        };
        self.variables.run(block, &names)
    }

    /// Waits for a call that blocks.
    fn finish_pending(&mut self) -> Result<()> {
        let Some(pending) = &self.pending else { return Ok(()) };
        let (line, limit) = (pending.line, pending.latest);
        while self.pending.is_some() && self.step(line, limit)? {}
        match &self.pending {
            None => Ok(()),
            Some(pending) => {
                self.now = limit;
                Err(failed(line, format!("{} still blocks", pending.call)))
            }
        }
    }
}

/// A call as the trace shows it.
pub(super) fn shown(call: &Call) -> String {
    let text = call.to_string();
    match text.char_indices().nth(90) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
