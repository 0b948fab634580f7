//! What is in files: the packet scripts, and the fuzzer's corpora with random changes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fuzzing::TARGETS;
use crate::pkt::{Options, Outcome, run};
use crate::workspace;

/// How often each input of a corpus is changed in a round.
const CHANGES: usize = 4;

/// The files below a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    paths.into_iter().flat_map(below).collect()
}

/// Our packet scripts, in an order that the seed gives: none leaves anything to the next.
pub(super) fn scripts(seed: u64) -> String {
    let mut scripts = files(&workspace().join("tests/scripts"));
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "pkt"));
    fastrand::Rng::with_seed(seed).shuffle(&mut scripts);
    for path in &scripts {
        let name = path.display();
        let source = fs::read_to_string(path).unwrap_or_else(|why| panic!("{name}: {why}"));
        match run(&source, &Options::default()) {
            Outcome::Pass => {}
            Outcome::Fail(failure) => panic!("{name}: {failure}"),
            Outcome::Unsupported { line, reason } => panic!("{name}: line {line}: {reason}"),
        }
    }
    format!("{} scripts", scripts.len())
}

/// Every input of every corpus as it is, and with bytes changed, left out and put in.
pub(super) fn corpora(seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut count = 0;
    for (name, target) in TARGETS {
        for path in files(&workspace().join("tests/fuzz/corpus").join(name)) {
            let input = fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            target(&input);
            for _ in 0..CHANGES {
                target(&changed(&mut rng, input.clone()));
            }
            count += 1 + CHANGES;
        }
    }
    format!("{count} inputs")
}

fn changed(rng: &mut fastrand::Rng, mut input: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.usize(1..8) {
        let at = rng.usize(..=input.len());
        match rng.u8(..4) {
            0 => input.insert(at, rng.u8(..)),
            1 => input.truncate(at),
            2 if at < input.len() => _ = input.remove(at),
            _ if at < input.len() => input[at] ^= 1 << rng.u8(..8),
            _ => input.push(rng.u8(..)),
        }
    }
    input
}
