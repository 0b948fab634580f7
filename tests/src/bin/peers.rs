//! What `cargo bench -p tests --bench peers` runs, built as the tests are: for the test that it
//! works.

fn main() -> std::process::ExitCode {
    tests::bench::main()
}
