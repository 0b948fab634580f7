//! The documents point at things that exist.

use std::path::PathBuf;

use tests::{defines, links};

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
        if !target.ends_with(".rs") || label.contains('/') {
            continue;
        }
        let code = std::fs::read_to_string(root().join(target)).unwrap();
        assert!(defines(&code, label), "ARCHITECTURE.md: {label} is not in {target}");
        seen += 1;
    }
    assert!(seen > 15, "only {seen} names were checked");
}

/// The table of TCP's defaults names fields and variants that there are.
#[test]
fn the_defaults_that_are_listed_exist() {
    let text = std::fs::read_to_string(root().join("doc/src/defaults.md")).unwrap();
    let code = |file| std::fs::read_to_string(root().join("tcp/src").join(file)).unwrap();
    let (config, settings, tuning) = (code("config.rs"), code("settings.rs"), code("tuning.rs"));
    let mut seen = 0;
    for row in text.lines().filter(|row| row.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for name in [cells[3], cells[4]].iter().flat_map(|cell| cell.split(", ")) {
            let name = name.trim_matches('`');
            let (place, wanted) = match name.split_once("::") {
                Some(("Setting", variant)) => (&settings, format!("    {variant}(")),
                Some(("Tuning", variant)) => (&tuning, format!("    {variant}(")),
                _ if name.is_empty() => continue,
                _ => (&config, format!("    pub {name}: ")),
            };
            assert!(place.contains(&wanted), "there is no {name}");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} names were checked");
}
