//! What parses prints as what parses to the same, and never with a line end.
#![no_main]

use baton_smtp::command::Command;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    if let Ok(command) = Command::parse(line) {
        let text = command.to_string();
        assert!(!text.contains(['\r', '\n', '\0']));
        assert_eq!(Command::parse(text.as_bytes()), Ok(command));
    }
});
