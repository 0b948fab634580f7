//! What a command has to work with.

use std::process::Command as Process;
use std::sync::Arc;

use ip::Cidr;
use netdev::MacAddr;
use socket::Net;

use crate::jobs::Jobs;
use crate::{DebugSwitch, ExitStatus, Input, Interrupt, Terminal};

/// Makes the process that runs a line of Unix shell at the kernel's end of the link.
pub type HostCommand = Box<dyn Fn(&str) -> Process + Send + Sync>;

/// What a shell is made of. [`Environment::new`] has the least; the fields may be set one by one.
pub struct Environment {
    /// The running stack.
    pub net: Net,
    /// What `debug` switches.
    pub debug: Box<dyn DebugSwitch>,
    /// How `!CMD` runs CMD; `None` where the link has no kernel at its other end.
    pub host_command: Option<HostCommand>,
    /// The kernel's ends of the links, for `ifconfig`.
    pub host_ends: Vec<HostEnd>,
    /// Which implementation stands for each layer, for `stat`: `("tcp", "tcp")`.
    pub layers: Vec<(&'static str, String)>,
    /// Where everything is printed; the logger should have a clone of it.
    pub terminal: Terminal,
    /// Where commands and a command's data come from.
    pub input: Input,
}

impl Environment {
    /// A shell over `net` on the process's own streams, without logs and without a host.
    pub fn new(net: Net) -> std::io::Result<Environment> {
        Ok(Environment {
            net,
            debug: Box::new(crate::NoDebug),
            host_command: None,
            host_ends: Vec::new(),
            layers: Vec::new(),
            terminal: Terminal::process(),
            input: Input::stdin()?,
        })
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The kernel's end of the link, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEnd {
    /// Its name there: `tap0`.
    pub name: String,
    /// Its link address.
    pub mac: Option<MacAddr>,
    /// Its address.
    pub addr: Option<Cidr>,
    /// Its MTU in bytes.
    pub mtu: Option<usize>,
}

/// What a command has to work with. Everything printed goes through [`Context::out`] (results)
/// and [`Context::err`] (complaints); whatever waits watches [`Context::interrupt`].
pub struct Context {
    /// The running stack.
    pub net: Net,
    /// For results.
    pub out: Terminal,
    /// For complaints.
    pub err: Terminal,
    /// Standard input.
    pub input: Input,
    /// Raised by ^C.
    pub interrupt: Interrupt,
    /// Services in the background.
    pub jobs: Jobs,
    /// What `debug` switches.
    pub debug: Arc<dyn DebugSwitch>,
    /// How `!CMD` runs CMD.
    pub host_command: Option<HostCommand>,
    /// The kernel's ends of the links.
    pub host_ends: Vec<HostEnd>,
    /// Which implementation stands for each layer.
    pub layers: Vec<(&'static str, String)>,
    /// Set by `exit`: the shell ends after this command.
    pub exit: Option<ExitStatus>,
    /// How the command before this one ended.
    pub last: ExitStatus,
}

impl Context {
    pub(crate) fn new(environment: Environment) -> Context {
        let Environment { net, debug, host_command, host_ends, layers, terminal, input } =
            environment;
        Context {
            net,
            out: terminal.out(),
            err: terminal.err(),
            input,
            interrupt: Interrupt::new(),
            jobs: Jobs::default(),
            debug: Arc::from(debug),
            host_command,
            host_ends,
            layers,
            exit: None,
            last: ExitStatus::SUCCESS,
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
