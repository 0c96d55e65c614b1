//! Guests for the tests of the plugin host: see `examples/`, one component per file.
