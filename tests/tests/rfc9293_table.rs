//! The handbook's table of RFC 9293's requirements is whole, and points at things that exist.

use std::collections::BTreeSet;

use tests::{defines, links, test_functions, workspace};

/// How many requirements of each kind appendix B has; they are numbered from 1.
const LABELS: [(&str, u32); 4] = [("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)];

/// What can be said of a requirement.
const STATES: [&str; 4] = ["kept", "in part", "not", "does not apply"];

struct Row {
    label: String,
    section: String,
    state: String,
    code: String,
    tests: String,
}

fn page() -> String {
    std::fs::read_to_string(workspace().join("doc/src/rfc9293.md")).expect("the page")
}

/// The rows of all tables of the page, headings left out.
fn rows() -> Vec<Row> {
    let page = page();
    let lines = page.lines().filter(|line| line.starts_with('|'));
    let cells = lines.map(|line| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_string()).collect();
        let [_, label, section, _, state, code, tests, _] = cells.try_into().expect("six columns");
        Row { label, section, state, code, tests }
    });
    cells.filter(|row| !row.label.is_empty() && !row.label.starts_with('-')).collect()
}

#[test]
fn each_requirement_of_appendix_b_has_one_row() {
    let mut found: Vec<_> = rows().into_iter().map(|row| row.label).collect();
    let numbered = |(kind, last)| (1..=last).map(move |number| format!("{kind}-{number}"));
    let mut expected: Vec<String> = LABELS.into_iter().flat_map(numbered).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// What is kept is kept somewhere, and a test would fail if it were not; what is not has a reason.
#[test]
fn each_row_says_how_it_stands_and_why() {
    for Row { label, section, state, code, tests } in rows() {
        assert!(section.starts_with("3."), "{label}: section {section:?}");
        let known = STATES.iter().find(|known| {
            let rest = state.strip_prefix(**known);
            rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        });
        match *known.unwrap_or_else(|| panic!("{label} is {state:?}")) {
            "kept" => assert!(!code.is_empty() && !tests.is_empty(), "{label}: where?"),
            "in part" => {
                assert!(!code.is_empty() && !tests.is_empty(), "{label}: where?");
                assert!(state.contains(": "), "{label}: which part?");
            }
            _ => assert!(state.contains(": "), "{label}: why?"),
        }
    }
}

#[test]
fn each_function_is_in_its_file() {
    let mut seen = 0;
    for row in rows() {
        let named = links(&row.code);
        assert_eq!(named.len(), row.code.matches('`').count() / 2, "{}: {}", row.label, row.code);
        for (label, target) in named {
            let path = workspace().join("doc/src").join(target);
            let code = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {target}: {error}", row.label));
            assert!(defines(&code, label), "{}: {label} is not in {target}", row.label);
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} functions were found");
}

/// A test stands in its table as the package and the name of the function.
#[test]
fn each_test_is_in_its_package() {
    let all = test_functions();
    let mut seen = BTreeSet::new();
    for row in rows() {
        for test in row.tests.split(", ").filter(|test| !test.is_empty()) {
            let (package, name) = test.split_once(' ').expect("a package and a name");
            let name = name.trim_matches('`');
            let files = all.get(name).unwrap_or_else(|| panic!("{}: no test {name}", row.label));
            let inside = files.iter().any(|file| file.starts_with(&format!("{package}/")));
            assert!(inside, "{}: {name} is in {files:?}, not in {package}", row.label);
            seen.insert(name.to_string());
        }
    }
    assert!(seen.len() > 60, "only {} tests were found", seen.len());
}

/// Each test that is named for a requirement stands in that requirement's row.
#[test]
fn a_test_named_for_a_requirement_is_in_its_row() {
    let rows = rows();
    let mut seen = 0;
    for name in test_functions().into_keys() {
        let mut kind = "";
        for word in name.split('_') {
            match word {
                "must" | "shld" | "may" | "rec" => kind = word,
                number if !kind.is_empty() && number.parse::<u32>().is_ok() => {
                    let label = format!("{}-{number}", kind.to_uppercase());
                    let row = rows.iter().find(|row| row.label == label);
                    let row = row.unwrap_or_else(|| panic!("{name}: no requirement {label}"));
                    assert!(row.tests.contains(&format!("`{name}`")), "{label} without {name}");
                    seen += 1;
                }
                _ => kind = "",
            }
        }
    }
    assert!(seen > 40, "only {seen} were found");
}
