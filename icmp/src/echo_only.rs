//! The second implementation: a host that can be pinged, and nothing more.

use ip::{Datagram, Output, Report, Ttl};
use netdev::{Counter, Counts, Instant};

use crate::icmp::answer;
use crate::stat::Stat;
use crate::wire::{self, Kind};
use crate::{ControlMessages, DropReason, Input, Suppressed};

/// Answers echo requests; sends no errors and reads none. A closed port is then silent, and path
/// MTU discovery does not work: a good layer to see what ICMP errors are for.
#[derive(Debug, Default)]
pub struct EchoOnly {
    drops: Counts<DropReason>,
    suppressed: Counts<Suppressed>,
    stats: Counts<Stat>,
}

impl EchoOnly {
    /// There is nothing to set.
    pub fn new() -> EchoOnly {
        EchoOnly::default()
    }

    fn receive(
        &mut self,
        now: Instant,
        datagram: Datagram,
        out: &mut dyn Output,
    ) -> Result<(), DropReason> {
        match wire::parse(&datagram.payload)? {
            Kind::Echo => {
                self.stats.add(Stat::EchoesIn);
                let reply = wire::echo_reply(&datagram.payload);
                answer(now, Ttl::DEFAULT, &datagram, (reply, None), out)?;
                self.stats.add(Stat::EchoesOut);
            }
            Kind::Reply => self.stats.add(Stat::RepliesIn),
            Kind::Timestamp | Kind::Unanswered => return Err(DropReason::Unanswered),
            Kind::Error(_) => return Err(DropReason::Unsupported),
        }
        Ok(())
    }
}

impl ControlMessages for EchoOnly {
    fn input(&mut self, now: Instant, datagram: Datagram, out: &mut dyn Output) -> Input {
        self.stats.add(Stat::In);
        match self.receive(now, datagram, out) {
            Ok(()) => Input::Consumed,
            Err(reason) => {
                self.drops.add(reason);
                Input::Dropped(reason)
            }
        }
    }

    fn report(
        &mut self,
        _now: Instant,
        _report: Report,
        _out: &mut dyn Output,
    ) -> Result<(), Suppressed> {
        self.suppressed.add(Suppressed::Unsupported);
        Err(Suppressed::Unsupported)
    }

    fn poll(&mut self, _now: Instant, _out: &mut dyn Output) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).chain(self.suppressed.rows()).collect()
    }
}
