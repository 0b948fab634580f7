//! The conformance kit, held against each TCP of this crate.

mod whole {
    use tcp::{Config, Tcp};

    tcp::conformance_tests!(make: |seed| Box::new(Tcp::new(Config::default(), seed)));
}

mod small {
    tcp::conformance_tests!(tcp::SmallTcp);
}
