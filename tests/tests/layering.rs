//! Dependencies point down only, and nobody but `app` names a layer's implementation.

use std::collections::BTreeMap;

/// The crates, bottom first; those in one row do not know each other.
const LADDER: &[&[&str]] = &[
    &["netdev"],
    &["arp"],
    &["ip"],
    &["icmp", "udp", "tcp"],
    &["socket"],
    &["shell"],
    &["app", "scenarios"],
    &["tests"],
];

fn rank(name: &str) -> Option<usize> {
    LADDER.iter().position(|row| row.contains(&name))
}

#[test]
fn dependencies_point_down_only() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(tests::workspace().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_string()])
        .exec()
        .expect("cargo metadata");
    let members: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (package.name.to_string(), package)).collect();
    for name in LADDER.iter().copied().flatten() {
        assert!(members.contains_key(*name), "the package {name} is missing");
    }
    let mut edges = 0;
    for (name, package) in &members {
        let from = rank(name).unwrap_or_else(|| panic!("{name} has no place in the ladder"));
        for dependency in &package.dependencies {
            if dependency.kind != cargo_metadata::DependencyKind::Normal {
                continue;
            }
            let Some(to) = rank(&dependency.name) else { continue };
            assert!(to < from, "{name} -> {} does not point down", dependency.name);
            edges += 1;
        }
    }
    assert!(edges > 15, "only {edges} edges were seen: is this the whole workspace?");
}

/// The implementations' names, which only `app` (and tests) may say.
const CONCRETE: &[&str] = &[
    "arp::Cache",
    "arp::StaticTable",
    "ip::Router",
    "ip::SimpleHost",
    "icmp::Icmp",
    "icmp::EchoOnly",
    "udp::Udp",
    "udp::SimpleUdp",
    "tcp::Tcp",
    "tcp::SmallTcp",
];

#[test]
fn only_the_app_names_implementations() {
    let root = tests::workspace();
    let mut read = 0;
    for layer in ["arp", "ip", "icmp", "udp", "tcp", "socket", "shell"] {
        for file in tests::sources(&root.join(layer).join("src")) {
            // Tests may make whatever they test with.
            let path = file.strip_prefix(root).unwrap().to_string_lossy();
            if ["tests.rs", "testing.rs"].iter().any(|name| path.ends_with(name))
                || ["/tests/", "/testing/"].iter().any(|dir| path.contains(dir))
            {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for name in CONCRETE {
                    let own = name.starts_with(&format!("{layer}::"));
                    let whole = line.match_indices(name).any(|(at, _)| {
                        let next = line[at + name.len()..].chars().next();
                        !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
                    });
                    assert!(own || !whole, "{path} names {name}: {line}");
                }
            }
            read += 1;
        }
    }
    assert!(read > 20, "only {read} files were read");
}
