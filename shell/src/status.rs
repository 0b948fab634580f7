//! How a command ended.

/// The exit status of a command or of the whole shell, as `$?` of a Unix shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitStatus(pub u8);

impl ExitStatus {
    /// It did what it was asked for.
    pub const SUCCESS: ExitStatus = ExitStatus(0);
    /// It did not.
    pub const FAILURE: ExitStatus = ExitStatus(1);
    /// What was asked for makes no sense.
    pub const USAGE: ExitStatus = ExitStatus(2);
    /// There is no such command.
    pub const NOT_FOUND: ExitStatus = ExitStatus(127);
    /// ^C ended it: 128 and the number of SIGINT.
    pub const INTERRUPTED: ExitStatus = ExitStatus(130);

    /// Whether it did what it was asked for.
    pub fn is_success(self) -> bool {
        self == ExitStatus::SUCCESS
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> std::process::ExitCode {
        std::process::ExitCode::from(status.0)
    }
}

impl From<std::process::ExitStatus> for ExitStatus {
    /// The code, or 128 and the number of the signal that ended the process.
    fn from(status: std::process::ExitStatus) -> ExitStatus {
        use std::os::unix::process::ExitStatusExt;
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        ExitStatus(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}
