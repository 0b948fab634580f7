//! RFC 864: characters without end.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};

use socket::TcpStream;

use super::{DatagramService, StreamService};

/// The printable characters of ASCII, the space too.
const FIRST: u8 = b' ';
const CHARACTERS: usize = 95;
/// Characters in a line, without its end.
const LINE: usize = 72;
/// How often the whole pattern is repeated in what is given to the stack at once: some 280 KiB, so
/// that its segments can be as long as the device takes them.
const REPEATED: usize = 40;
/// The longest answer to a datagram (RFC 864: a random number between 0 and 512).
const MAX_ANSWER: u64 = 512;

/// The character generator.
#[derive(Default)]
pub(crate) struct Chargen {
    random: RandomState,
    answers: u64,
}

impl StreamService for Chargen {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        // "Any data received is thrown away"; were it left unread, the end would be a reset.
        let mut input = stream.try_clone()?;
        let thrown_away = std::thread::spawn(move || {
            let mut buffer = vec![0; 4096];
            while matches!(input.read(&mut buffer), Ok(1..)) {}
        });
        // The whole pattern, again and again: it begins anew after as many lines as characters.
        let pattern = pattern().repeat(REPEATED);
        let end = loop {
            if let Err(error) = stream.write_all(&pattern) {
                break error;
            }
        };
        let _ = stream.shutdown(std::net::Shutdown::Both);
        let _ = thrown_away.join();
        // That the peer has had enough is how this ends.
        match end.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(()),
            _ => Err(end),
        }
    }
}

impl DatagramService for Chargen {
    fn answer(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        self.answers += 1;
        let len = self.random.hash_one(self.answers) % (MAX_ANSWER + 1);
        Some(pattern()[..len as usize].to_vec())
    }
}

/// 95 lines, each beginning one character later than the one before.
fn pattern() -> Vec<u8> {
    let mut pattern = Vec::with_capacity(CHARACTERS * (LINE + 2));
    for line in 0..CHARACTERS {
        pattern.extend((line..line + LINE).map(|at| FIRST + (at % CHARACTERS) as u8));
        pattern.extend(b"\r\n");
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_of_the_rfc() {
        let text = String::from_utf8(pattern()).unwrap();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 95);
        assert!(lines.iter().all(|line| line.len() == 72));
        assert!(lines[0].starts_with(" !\"#$%&'()*+,-./0123456789") && lines[0].ends_with("efg"));
        assert!(lines[1].starts_with("!\"#") && lines[1].ends_with("fgh"));
        assert!(lines[94].starts_with("~ !"));
    }

    #[test]
    fn answers_have_random_lengths_up_to_512() {
        let mut chargen = Chargen::default();
        let lengths: Vec<usize> = (0..2000).map(|_| chargen.answer(b"x").unwrap().len()).collect();
        assert!(lengths.iter().all(|&len| len <= 512));
        assert!(lengths.iter().any(|&len| len > 400) && lengths.iter().any(|&len| len < 100));
    }
}
