//! How a script is run, and what on.

use std::fmt;
use std::time::Duration;

use tcp::{SmallTcp, Streams, Tcp};

/// How scripts are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The TCP that they are run on.
    pub implementation: &'static Implementation,
    /// Whether PSH has to be where a script has it.
    pub compare_psh: bool,
    /// How far off a time may be; `None`: as the script says, else 4 ms.
    pub tolerance: Option<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options { implementation: &IMPLEMENTATIONS[0], compare_psh: false, tolerance: None }
    }
}

/// A TCP to run scripts on.
pub struct Implementation {
    /// What a person calls it.
    pub name: &'static str,
    /// Makes one. `None`: it cannot be set up like this.
    pub make: fn(&tcp::Config, seed: u64) -> Option<Box<dyn Streams>>,
}

impl fmt::Debug for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The ones that there are; the first is the default.
pub const IMPLEMENTATIONS: &[Implementation] = &[
    Implementation {
        name: "rfc9293",
        make: |config, seed| Some(Box::new(Tcp::new(config.clone(), seed))),
    },
    Implementation {
        name: "small",
        // It has nothing to set.
        make: |config, seed| {
            let default = format!("{:?}", super::shell::Setup::default().config);
            let same = format!("{config:?}") == default;
            same.then(|| Box::new(SmallTcp::new(seed)) as Box<dyn Streams>)
        },
    },
];
