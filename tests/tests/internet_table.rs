//! The handbook's tables of what ARP, IP and UDP promise point at things that exist.

use std::collections::BTreeSet;

use tests::{defines, links, test_functions, workspace};

struct Row {
    what: String,
    code: String,
    tests: String,
}

/// The rows of all tables of the page, headings left out.
fn rows() -> Vec<Row> {
    let page = std::fs::read_to_string(workspace().join("doc/src/internet-layer.md"));
    let page = page.expect("the page");
    let lines = page.lines().filter(|line| line.starts_with('|'));
    let cells = lines.map(|line| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_string()).collect();
        let [_, what, _, code, tests, _] = cells.try_into().expect("four columns");
        Row { what, code, tests }
    });
    cells.filter(|row| row.what != "what" && !row.what.starts_with('-')).collect()
}

#[test]
fn each_promise_has_a_place_that_is_there() {
    let mut seen = 0;
    for Row { what, code, .. } in rows() {
        let named = links(&code);
        assert!(!named.is_empty(), "{what}: where?");
        assert_eq!(named.len(), code.matches('`').count() / 2, "{what}: {code}");
        for (label, target) in named {
            let path = workspace().join("doc/src").join(target);
            let source = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{what}: {target}: {error}"));
            let name = label.trim_matches('`');
            let is_field = source.contains(&format!("pub {name}: "));
            assert!(is_field || defines(&source, label), "{what}: {label} is not in {target}");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} places were found");
}

/// A test stands in its table as the package and the name of the function.
#[test]
fn each_promise_has_tests_in_their_packages() {
    let all = test_functions();
    let mut seen = BTreeSet::new();
    for Row { what, tests, .. } in rows() {
        assert!(!tests.is_empty(), "{what}: which test?");
        for test in tests.split(", ") {
            let (package, name) = test.split_once(' ').expect("a package and a name");
            let name = name.trim_matches('`');
            let files = all.get(name).unwrap_or_else(|| panic!("{what}: no test {name}"));
            let inside = files.iter().any(|file| file.starts_with(&format!("{package}/")));
            assert!(inside, "{what}: {name} is in {files:?}, not in {package}");
            seen.insert(name.to_string());
        }
    }
    assert!(seen.len() > 90, "only {} tests were found", seen.len());
}
