//! Tries to change every part, signed ones too, and reports how many it could.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        let changed = message::parts()
            .filter(|part| part.set_text("changed\r\n").is_ok())
            .count();
        message::append_header("X-Changed", &changed.to_string())?;
        Ok(Decision::Next)
    }
}
