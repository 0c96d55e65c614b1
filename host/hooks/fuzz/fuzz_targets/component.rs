//! Whatever bytes are called a component: loading them is an answer or an error, never a crash, and no code of theirs runs.
//!
//! Random bytes seldom get past the header. Start from real components: put some from
//! `host/hooks/tests/guest/examples` or `plugins`, built, into `corpus/component`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = baton_hooks::inspect(bytes) {
        assert!(!found.hooks.is_empty(), "a component without hooks is refused");
        assert_eq!(found.bytes, bytes.len() as u64);
    }
});
