//! What held a sender up, and for how long (`tcp_info`'s busy, rwnd_limited, sndbuf_limited).

use std::time::Duration;

use netdev::Instant;

/// What a sender is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Nothing is sent or to be sent.
    #[default]
    Idle,
    /// Data is under way, or waits for the congestion window.
    Busy,
    /// Data waits for the peer's window.
    Window,
    /// Everything is sent, and the program could not give more: the buffer was full.
    Buffer,
}

/// Stop-watches, one of which runs at a time. In milliseconds, since there is one set of them in
/// every connection; they go on for 49 days.
#[derive(Default)]
pub(crate) struct Chrono {
    pace: Pace,
    since: u32,
    busy: u32,
    window: u32,
    buffer: u32,
}

impl Chrono {
    /// From now on.
    pub(crate) fn turn(&mut self, now: Instant, pace: Pace) {
        if pace == self.pace {
            return;
        }
        if let Some(sum) = match self.pace {
            Pace::Idle => None,
            Pace::Busy => Some(&mut self.busy),
            Pace::Window => Some(&mut self.window),
            Pace::Buffer => Some(&mut self.buffer),
        } {
            *sum = sum.wrapping_add(millis(now).wrapping_sub(self.since));
        }
        (self.pace, self.since) = (pace, millis(now));
    }

    /// The sums so far: busy in all, of it limited by the peer's window, and by the send buffer.
    pub(crate) fn sums(&self, now: Instant) -> (Duration, Duration, Duration) {
        let sum = |pace, sum: u32| {
            let running = if self.pace == pace { millis(now).wrapping_sub(self.since) } else { 0 };
            Duration::from_millis(sum.wrapping_add(running).into())
        };
        let (window, buffer) = (sum(Pace::Window, self.window), sum(Pace::Buffer, self.buffer));
        (sum(Pace::Busy, self.busy) + window + buffer, window, buffer)
    }
}

fn millis(now: Instant) -> u32 {
    now.millis() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_counts_once_and_all_of_it_is_busy() {
        let at = Instant::from_millis;
        let ms = Duration::from_millis;
        let mut chrono = Chrono::default();
        for (time, pace) in
            [(10, Pace::Busy), (30, Pace::Window), (31, Pace::Window), (60, Pace::Buffer)]
        {
            chrono.turn(at(time), pace);
        }
        assert_eq!(chrono.sums(at(61)), (ms(51), ms(30), ms(1)));
        chrono.turn(at(100), Pace::Idle);
        assert_eq!(chrono.sums(at(500)), (ms(90), ms(30), ms(40)));
    }
}
