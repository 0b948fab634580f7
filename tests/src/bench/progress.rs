//! A line that says how far it is.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Row, Sample, Stack};

/// Characters of the bar.
const BAR: usize = 20;

/// How far it is; says nothing but failures where nobody watches.
pub(super) struct Progress {
    all: usize,
    done: usize,
    start: Instant,
    watched: bool,
}

impl Progress {
    /// At the beginning of `all` measurements.
    pub(super) fn new(all: usize, watched: bool) -> Progress {
        Progress { all, done: 0, start: Instant::now(), watched }
    }

    /// One begins.
    pub(super) fn begin(&self, stack: Stack, row: Row) {
        if self.watched {
            let line = line(self.done, self.all, self.start.elapsed());
            // \r and "erase to the end of the line" of every terminal.
            eprint!("\r{line} {} {}\x1b[K", row.id(), stack.id());
            let _ = std::io::stderr().flush();
        }
    }

    /// It has ended.
    pub(super) fn end(&mut self, sample: &Sample) {
        self.done += 1;
        if let Some(error) = &sample.error {
            self.close();
            eprintln!("{} {}: {error}", sample.row.id(), sample.stack.id());
        }
    }

    /// Takes the line away.
    pub(super) fn close(&self) {
        if self.watched {
            eprint!("\r\x1b[K");
        }
    }
}

fn line(done: usize, all: usize, passed: Duration) -> String {
    let full = BAR * done / all.max(1);
    let mut line = format!("[{:BAR$}] {done}/{all}", "#".repeat(full));
    if done > 0 {
        let left = passed.as_secs_f64() / done as f64 * (all - done) as f64;
        let left = left.ceil() as u64;
        line += &format!(" {}:{:02} left", left / 60, left % 60);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_the_rest_is_estimated() {
        assert_eq!(line(0, 8, Duration::ZERO), "[                    ] 0/8");
        assert_eq!(line(2, 8, Duration::from_secs(30)), "[#####               ] 2/8 1:30 left");
        let last = line(8, 8, Duration::from_secs(99));
        assert_eq!(last, "[####################] 8/8 0:00 left");
        assert_eq!(line(0, 0, Duration::ZERO), "[                    ] 0/0");
    }
}
