//! Hours of connections that come and go.

use tests::soak::visitors;

#[test]
fn two_hours_of_visitors_leave_nothing_behind() {
    let visits = visitors(2026, 120, 8);
    assert!(visits.begun > 5_000, "{visits:?}");
    println!("{visits:?}");
}
