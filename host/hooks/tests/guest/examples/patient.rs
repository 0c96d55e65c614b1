//! Uses the component model's own concurrency, as one JavaScript toolchain does for every component.

wit_bindgen::generate!({
    inline: "
        package test:guest;
        world patient {
            include baton:relay/imports@0.1.0;
            export baton:relay/on-mail@0.1.0;
        }",
    path: ["../../../../wit"],
    world: "test:guest/patient",
    generate_all,
});

use baton::relay::context;
use baton::relay::types::*;
use exports::baton::relay::on_mail;

struct Patient;
export!(Patient);

impl on_mail::Guest for Patient {
    fn on_mail(session: Session, _: Envelope) -> Result<Decision, String> {
        wit_bindgen::yield_blocking();
        context::set_tag("patient", &context::property("hook").unwrap_or_default());
        match session.helo.as_deref() {
            Some("loop") => loop {
                std::hint::black_box(0);
            },
            Some("reject") => Ok(Decision::Reject(Reply {
                code: 550,
                status: "5.7.1".into(),
                text: "No".into(),
            })),
            _ => Ok(Decision::Next),
        }
    }
}
