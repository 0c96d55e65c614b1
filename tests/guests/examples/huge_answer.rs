//! Answers with megabytes: as a reply, a tag, a log line and a header field.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        let huge = "x".repeat(8 << 20);
        log::info(&huge);
        let _ = message::append_header("X-Huge", &huge);
        Ok(Decision::reject("5.7.1", huge))
    }
}
