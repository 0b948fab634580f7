//! `tapip`: see the library of this crate.

fn main() -> std::process::ExitCode {
    app::main()
}
