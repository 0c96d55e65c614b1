//! Tries to smuggle line breaks into header fields and into its reply; says by a field which edits went through.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_rcpt(
        &mut self,
        _: &Session,
        _: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        if recipient.address.local == "reply" {
            return Ok(Decision::reject("5.7.1", "no\r\n250 2.0.0 yes").into());
        }
        Ok(Decision::Next.into())
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        let tries = [
            message::append_header("X-Evil", "a\r\nX-Injected: value"),
            message::append_header("X-Evil\r\nX-Injected", "name"),
            message::append_header("X-Evil", "a\nX-Injected: lf"),
            message::append_header("X-Evil", "a\0b"),
            message::append_header("X Evil", "space"),
            message::append_header("", "nameless"),
            message::replace_header("Content-Type", "text/html"),
        ];
        let through = tries.iter().filter(|t| t.is_ok()).count();
        message::append_header("X-Through", &through.to_string())?;
        Ok(Decision::Next)
    }
}
