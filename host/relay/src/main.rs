//! The program. What it does is in the library; see `cli`.

use std::process::ExitCode;

/// Most of what a message costs beside its plugins is many small pieces of memory that live as long as a step of it, which
/// this allocator hands out in half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    baton::cli::main()
}
