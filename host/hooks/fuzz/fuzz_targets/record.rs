//! Whatever lines are called a record: reading them is an answer or an error.
#![no_main]

use baton_hooks::Replay;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cache = std::env::temp_dir().join("baton-fuzz-native");
    runtime.block_on(async {
        // No component at all: a call that is well formed ends in the error of loading it.
        let mut replay = Replay::new("p", Vec::new(), None, cache);
        for line in text.lines() {
            let _ = replay.line(line).await;
        }
    });
});
