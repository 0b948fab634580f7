//! Packet scripts, each against the TCPs that should do what it says.

use std::path::{Path, PathBuf};

use tests::pkt::{IMPLEMENTATIONS, Options, Outcome, run};

/// Scripts of our own; fewer would mean that some were lost.
const AT_LEAST: usize = 150;

fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.push(path);
        }
    }
}

/// What went wrong, a paragraph a script, each with its name; how many there were, and how many of
/// them are unsupported.
fn run_all(folder: &Path, options: &Options) -> (Vec<String>, usize, usize) {
    let mut found = Vec::new();
    scripts(folder, &mut found);
    let mut unsupported = 0;
    let mut failures = Vec::new();
    for path in &found {
        let name = path.strip_prefix(folder).unwrap_or(path).display();
        let source = std::fs::read_to_string(path).expect("a script that can be read");
        match run(&source, options) {
            Outcome::Pass => {}
            Outcome::Fail(failure) => failures.push(format!("{name}: {failure}")),
            Outcome::Unsupported { line, reason } => {
                println!("{name}: line {line}: unsupported: {reason}");
                unsupported += 1;
            }
        }
    }
    (failures, found.len(), unsupported)
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

#[test]
fn our_scripts_pass_on_tcp() {
    let (failures, found, unsupported) = run_all(&own(), &Options::default());
    assert!(failures.is_empty(), "{} of {found} fail:\n{}", failures.len(), failures.join("\n"));
    assert!(found >= AT_LEAST, "only {found} scripts are there");
    assert_eq!(unsupported, 0, "unsupported scripts test nothing");
}

/// The small TCP does less (no congestion control, no options but the MSS), so scripts that want
/// more fail on it. None may stop the interpreter, and those on which both agree must not get
/// fewer.
#[test]
fn our_scripts_run_on_small_tcp() {
    let implementation = IMPLEMENTATIONS.iter().find(|known| known.name == "small").unwrap();
    let options = Options { implementation, ..Options::default() };
    let (failures, found, unsupported) = run_all(&own(), &options);
    let passed = found - failures.len() - unsupported;
    assert!(passed >= SMALL_AT_LEAST, "only {passed} pass:\n{}", failures.join("\n"));
}

/// How many scripts the small TCP passes.
const SMALL_AT_LEAST: usize = 75;

/// Scripts that others wrote, where there are any: `TAPIP_PACKET_SCRIPTS` names their folder.
#[test]
fn scripts_of_others_pass_on_tcp() {
    let Some(folder) = std::env::var_os("TAPIP_PACKET_SCRIPTS") else { return };
    let (failures, found, _) = run_all(Path::new(&folder), &Options::default());
    assert!(found > 0, "no scripts there");
    assert!(failures.is_empty(), "{} of {found} fail:\n{}", failures.len(), failures.join("\n"));
}
