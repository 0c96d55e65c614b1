//! Well behaved: adds a field that names its version. Replaced by `stamp_two` while mail flows.

use baton_sdk::prelude::*;

struct Stamp;

#[baton_sdk::plugin]
impl Plugin for Stamp {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        message::append_header("X-Stamp", "one")?;
        Ok(Decision::Next)
    }
}
