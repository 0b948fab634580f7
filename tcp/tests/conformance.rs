//! The conformance kit, held against each TCP of this crate, and against none.

#[path = "conformance/exceptions.rs"]
mod exceptions;
#[path = "conformance/nothing.rs"]
mod nothing;

mod whole {
    use tcp::{Config, Tcp};

    tcp::conformance_tests!(make: |seed| Box::new(Tcp::new(Config::default(), seed)), exceptions: super::exceptions::TCP);
}

mod small {
    tcp::conformance_tests!(tcp::SmallTcp, exceptions: super::exceptions::SMALL_TCP);
}
