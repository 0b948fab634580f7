//! Standard input, as lines for the shell and as bytes for a command, given up on ^C.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::Interrupt;
use crate::sys;

/// The longest line in bytes that is taken as commands: more is no script but a mistake.
const MAX_LINE: usize = 1 << 20;

/// A descriptor to read from. What was read for lines and not used is the next command's: in a
/// script, `snc -c` reads on behind its own line, as programs in a Unix shell's script do.
#[derive(Debug)]
pub struct Input {
    file: File,
    buffer: Vec<u8>,
    /// Wakes a read on ^C.
    wake: (UnixStream, UnixStream),
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// So many bytes.
    Bytes(usize),
    /// There are no more.
    End,
    /// ^C.
    Interrupted,
}

impl Input {
    /// The process's standard input.
    pub fn stdin() -> io::Result<Input> {
        Input::from_fd(io::stdin().as_fd().try_clone_to_owned()?)
    }

    /// Reads from `fd`.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Input> {
        let wake = UnixStream::pair()?;
        wake.0.set_nonblocking(true)?;
        wake.1.set_nonblocking(true)?;
        Ok(Input { file: File::from(fd), buffer: Vec::new(), wake })
    }

    /// Whether a person types here.
    pub fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Reads what is there, waiting for something; gives up when `interrupt` is raised.
    pub fn read(&mut self, bytes: &mut [u8], interrupt: &Interrupt) -> io::Result<ReadResult> {
        if interrupt.is_raised() {
            return Ok(ReadResult::Interrupted);
        }
        if !self.buffer.is_empty() {
            let len = self.buffer.len().min(bytes.len());
            bytes[..len].copy_from_slice(&self.buffer[..len]);
            self.buffer.drain(..len);
            return Ok(ReadResult::Bytes(len));
        }
        let waker = self.wake.1.try_clone()?;
        // A full pipe wakes as well as one byte more would.
        let _hook = interrupt.on_raise(move || drop((&waker).write(&[0])));
        loop {
            let [ready, _] = sys::wait_readable([self.file.as_fd(), self.wake.0.as_fd()])?;
            // What an earlier interrupt left wakes once for nothing.
            while matches!((&self.wake.0).read(&mut [0; 16]), Ok(1..)) {}
            if interrupt.is_raised() {
                return Ok(ReadResult::Interrupted);
            }
            if ready {
                return Ok(match (&self.file).read(bytes)? {
                    0 => ReadResult::End,
                    len => ReadResult::Bytes(len),
                });
            }
        }
    }

    /// The next line without its end; `None` at the end of the input or when `interrupt` is
    /// raised.
    pub fn line(&mut self, interrupt: &Interrupt) -> io::Result<Option<String>> {
        let mut seen = 0;
        loop {
            if let Some(end) = self.buffer[seen..].iter().position(|&byte| byte == b'\n') {
                let rest = self.buffer.split_off(seen + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            seen = self.buffer.len();
            if seen > MAX_LINE {
                return Err(io::Error::other("a line of more than 1 MiB is not a command"));
            }
            let kept = std::mem::take(&mut self.buffer);
            let mut chunk = [0; 4096];
            let read = self.read(&mut chunk, interrupt);
            self.buffer = kept;
            match read? {
                ReadResult::Bytes(len) => self.buffer.extend_from_slice(&chunk[..len]),
                ReadResult::Interrupted => return Ok(None),
                ReadResult::End if self.buffer.is_empty() => return Ok(None),
                ReadResult::End => self.buffer.push(b'\n'),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pair() -> (UnixStream, Input) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (ours, Input::from_fd(theirs.into()).unwrap())
    }

    #[test]
    fn lines_and_then_the_bytes_behind_them() {
        let (mut writer, mut input) = pair();
        let interrupt = Interrupt::new();
        writer.write_all(b"stat\nsnc -c x\nhello\nwor").unwrap();
        assert_eq!(input.line(&interrupt).unwrap().unwrap(), "stat");
        assert_eq!(input.line(&interrupt).unwrap().unwrap(), "snc -c x");
        let mut bytes = [0; 64];
        assert_eq!(input.read(&mut bytes, &interrupt).unwrap(), ReadResult::Bytes(9));
        assert_eq!(&bytes[..9], b"hello\nwor");
        writer.write_all(b"last").unwrap();
        drop(writer);
        assert_eq!(input.line(&interrupt).unwrap().unwrap(), "last");
        assert_eq!(input.line(&interrupt).unwrap(), None);
        assert_eq!(input.read(&mut bytes, &interrupt).unwrap(), ReadResult::End);
    }

    #[test]
    fn an_interrupt_ends_a_read_and_the_next_one_works() {
        let (mut writer, mut input) = pair();
        let interrupt = Interrupt::new();
        let raiser = {
            let interrupt = interrupt.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                interrupt.raise();
            })
        };
        assert_eq!(input.read(&mut [0; 8], &interrupt).unwrap(), ReadResult::Interrupted);
        raiser.join().unwrap();
        interrupt.lower();
        writer.write_all(b"on\n").unwrap();
        assert_eq!(input.line(&interrupt).unwrap().unwrap(), "on");
    }
}
