//! Guests for the end-to-end tests: see `examples/`, one component per file.
