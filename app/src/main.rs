//! tapip
fn main() {}
