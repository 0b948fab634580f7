//! The documents point at things that exist.

use std::path::PathBuf;

fn root() -> PathBuf {
    tests::workspace().to_path_buf()
}

/// Every Markdown file of the project.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in [root(), root().join("doc/src")] {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 8, "only {} documents were found", found.len());
    found
}

/// The `(text, target)` of each link that is not one to another site or inside the page.
fn links(text: &str) -> Vec<(&str, &str)> {
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

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for (label, target) in links(&text) {
            let path = document.parent().unwrap().join(target.split('#').next().unwrap());
            assert!(path.exists(), "{}: [{label}]({target})", document.display());
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} links were found");
}

/// ARCHITECTURE.md names the function behind each step: it is in the file that the link gives.
#[test]
fn the_functions_that_the_architecture_names_are_where_it_says() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut seen = 0;
    for (label, target) in links(&text) {
        let name = label.trim_matches('`').rsplit("::").next().unwrap();
        if !target.ends_with(".rs") || label.contains('/') {
            continue;
        }
        let code = std::fs::read_to_string(root().join(target)).unwrap();
        let defined = ["fn ", "struct ", "trait ", "enum "].iter().any(|kind| {
            code.match_indices(&format!("{kind}{name}")).any(|(at, found)| {
                !code[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        });
        assert!(defined, "ARCHITECTURE.md: {label} is not in {target}");
        seen += 1;
    }
    assert!(seen > 15, "only {seen} names were checked");
}
