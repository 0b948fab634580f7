//! Which probe is sent when, and what is printed of it.

use std::net::IpAddr;
use std::time::Duration;

use netdev::Instant;

use super::{Answer, What};

/// How the way is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Hops of the first probe.
    pub first: u8,
    /// Hops of the last.
    pub hops: u8,
    /// Probes with as many hops.
    pub queries: u8,
    /// How long an answer is waited for.
    pub patience: Patience,
}

/// How long an answer is waited for: where others have come already, not so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// At most.
    pub most: Duration,
    /// Where a probe with as many hops was answered: so many times as long as that took.
    pub here: u32,
    /// Where one with fewer hops was: so many times as long.
    pub near: u32,
}

/// An answer may always be so late: routers have better things to do.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// A probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Hops that it may make.
    pub ttl: u8,
    /// Its number, from 0.
    pub number: u16,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this.
    Send(Probe),
    /// Wait for an answer until then.
    Wait(Instant),
    /// It is over.
    Done,
}

/// One search for the way to a destination. Call [`Trace::step`] and do what it says, give it what
/// comes back by [`Trace::answer`], and print [`Trace::take_text`].
#[derive(Debug)]
pub struct Trace {
    options: Options,
    ttl: u8,
    /// Probes of this hop that are over.
    over: u8,
    /// Probes sent so far.
    sent: u16,
    waits: Option<Waits>,
    /// Who was named last in this line.
    named: Option<IpAddr>,
    /// The shortest time of an answer here, and at the hops before.
    here: Option<Duration>,
    near: Option<Duration>,
    /// Whether the destination was reached, or nobody goes there.
    end: bool,
    arrived: bool,
    text: String,
}

/// A probe whose answer is waited for.
#[derive(Clone, Copy, Debug)]
struct Waits {
    number: u16,
    since: Instant,
    until: Instant,
}

impl Trace {
    /// Nothing is sent yet.
    pub fn new(options: Options) -> Trace {
        Trace {
            options,
            ttl: options.first,
            over: 0,
            sent: 0,
            waits: None,
            named: None,
            here: None,
            near: None,
            end: false,
            arrived: false,
            text: String::new(),
        }
    }

    /// What to do now.
    pub fn step(&mut self, now: Instant) -> Step {
        if let Some(waits) = self.waits {
            if now < waits.until {
                return Step::Wait(waits.until);
            }
            self.begin_line();
            self.text += " *";
            self.probe_over();
        }
        if self.is_over() {
            return Step::Done;
        }
        let number = self.sent;
        self.sent += 1;
        self.waits = Some(Waits { number, since: now, until: now + self.patience() });
        Step::Send(Probe { ttl: self.ttl, number })
    }

    /// Something came back. What is about no probe that is waited for is ignored: it comes too
    /// late, or again.
    pub fn answer(&mut self, now: Instant, answer: Answer) {
        let Some(waits) = self.waits.filter(|waits| waits.number == answer.number) else { return };
        let time = now - waits.since;
        self.begin_line();
        if self.named != Some(answer.from) {
            self.named = Some(answer.from);
            self.text += &format!(" {}", answer.from);
        }
        self.text += &format!("  {:.3} ms", time.as_secs_f64() * 1000.0);
        if let What::Refused(code) = answer.what {
            self.text += &format!(" {}", annotation(code));
        }
        self.end |= answer.what != What::Passed;
        self.arrived |= answer.what == What::Arrived;
        self.here = Some(self.here.map_or(time, |shortest| shortest.min(time)));
        self.probe_over();
    }

    /// What is to be printed, which is forgotten.
    pub fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Whether the destination itself has answered.
    pub fn arrived(&self) -> bool {
        self.arrived
    }

    fn begin_line(&mut self) {
        if self.over == 0 {
            self.text += &format!("{:2} ", self.ttl);
        }
    }

    fn probe_over(&mut self) {
        self.waits = None;
        self.over += 1;
        if self.over < self.options.queries {
            return;
        }
        self.text.push('\n');
        (self.over, self.named) = (0, None);
        self.near = self.here.take().or(self.near);
        // Beyond the last hop, so that it is over.
        self.ttl = self.ttl.saturating_add(1);
        self.end |= self.ttl > self.options.hops || self.ttl == u8::MAX;
    }

    fn is_over(&self) -> bool {
        self.over == 0 && self.end
    }

    fn patience(&self) -> Duration {
        let Patience { most, here, near } = self.options.patience;
        let seen = match (self.here, self.near) {
            (Some(time), _) => time.saturating_mul(here),
            (None, Some(time)) => time.saturating_mul(near),
            (None, None) => most,
        };
        seen.max(LEAST_PATIENCE).min(most)
    }
}

/// traceroute(8)'s marks for destination unreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812
/// §5.2.7.1).
fn annotation(code: u8) -> String {
    match code {
        0 => "!N".into(),
        1 => "!H".into(),
        2 => "!P".into(),
        4 => "!F".into(),
        5 => "!S".into(),
        9 | 10 | 13 => "!X".into(),
        14 => "!V".into(),
        15 => "!C".into(),
        code => format!("!{code}"),
    }
}
