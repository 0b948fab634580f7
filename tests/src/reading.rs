//! What the sources and the documents say: which tests there are, which links.

use std::collections::{BTreeMap, BTreeSet};

use crate::{sources, workspace};

/// The packages that may have tests.
const PACKAGES: &[&str] =
    &["netdev", "arp", "ip", "icmp", "udp", "tcp", "socket", "shell", "app", "tests"];

/// Every test function of the workspace, and the files that have one of its name: one behind
/// `#[test]`, or one that a list of tests names, as those that run over several implementations
/// and the cases of conformance kits are.
///
/// # Panics
/// Where the sources cannot be read, or hold hardly any tests.
pub fn test_functions() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in PACKAGES {
        let dir = workspace().join(package);
        let files = ["src", "tests"].into_iter().map(|part| dir.join(part));
        let files: Vec<_> = files.filter(|part| part.is_dir()).flat_map(|p| sources(&p)).collect();
        let texts: Vec<_> =
            files.iter().map(|file| std::fs::read_to_string(file).expect("a source")).collect();
        let rows = texts.iter().flat_map(|text| text.lines());
        let listed: BTreeSet<_> = rows
            .map(str::trim)
            .map(|row| case(row).unwrap_or(row.trim_end_matches([',', ';'])))
            .collect();
        for (file, text) in files.iter().zip(&texts) {
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let function = line.strip_prefix("pub(crate) ").unwrap_or(line);
                let Some(rest) = function.strip_prefix("fn ") else {
                    // Attributes and comments may stand between.
                    is_test = line == "#[test]" || is_test && line.starts_with(['#', '/']);
                    continue;
                };
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                if is_test || listed.contains(name) {
                    let path = file.strip_prefix(workspace()).expect("in the workspace");
                    found.entry(name.to_string()).or_default().insert(path.display().to_string());
                }
                is_test = false;
            }
        }
    }
    assert!(found.len() > 300, "only {} tests were found", found.len());
    found
}

/// The name in the line that begins a case of a kit: `Must 2 "RFC 791 §3.2" the_name`.
fn case(row: &str) -> Option<&str> {
    let (grade, rest) = row.split_once(' ')?;
    let points = rest.split(' ').next()?;
    let is_case =
        ["Must", "Should", "May", "Ours"].contains(&grade) && points.parse::<u32>().is_ok();
    rest.rsplit_once("\" ").map(|(_, name)| name).filter(|_| is_case)
}

/// The `(text, target)` of each link of a Markdown text that is not one to another site or inside
/// the page.
pub fn links(text: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    for (at, _) in text.match_indices("](") {
        let label = text[..at].rsplit_once('[').map_or("", |(_, label)| label);
        let target = text[at + 2..].split_once(')').map_or("", |(target, _)| target);
        if !target.is_empty() && !target.contains("://") && !target.starts_with('#') {
            links.push((label, target));
        }
    }
    links
}

/// Whether a source defines what a link's label names: a function, alone or behind its type or
/// module, or a type.
pub fn defines(code: &str, label: &str) -> bool {
    let name = label.trim_matches('`').rsplit("::").next().unwrap_or_default();
    ["fn ", "struct ", "trait ", "enum "].iter().any(|kind| {
        code.match_indices(&format!("{kind}{name}")).any(|(at, found)| {
            !code[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
        })
    })
}
