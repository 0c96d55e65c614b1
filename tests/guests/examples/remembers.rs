//! Counts its calls in a global: an instance that outlives its transaction would show it.

use baton_sdk::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        message::append_header("X-Calls", &calls.to_string())?;
        Ok(Decision::Next)
    }
}
