//! The guests under `tests/guests`: one component per misbehaviour, built by this package's build script.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The component of that name.
///
/// # Panics
/// If there is no such guest.
pub fn guest(name: &str) -> &'static [u8] {
    GUESTS
        .iter()
        .find(|(n, _)| *n == name)
        .unwrap_or_else(|| panic!("no guest is called {name}"))
        .1
}
