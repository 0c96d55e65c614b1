//! Calls the host without end: host functions escape the epoch, so this needs a budget of its own.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        loop {
            log::info("again");
            std::hint::black_box(context::property("hostname"));
        }
    }
}
