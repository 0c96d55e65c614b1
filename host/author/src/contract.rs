//! The contract as this program was built with it.

use wit_parser::{Resolve, WorldId};

use crate::embedded::{CONTRACT, below};
use crate::error::Error;

/// Version of the package.
pub const VERSION: &str = "0.1.0";
/// The package as its files begin.
const PACKAGE: &str = "package baton:relay@0.1.0;";

/// The package, and one of its worlds.
pub fn read(world: &str) -> Result<(Resolve, WorldId), Error> {
    read_with("", world)
}

/// The package with more in it, and one of its worlds.
pub fn read_with(more: &str, world: &str) -> Result<(Resolve, WorldId), Error> {
    let fail = |e: String| Error::Component(format!("the contract: {e}"));
    let mut text = format!("{PACKAGE}\n");
    for (_, file) in below(CONTRACT, "wit").filter(|(path, _)| !path.contains('/')) {
        // A remark between two interfaces is not the word of the next one.
        let said = file
            .trim_start_matches(PACKAGE)
            .lines()
            .filter(|line| !line.starts_with("// "));
        said.for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
    }
    text.push_str(more);
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("relay.wit", &text)
        .map_err(|e| fail(format!("{e:#}")))?;
    let world = resolve
        .select_world(&[package], Some(world))
        .map_err(|e| fail(format!("{e:#}")))?;
    Ok((resolve, world))
}
