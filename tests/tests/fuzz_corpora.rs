//! Every committed input of every fuzz target, on stable Rust: what the fuzzer found once stays
//! found. A file `regression-*` of a corpus is a finding, named for what it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::fuzzing::{TARGETS, Target};

fn fuzz() -> PathBuf {
    tests::workspace().join("tests/fuzz")
}

/// The names in a folder, without their endings.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_string();
    entries.map(|entry| stem(entry.unwrap().path())).collect()
}

/// The files of a corpus, in the order of their names.
fn inputs(target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fuzz().join("corpus").join(target)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Says which input it was where one fails.
struct Running<'a>(&'a Path);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is {}", self.0.display());
        }
    }
}

fn replay(target: Target, inputs: &[PathBuf]) {
    for path in inputs {
        let running = Running(path);
        target(&fs::read(path).unwrap());
        drop(running);
    }
}

#[test]
fn every_target_has_a_function_a_file_and_a_corpus() {
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(known.len(), TARGETS.len(), "two targets of one name");
    assert_eq!(names(&fuzz().join("fuzz_targets")), known);
    assert_eq!(names(&fuzz().join("corpus")), known);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &known {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in Cargo.toml");
        let file = fuzz().join("fuzz_targets").join(name).with_extension("rs");
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("tests::fuzzing::{name}(data)")), "{name}: {text}");
        assert!(!inputs(name).is_empty(), "the corpus of {name} is empty");
    }
}

/// Corpora stay of a size that a person can look through and every run of the tests can afford.
#[test]
fn the_corpora_are_small() {
    for (name, _) in TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() <= 80, "{name} has {} inputs: minimise it", inputs.len());
        for path in inputs {
            let len = fs::metadata(&path).unwrap().len();
            assert!(len <= 4096, "{}: {len} bytes", path.display());
        }
    }
}

/// One test a target, so that they run side by side and the name says which it was.
macro_rules! replayed {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { replay(tests::fuzzing::$name, &inputs(stringify!($name))) })+

        #[test]
        fn every_target_is_replayed() {
            let replayed = BTreeSet::from([$(stringify!($name)),+]);
            assert_eq!(replayed, TARGETS.iter().map(|(name, _)| *name).collect());
        }
    };
}

replayed!(
    arp_input,
    dump,
    ethernet_port,
    icmp_input,
    ip_input,
    packet_filter,
    packet_script,
    quantities,
    quoted,
    shell_line,
    stack,
    tapip_toml,
    tcp_input,
    tcp_segment,
    tcp_small_input,
    udp_input,
    unix_link,
    vnet_header,
);
