//! The one place through which everything printed goes, so that no line tears another, nor the
//! prompt while it is edited.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use rustyline::ExternalPrinter;

use crate::Interrupt;

/// Lines that may wait to be printed above a prompt. Log lines come from the stack's event loop,
/// which must not wait for a terminal: beyond this they are counted and left out.
const WAITING_LINES: usize = 1024;

/// A writer that any thread may have a clone of.
///
/// While a line is being edited what is written goes to the line editor, which prints it above
/// the prompt; else it goes straight out. It fits `tracing_subscriber`'s `with_writer` as
/// `move || terminal.clone()`.
#[derive(Clone)]
pub struct Terminal {
    shared: Arc<Shared>,
    stream: Stream,
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// The streams have locks of their own: a reader of the one that is slow, or has stopped, must
/// not stop the stack's event loop when it logs to the other.
struct Shared {
    out: Mutex<Sink>,
    err: Mutex<Sink>,
    /// Held for reading during each write, so that no line that was begun before the prompt
    /// comes out after it.
    editor: RwLock<Option<Editor>>,
    /// Told when nobody reads the results any more.
    unread: OnceLock<Interrupt>,
}

enum Sink {
    /// The process's own standard output or error: a child may inherit it.
    Process(Box<dyn Write + Send>),
    /// A buffer in a test, a pipe.
    Other(Box<dyn Write + Send>),
}

struct Editor {
    lines: SyncSender<String>,
    editing: bool,
    lost: AtomicUsize,
}

impl Terminal {
    /// The process's standard output; [`Terminal::err`] gives its standard error.
    pub fn process() -> Terminal {
        Terminal::new(Sink::Process(Box::new(io::stdout())), Sink::Process(Box::new(io::stderr())))
    }

    /// Writes to `out` and, for errors and logs, to `err`.
    pub fn to(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Terminal {
        Terminal::new(Sink::Other(Box::new(out)), Sink::Other(Box::new(err)))
    }

    /// One that keeps what is written, for tests: both streams in the order of writing.
    pub fn capture() -> (Terminal, Captured) {
        let captured = Captured::default();
        (Terminal::to(captured.clone(), captured.clone()), captured)
    }

    fn new(out: Sink, err: Sink) -> Terminal {
        let shared = Shared {
            out: Mutex::new(out),
            err: Mutex::new(err),
            editor: RwLock::new(None),
            unread: OnceLock::new(),
        };
        Terminal { shared: Arc::new(shared), stream: Stream::Out }
    }

    /// The same terminal's stream for results.
    pub fn out(&self) -> Terminal {
        Terminal { shared: self.shared.clone(), stream: Stream::Out }
    }

    /// The same terminal's stream for errors and logs.
    pub fn err(&self) -> Terminal {
        Terminal { shared: self.shared.clone(), stream: Stream::Err }
    }

    /// Prints one whole line, whatever other threads print.
    pub fn line(&self, line: &str) {
        // A terminal that is gone is noticed by whoever writes results; a message is lost with it.
        let _ = self.clone().write_all(format!("{line}\n").as_bytes());
    }

    /// From now on `all` is told to end where the reader of the results has gone (EPIPE), as
    /// SIGPIPE ends other programs: nobody would see what comes after.
    pub(crate) fn end_when_unread(&self, all: &Interrupt) {
        // The first shell upon a terminal is the one that it is for.
        let _ = self.shared.unread.set(all.clone());
    }

    /// Whether a child that inherits the process's streams writes to the same place.
    pub(crate) fn is_process(&self) -> bool {
        matches!(*self.sink(), Sink::Process(_))
    }

    /// From now on [`Terminal::edit`] may say that a line is being edited by the editor to which
    /// `printer` belongs.
    pub(crate) fn attach(&self, mut printer: impl ExternalPrinter + Send + 'static) {
        let (lines, waiting) = sync_channel::<String>(WAITING_LINES);
        // A thread of its own: the printer waits for the editor, and the editor may be gone for
        // as long as a command runs.
        std::thread::spawn(move || {
            for line in waiting {
                if printer.print(line).is_err() {
                    return;
                }
            }
        });
        let editor = Editor { lines, editing: false, lost: AtomicUsize::new(0) };
        *self.shared.editor.write().unwrap_or_else(PoisonError::into_inner) = Some(editor);
    }

    /// A line is being edited from now on, or no longer.
    pub(crate) fn edit(&self, on: bool) {
        let mut editor = self.shared.editor.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(editor) = &mut *editor {
            editor.editing = on;
        }
    }

    /// Whether a line is being edited.
    pub(crate) fn is_editing(&self) -> bool {
        self.editor().as_ref().is_some_and(|editor| editor.editing)
    }

    fn editor(&self) -> RwLockReadGuard<'_, Option<Editor>> {
        self.shared.editor.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        let sink = match self.stream {
            Stream::Out => &self.shared.out,
            Stream::Err => &self.shared.err,
        };
        sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &*self.editor() {
            Some(editor) if editor.editing => {
                editor.print(bytes);
                Ok(())
            }
            _ => self.sink().writer().write_all(bytes),
        };
        self.notice(&written);
        written.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.sink().writer().flush();
        self.notice(&flushed);
        flushed
    }
}

impl Terminal {
    /// Called without any lock: who is told to end may have something to say.
    fn notice(&self, done: &io::Result<()>) {
        let unread = matches!(done, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        if let (true, Stream::Out, Some(all)) = (unread, self.stream, self.shared.unread.get()) {
            all.terminate();
        }
    }
}

impl Sink {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Sink::Process(writer) | Sink::Other(writer) => writer,
        }
    }
}

impl Editor {
    fn print(&self, bytes: &[u8]) {
        let mut line = String::from_utf8_lossy(bytes).into_owned();
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            line = format!("({lost} lines left out)\n{line}");
        }
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// What a [`Terminal::capture`] was given to print.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Everything so far, as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything so far, which is forgotten.
    pub fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    /// Stands for a line editor that prints when it is let.
    struct Printer {
        printed: Sender<String>,
        gate: Receiver<()>,
    }

    impl ExternalPrinter for Printer {
        fn print(&mut self, line: String) -> rustyline::Result<()> {
            let _ = self.gate.recv();
            let _ = self.printed.send(line);
            Ok(())
        }
    }

    #[test]
    fn lines_go_to_the_editor_while_it_edits() {
        let (terminal, captured) = Terminal::capture();
        let (printed, lines) = channel();
        let (open, gate) = channel();
        terminal.attach(Printer { printed, gate });
        terminal.line("before");
        terminal.edit(true);
        assert!(terminal.is_editing());
        terminal.err().line("during");
        open.send(()).unwrap();
        assert_eq!(lines.recv_timeout(Duration::from_secs(10)).unwrap(), "during\n");
        terminal.edit(false);
        terminal.line("after");
        assert_eq!(captured.text(), "before\nafter\n");
    }

    #[test]
    fn a_reader_that_stopped_does_not_stop_the_log() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = channel();
        let log = Captured::default();
        let terminal = Terminal::to(Stuck(stuck), log.clone());
        let out = terminal.out();
        let waits = std::thread::spawn(move || out.line("result"));
        std::thread::sleep(Duration::from_millis(20));
        terminal.err().line("log");
        assert_eq!(log.text(), "log\n");
        assert!(!waits.is_finished());
        drop(release);
        waits.join().unwrap();
    }

    #[test]
    fn a_flood_of_log_lines_neither_waits_nor_grows() {
        let (terminal, _) = Terminal::capture();
        let (printed, lines) = channel();
        let (open, gate) = channel();
        terminal.attach(Printer { printed, gate });
        terminal.edit(true);
        for number in 0..2 * WAITING_LINES {
            terminal.line(&number.to_string());
        }
        drop(open); // The printer no longer waits.
        let mut last = String::new();
        for _ in 0..WAITING_LINES {
            last = lines.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        assert!(last.trim().parse::<usize>().unwrap() < 2 * WAITING_LINES - 1, "{last}");
        // The next line says how many were left out.
        std::thread::sleep(Duration::from_millis(20));
        terminal.line("end");
        let rest: Vec<String> =
            std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(1)).ok()).collect();
        assert!(rest.last().unwrap().contains("lines left out)\nend\n"), "{rest:?}");
    }
}
