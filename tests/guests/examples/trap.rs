//! Edits the message, then panics: no half edit may stay.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        message::append_header("X-Half", "edit")?;
        panic!("as it was told to")
    }
}
