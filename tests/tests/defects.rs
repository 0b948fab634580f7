//! Each defect of the ancestor has a regression test named for it, and a row in the handbook.

use tests::{test_functions, workspace};

/// The defects that were found by reading: a piece of the name of each one's test, and the name
/// that it has in the handbook.
const READ: &[(&str, &str)] = &[
    ("defect_raw_copies", "raw copies"),
    ("defect_time_wait_list", "TIME-WAIT list"),
    ("defect_the_backlog", "backlog"),
    ("defect_accept_is_in_the_order", "order of accept"),
    ("defect_sequence_numbers_wrap", "sequence compares"),
    ("defect_a_data_offset_under_five", "data offset"),
    ("defect_a_fin_out_of_order", "early FIN"),
    ("defect_fin_wait_1", "FIN-WAIT-1"),
    ("defect_the_send_window", "send window"),
    ("defect_fragmenting_a_fragment", "fragments of fragments"),
    ("defect_udp_demux", "UDP demux"),
    ("defect_snc_handles_short_writes", "short writes"),
    ("defect_udp_connect", "UDP connect"),
    ("defect_end_of_file", "end of file"),
];

#[test]
fn each_defect_that_users_met_has_its_test() {
    let tests = test_functions();
    let missing: Vec<_> = (1..=18)
        .map(|number| format!("r{number:02}_"))
        .filter(|prefix| !tests.keys().any(|name| name.starts_with(prefix)))
        .collect();
    assert!(missing.is_empty(), "no test is named for {missing:?}");
}

#[test]
fn each_defect_that_was_read_has_its_test() {
    let tests = test_functions();
    let missing: Vec<_> = READ
        .iter()
        .filter(|(fragment, _)| !tests.keys().any(|name| name.contains(fragment)))
        .collect();
    assert!(missing.is_empty(), "no test is named for {missing:?}");
}

#[test]
fn the_handbook_lists_each_defect_and_nothing_else() {
    let page = std::fs::read_to_string(workspace().join("doc/src/defects.md")).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let rows: Vec<_> = cells.filter(|cell| *cell != "defect" && !cell.starts_with('-')).collect();
    let numbered = (1..=18).map(|number| format!("R{number}"));
    let expected: Vec<_> = numbered.chain(READ.iter().map(|(_, row)| row.to_string())).collect();
    assert_eq!(rows, expected);
}

/// The words on that page that select tests: they select all that there are.
#[test]
fn the_handbooks_commands_select_the_tests() {
    let page = std::fs::read_to_string(workspace().join("doc/src/defects.md")).unwrap();
    for word in ["r0", "r1", "defect_"] {
        assert!(page.contains(&format!("cargo test --workspace {word}`")), "{word}");
        assert!(test_functions().keys().any(|name| name.starts_with(word)), "{word}");
    }
}
