//! Few hooks and little to do: for what missing hooks cost, and for measuring.

wit_bindgen::generate!({
    inline: "
        package test:guest;
        world brief {
            include baton:relay/imports@0.1.0;
            export baton:relay/on-rcpt@0.1.0;
            export baton:relay/on-data@0.1.0;
        }",
    path: ["../../../../wit"],
    world: "test:guest/brief",
    generate_all,
});

use baton::relay::types::*;
use baton::relay::{context, message};
use exports::baton::relay::{on_data, on_rcpt};

struct Brief;
export!(Brief);

impl on_rcpt::Guest for Brief {
    fn on_rcpt(
        _: Session,
        _: Envelope,
        recipient: Recipient,
    ) -> Result<on_rcpt::RecipientDecision, String> {
        let nobody = recipient.address.local == "nobody";
        Ok(on_rcpt::RecipientDecision::Decide(if nobody {
            Decision::Reject(Reply { code: 550, status: "5.1.1".into(), text: "Nobody".into() })
        } else {
            Decision::Next
        }))
    }
}

impl on_data::Guest for Brief {
    fn on_data(_: Session, _: Envelope) -> Result<Decision, String> {
        let subject = message::header("Subject").unwrap_or_default();
        let from = message::header("From").unwrap_or_default();
        if subject.len() + from.len() > 10_000 {
            context::set_tag("long", "yes");
        }
        Ok(Decision::Next)
    }
}
