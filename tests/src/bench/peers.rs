//! The peers that are not crates: programs of `tests/benches/peers`, built on the spot where the
//! libraries that they need are installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Stack;

/// One such peer.
struct Peer {
    stack: Stack,
    /// Its program, in `tests/benches/peers`.
    source: &'static str,
    /// The compiler, and what it is told before `-o OUTPUT SOURCE` and after it.
    compiler: &'static str,
    before: &'static [&'static str],
    after: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// A file that is there when the library is.
    library: &'static str,
    /// Debian's packages of all that.
    packages: &'static str,
}

const PEERS: [Peer; 2] = [
    Peer {
        stack: Stack::Lwip,
        source: "lwip.c",
        compiler: "cc",
        before: &["-O2", "-I/usr/include/lwip"],
        after: &["-llwip"],
        environment: &[],
        library: "/usr/include/lwip/lwip/init.h",
        packages: "gcc libc6-dev liblwip-dev",
    },
    Peer {
        stack: Stack::Gvisor,
        source: "gvisor.go",
        compiler: "go",
        before: &["build"],
        after: &[],
        // Debian's packages lie where Go looked before it had modules.
        environment: &[("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode")],
        library: "/usr/share/gocode/src/gvisor.dev/gvisor/pkg/tcpip/stack",
        packages: "golang-go golang-gvisor-gvisor-dev",
    },
];

/// Builds those of `stacks` that are such peers, and says of those that cannot be had what to
/// install; gives their programs.
///
/// # Errors
/// A program that does not compile though everything is there.
pub(super) fn build(stacks: &[Stack]) -> Result<BTreeMap<Stack, PathBuf>> {
    let mut built = BTreeMap::new();
    for peer in PEERS.iter().filter(|peer| stacks.contains(&peer.stack)) {
        if peer.is_there() {
            built.insert(peer.stack, peer.build()?);
        } else {
            let (name, packages) = (peer.stack.id(), peer.packages);
            eprintln!("peers: {name} is left out; on Debian, install: {packages}");
        }
    }
    Ok(built)
}

impl Peer {
    fn is_there(&self) -> bool {
        let version = if self.compiler == "go" { "version" } else { "--version" };
        let runs = Command::new(self.compiler).arg(version).output();
        Path::new(self.library).exists() && runs.is_ok_and(|output| output.status.success())
    }

    fn build(&self) -> Result<PathBuf> {
        let source = crate::workspace().join("tests/benches/peers").join(self.source);
        let me = std::env::current_exe().context("this program's path")?;
        let program = me.with_file_name(format!("peer-{}", self.stack.id()));
        let changed = |path: &Path| path.metadata().and_then(|facts| facts.modified()).ok();
        if changed(&program).is_some_and(|built| Some(built) > changed(&source)) {
            return Ok(program);
        }
        eprintln!("peers: building {}", self.stack.id());
        let mut command = Command::new(self.compiler);
        command.args(self.before).arg("-o").arg(&program).arg(&source).args(self.after);
        command.envs(self.environment.iter().copied());
        let status = command.status().with_context(|| format!("cannot run {}", self.compiler))?;
        ensure!(status.success(), "{} does not compile", source.display());
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_extra_stack_is_a_program_that_is_in_the_tree() {
        for stack in Stack::value_variants() {
            let peer = PEERS.iter().find(|peer| peer.stack == *stack);
            assert_eq!(peer.is_some(), stack.is_extra(), "{stack:?}");
            let Some(peer) = peer else { continue };
            assert!(crate::workspace().join("tests/benches/peers").join(peer.source).is_file());
        }
    }

    #[test]
    fn nothing_is_built_that_is_not_asked_for() {
        assert!(build(&[Stack::Tapip, Stack::Ideal]).unwrap().is_empty());
    }
}
