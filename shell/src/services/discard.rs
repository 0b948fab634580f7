//! RFC 863: whatever comes is thrown away, and counted.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use socket::TcpStream;

use super::{DatagramService, StreamService};
use crate::Terminal;

/// Bytes that are in hand at a time.
const BUFFER: usize = 256 * 1024;

/// The discard service; over TCP it says at the end of each connection what it threw away.
pub(crate) struct Discard {
    pub(crate) report: Terminal,
}

impl StreamService for Discard {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let peer = stream.peer_addr()?;
        let mut buffer = vec![0; BUFFER];
        let mut bytes = 0;
        let start = Instant::now();
        let end = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(len) => bytes += len as u64,
                Err(error) => break Err(error),
            }
        };
        let report = report(bytes, start.elapsed());
        match &end {
            Ok(()) => self.report.line(&format!("discard: {peer}: {report}")),
            Err(error) => self.report.line(&format!("discard: {peer}: {report}; {error}")),
        }
        end
    }
}

impl DatagramService for Discard {
    fn answer(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn report(bytes: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    // A connection without any duration has no rate.
    let rate = if seconds > 0.0 { bytes as f64 * 8.0 / seconds } else { 0.0 };
    let (rate, unit) = match rate {
        1e9.. => (rate / 1e9, "Gbit/s"),
        1e6.. => (rate / 1e6, "Mbit/s"),
        1e3.. => (rate / 1e3, "kbit/s"),
        _ => (rate, "bit/s"),
    };
    format!("{bytes} bytes in {seconds:.3} s, {rate:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_bytes_and_rate() {
        let second = Duration::from_secs(1);
        assert_eq!(report(125_000_000, second), "125000000 bytes in 1.000 s, 1.00 Gbit/s");
        assert_eq!(report(1_000, second / 2), "1000 bytes in 0.500 s, 16.00 kbit/s");
        assert_eq!(report(0, Duration::ZERO), "0 bytes in 0.000 s, 0.00 bit/s");
    }
}
