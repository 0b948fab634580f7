//! A `tapip` whose shell is on a pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};

use crate::lan::Lan;

/// Killed when dropped, unless it has ended.
pub(crate) struct Stack {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Stack {
    /// Starts `tapip ARGS` on the host of `lan`.
    pub(crate) fn start(lan: &Lan, args: &[&str]) -> Stack {
        let mut command = lan.tapip(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Stack { child, output }
    }

    /// Runs one line in its shell, until it has ended; gives what was printed.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let input = format!("{line}\n!echo done\n");
        self.child.stdin.as_mut().unwrap().write_all(input.as_bytes()).unwrap();
        let mut said = String::new();
        while !said.ends_with("done\n") {
            assert!(self.output.read_line(&mut said).unwrap() > 0, "`{line}`: {said}");
        }
        said
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it in order.
    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.wait().success());
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
