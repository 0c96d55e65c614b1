//! The program. What it does is in the library; see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baton::cli::main()
}
