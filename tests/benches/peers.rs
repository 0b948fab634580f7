//! Our stack beside others: `cargo bench -p tests --bench peers -- --help`.

fn main() -> std::process::ExitCode {
    tests::bench::main()
}
