//! Built against fewer functions than the host offers today.

wit_bindgen::generate!({
    path: "wit/early",
    world: "early",
});

use baton::relay::{context, message};
use baton::relay::types::{Decision, Envelope, Reply, Session};

struct Early;
export!(Early);

impl exports::baton::relay::on_data::Guest for Early {
    fn on_data(session: Session, envelope: Envelope) -> Result<Decision, String> {
        context::set_tag("seen", &format!("{} {}", session.id, envelope.recipients.len()));
        Ok(match message::header("X-Act").as_deref() {
            Some("reject") => {
                Decision::Reject(Reply { code: 550, status: "5.7.1".into(), text: "Early".into() })
            }
            _ => Decision::Next,
        })
    }
}
