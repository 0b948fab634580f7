//! Sends requests and waits for what becomes of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ip::{Hop, Protocol};
use socket::RawSocket;

use super::Options;
use super::message::{self, Answer};
use super::stats::{Millis, Statistics};
use crate::waiter::{Waited, Waiter};
use crate::{Context, ExitStatus, Terminal};

/// Pings, with tapip's lines and ping(8)'s numbers. The first request has number 1, as ping(8)'s
/// has; tapip's had 0. The status is ping(8)'s: 0 with any reply, 1 without, 2 where nothing
/// could be sent.
pub(super) fn run(context: &mut Context, options: &Options) -> anyhow::Result<ExitStatus> {
    let peer = IpAddr::from(options.peer);
    let route = match context.net.with(|stack, now| stack.route(now, peer)) {
        Ok(route) => route,
        Err(cause) => {
            context.err.line(&format!("ping: {peer}: {cause}; `route` lists the ways"));
            return Ok(ExitStatus::USAGE);
        }
    };
    if route.hop == Hop::Broadcast && !options.broadcast {
        let hint = "-b lets a broadcast address be pinged";
        context.err.line(&format!("ping: {peer}: {hint}"));
        return Ok(ExitStatus::USAGE);
    }
    // Two sockets: one that hears every ICMP message, since errors come from hosts on the way;
    // and one that is connected, since only that is told what goes wrong in this host.
    let hearing = RawSocket::new(&context.net, Some(Protocol::ICMP))?;
    hearing.set_nonblocking(true)?;
    let sending = RawSocket::new(&context.net, Some(Protocol::ICMP))?;
    sending.set_nonblocking(true)?;
    sending.set_ttl(options.ttl.into())?;
    sending.set_broadcast(options.broadcast)?;
    sending.connect(peer)?;
    let waiter = Waiter::new(&context.net, &hearing, &context.interrupt)?;
    waiter.errors_of(&sending)?;

    let (size, whole) = (options.size, options.size + 28);
    let named = options.name.as_ref().map_or(String::new(), |name| format!("{name} "));
    let shown = if named.is_empty() { peer.to_string() } else { format!("({peer})") };
    context.out.line(&format!("PING {named}{shown} {size}({whole}) bytes of data"));
    let mut run = Run {
        options,
        out: context.out.clone(),
        // Two runs at a time must not take each other's replies.
        id: RandomState::new().hash_one(0) as u16,
        source: route.source,
        requests: HashMap::new(),
        waiting: 0,
        stats: Statistics::default(),
    };
    let start = Instant::now();
    let mut next = start;
    let mut last = start;
    loop {
        run.hear(&hearing, &sending)?;
        let now = Instant::now();
        let done = options.count == Some(run.stats.transmitted);
        let until = if done { last + run.patience() } else { next };
        if done && (run.waiting == 0 || now >= until) {
            break;
        }
        if !done && now >= next {
            last = now;
            // After a pause the requests that were missed are not made up for.
            next = (next + options.interval).max(now);
            run.send(&sending);
            continue;
        }
        if waiter.wait(Some(until.saturating_duration_since(now)))? == Waited::Interrupted {
            break;
        }
    }
    run.stats.elapsed = start.elapsed();
    // Begins on a line of its own, below the ^C that the terminal shows.
    let gap = if context.interrupt.is_raised() { "\n" } else { "" };
    context.out.line(format!("{gap}{}", run.stats.summary(options.peer)).trim_end());
    Ok(if run.stats.received > 0 { ExitStatus::SUCCESS } else { ExitStatus::FAILURE })
}

struct Run<'a> {
    options: &'a Options,
    out: Terminal,
    id: u16,
    source: IpAddr,
    /// By number; 65,536 at most.
    requests: HashMap<u16, Request>,
    /// How many are [`Request::Waiting`].
    waiting: usize,
    stats: Statistics,
}

#[derive(Clone, Copy)]
enum Request {
    Waiting(Instant),
    /// Somebody said that no reply will come; one may come nevertheless.
    Failed(Instant),
    Answered(Instant),
}

/// How long the last replies are waited for where none has come at all, as ping(8) does.
const NO_REPLY: Duration = Duration::from_secs(10);
/// The least where some have: a busy machine may be late by more than a short round trip.
const SOME_REPLIES: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// How long to wait after the last request: who has seen replies knows how long they take.
    fn patience(&self) -> Duration {
        self.options.patience.unwrap_or_else(|| match self.stats.max() {
            Some(longest) => (2 * longest).max(self.options.interval).max(SOME_REPLIES),
            None => NO_REPLY,
        })
    }

    fn send(&mut self, socket: &RawSocket) {
        self.stats.transmitted += 1;
        let seq = self.stats.transmitted as u16;
        let request = message::request(self.id, seq, self.options.size);
        let old = self.requests.insert(seq, Request::Waiting(Instant::now()));
        if !matches!(old, Some(Request::Waiting(_))) {
            self.waiting += 1;
        }
        if let Err(error) = socket.send(&request) {
            self.fail(seq);
            self.out.line(&format!("ping: icmp_seq={seq}: {error}"));
        }
    }

    /// Takes everything that came in.
    fn hear(&mut self, hearing: &RawSocket, sending: &RawSocket) -> io::Result<()> {
        // Asked for first: an error that came over the wire is in both sockets by now.
        let local = sending.take_error()?;
        // The connected one has copies of the replies, which are not wanted.
        while sending.receive().is_ok() {}
        let mut explained = false;
        loop {
            let received = match hearing.receive() {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            if let Some(answer) = message::parse(&received.packet, self.id) {
                explained |= matches!(answer, Answer::Error { .. } | Answer::Notice { .. });
                self.take(answer);
            }
        }
        match local {
            Some(error) if !explained => self.unreachable(&error),
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Reply { from, seq, len, ttl, flaw } => self.reply(from, seq, len, ttl, flaw),
            Answer::Error { from, seq, what } => {
                if self.fail(seq) {
                    self.out.line(&format!("From {from} icmp_seq={seq} {what}"));
                }
            }
            Answer::Notice { from, seq, what } => {
                self.out.line(&format!("From {from} icmp_seq={seq} {what}"));
            }
        }
    }

    fn reply(&mut self, from: Ipv4Addr, seq: u16, len: usize, ttl: u8, flaw: Option<&'static str>) {
        let Some(request) = self.requests.get_mut(&seq) else { return };
        let (at, duplicate) = match *request {
            Request::Waiting(at) => {
                self.waiting -= 1;
                (at, false)
            }
            Request::Failed(at) => (at, false),
            Request::Answered(at) => (at, true),
        };
        *request = Request::Answered(at);
        let rtt = at.elapsed();
        self.stats.sample(rtt);
        let mut line =
            format!("{len} bytes from {from}: icmp_seq={seq} ttl={ttl} time={} ms", Millis(rtt));
        if duplicate {
            self.stats.duplicates += 1;
            line += " (DUP!)";
        } else {
            self.stats.received += 1;
        }
        if let Some(flaw) = flaw {
            line += &format!(" ({flaw}!)");
        }
        self.out.line(&line);
    }

    /// No reply will come; `false` where that is known, or a reply came.
    fn fail(&mut self, seq: u16) -> bool {
        let Some(request) = self.requests.get_mut(&seq) else { return false };
        let Request::Waiting(at) = *request else { return false };
        *request = Request::Failed(at);
        self.waiting -= 1;
        self.stats.errors += 1;
        true
    }

    /// This host itself could not deliver what was sent: the neighbour does not answer.
    fn unreachable(&mut self, error: &io::Error) {
        let what = match error.kind() {
            io::ErrorKind::HostUnreachable => message::HOST_UNREACHABLE.to_string(),
            _ => error.to_string(),
        };
        let is_waiting = |(seq, request): (&u16, &Request)| match request {
            Request::Waiting(at) => Some((*at, *seq)),
            _ => None,
        };
        let mut waiting: Vec<(Instant, u16)> =
            self.requests.iter().filter_map(is_waiting).collect();
        waiting.sort();
        for (_, seq) in waiting {
            self.fail(seq);
            self.out.line(&format!("From {} icmp_seq={seq} {what}", self.source));
        }
    }
}
