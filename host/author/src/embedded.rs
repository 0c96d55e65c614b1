//! The files that new projects are made of, by their path in the workspace; see the build script.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Files below a folder, by their path below it.
pub fn below(
    files: &'static [(&str, &str)],
    folder: &str,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let folder = format!("{folder}/");
    files
        .iter()
        .filter_map(move |(path, text)| Some((path.strip_prefix(&folder)?, *text)))
}
