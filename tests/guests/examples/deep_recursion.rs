//! Calls itself until the stack ends.

use baton_sdk::prelude::*;

struct Guest;

#[inline(never)]
fn descend(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if frame[1] == u64::MAX {
        0
    } else {
        descend(depth + 1) + frame[63]
    }
}

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        Ok(Decision::hold(descend(1).to_string()))
    }
}
