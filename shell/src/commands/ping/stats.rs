//! What a run of ping counted.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Counts and round-trip times, printed as ping(8) does.
#[derive(Clone, Debug, Default)]
pub(super) struct Statistics {
    pub(super) transmitted: u64,
    pub(super) received: u64,
    pub(super) duplicates: u64,
    pub(super) errors: u64,
    pub(super) elapsed: Duration,
    min: f64,
    max: f64,
    sum: f64,
    sum_of_squares: f64,
    samples: u64,
}

impl Statistics {
    /// Counts a round trip; one of a duplicate counts too, as in ping(8).
    pub(super) fn sample(&mut self, rtt: Duration) {
        let ms = rtt.as_secs_f64() * 1e3;
        self.min = if self.samples == 0 { ms } else { self.min.min(ms) };
        self.max = self.max.max(ms);
        self.sum += ms;
        self.sum_of_squares += ms * ms;
        self.samples += 1;
    }

    /// The longest round trip so far.
    pub(super) fn max(&self) -> Option<Duration> {
        (self.samples > 0).then(|| Duration::from_secs_f64(self.max / 1e3))
    }

    /// The closing lines.
    pub(super) fn summary(&self, peer: Ipv4Addr) -> Summary<'_> {
        Summary { of: self, peer }
    }
}

pub(super) struct Summary<'a> {
    of: &'a Statistics,
    peer: Ipv4Addr,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.of;
        writeln!(f, "--- {} ping statistics ---", self.peer)?;
        write!(f, "{} packets transmitted, {} received", stats.transmitted, stats.received)?;
        if stats.duplicates > 0 {
            write!(f, ", +{} duplicates", stats.duplicates)?;
        }
        if stats.errors > 0 {
            write!(f, ", +{} errors", stats.errors)?;
        }
        if stats.transmitted > 0 {
            let lost = stats.transmitted.saturating_sub(stats.received);
            let percent = lost as f64 * 100.0 / stats.transmitted as f64;
            // Five digits at most, without a tail of zeros: 0%, 33.3333%, 0.1%.
            let digits = if percent < 10.0 { 5 } else { 4 };
            let percent = format!("{percent:.digits$}");
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            write!(f, ", {percent}% packet loss, time {}ms", stats.elapsed.as_millis())?;
        }
        writeln!(f)?;
        if stats.samples > 0 {
            let n = stats.samples as f64;
            let avg = stats.sum / n;
            let mdev = (stats.sum_of_squares / n - avg * avg).max(0.0).sqrt();
            let (min, max) = (stats.min, stats.max);
            writeln!(f, "rtt min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} ms")?;
        }
        Ok(())
    }
}

/// A round-trip time with three significant digits, as ping(8) gives it.
pub(super) struct Millis(pub(super) Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_secs_f64() * 1e3;
        match self.0.as_micros() {
            0..1_000 => write!(f, "{ms:.3}"),
            1_000..10_000 => write!(f, "{ms:.2}"),
            10_000..100_000 => write!(f, "{ms:.1}"),
            _ => write!(f, "{ms:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    #[test]
    fn four_of_four() {
        let mut stats = Statistics {
            transmitted: 4,
            received: 4,
            elapsed: Duration::from_millis(3004),
            ..Statistics::default()
        };
        for ms in [1, 2, 3, 6] {
            stats.sample(Duration::from_millis(ms));
        }
        assert_eq!(
            stats.summary(PEER).to_string(),
            "--- 10.0.0.2 ping statistics ---\n\
             4 packets transmitted, 4 received, 0% packet loss, time 3004ms\n\
             rtt min/avg/max/mdev = 1.000/3.000/6.000/1.871 ms\n"
        );
    }

    #[test]
    fn losses_errors_and_duplicates() {
        let stats = Statistics {
            transmitted: 3,
            received: 1,
            duplicates: 2,
            errors: 1,
            ..Statistics::default()
        };
        let text = stats.summary(PEER).to_string();
        assert!(
            text.contains(
                "3 packets transmitted, 1 received, +2 duplicates, +1 errors, 66.6667% packet loss"
            ),
            "{text}"
        );
        assert!(!text.contains("rtt"));
        let all = Statistics { transmitted: 2, ..Statistics::default() };
        assert!(all.summary(PEER).to_string().contains(" 100% packet loss"));
        let none = Statistics::default().summary(PEER).to_string();
        assert!(none.ends_with("0 packets transmitted, 0 received\n"), "{none}");
    }

    #[test]
    fn times_have_three_digits() {
        let text = |micros| Millis(Duration::from_micros(micros)).to_string();
        assert_eq!(text(43), "0.043");
        assert_eq!(text(1_234), "1.23");
        assert_eq!(text(23_456), "23.5");
        assert_eq!(text(345_678), "346");
    }
}
