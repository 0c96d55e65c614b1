//! Decides as the recipient's local part says, so that every decision of the contract is seen on the wire.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_mail(&mut self, _: &Session, envelope: &Envelope) -> Result<Decision> {
        match &envelope.sender {
            Some(sender) if sender.local == "refused" => {
                Ok(Decision::reject("5.7.1", "this sender is refused"))
            }
            _ => Ok(Decision::Next),
        }
    }

    fn on_rcpt(
        &mut self,
        _: &Session,
        _: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        Ok(match recipient.address.local.as_str() {
            "reject" => Decision::reject("5.7.1", "rejected by the plugin").into(),
            "defer" => Decision::defer("4.7.1", "deferred by the plugin").into(),
            "disconnect" => Decision::disconnect("4.7.0", "good bye").into(),
            "two" => vec![
                "first@example.net".parse().expect("an address"),
                "second@example.net".parse().expect("an address"),
            ]
            .into(),
            "error" => return Err(baton_sdk::Error::new("as it was told to")),
            _ => Decision::Next.into(),
        })
    }

    fn on_data(&mut self, _: &Session, envelope: &Envelope) -> Result<Decision> {
        let first = envelope
            .recipients
            .first()
            .map(|r| r.address.local.as_str());
        Ok(match first {
            Some("discard") => Decision::Discard,
            Some("hold") => Decision::hold("held by the plugin"),
            Some("reject-data") => Decision::reject("5.6.0", "not this message"),
            _ => Decision::Next,
        })
    }
}
