//! Says at load which hooks it wants, as its configuration tells it: `wants` are names, `fail` an error, `loop` never returns,
//! and a key `also` in key-value is one more name. Each hook that is called leaves a tag of its name.

wit_bindgen::generate!({
    inline: "
        package test:guest;
        world choosy {
            include baton:relay/imports@0.1.0;
            export baton:relay/on-load@0.1.0;
            export baton:relay/on-mail@0.1.0;
            export baton:relay/on-rcpt@0.1.0;
            export baton:relay/on-data@0.1.0;
        }",
    path: ["../../../../wit"],
    world: "test:guest/choosy",
    generate_all,
});

use baton::relay::types::*;
use baton::relay::{config, context, dns, kv, log};
use exports::baton::relay::{on_data, on_load, on_mail, on_rcpt};

struct Choosy;
export!(Choosy);

impl on_load::Guest for Choosy {
    fn on_load() -> Result<Option<Vec<String>>, String> {
        log::log(log::Level::Info, "loading");
        if let Some(why) = config::get("fail") {
            return Err(why);
        }
        if config::get("loop").is_some() {
            let mut n = 0u32;
            loop {
                n = std::hint::black_box(n.wrapping_add(1));
            }
        }
        if config::get("ask").is_some() {
            return Err(format!("{:?}", dns::texts("example.net").map_err(|error| error as u8)));
        }
        let Some(wants) = config::get("wants") else {
            return Ok(None);
        };
        let also = kv::get_string("also").ok().flatten().unwrap_or_default();
        let names = wants.split(' ').chain([also.as_str()]);
        Ok(Some(names.filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }
}

impl on_mail::Guest for Choosy {
    fn on_mail(_: Session, _: Envelope) -> Result<Decision, String> {
        context::set_tag("on-mail", "called");
        Ok(Decision::Next)
    }
}

impl on_rcpt::Guest for Choosy {
    fn on_rcpt(_: Session, _: Envelope, _: Recipient) -> Result<on_rcpt::RecipientDecision, String> {
        context::set_tag("on-rcpt", "called");
        Ok(on_rcpt::RecipientDecision::Decide(Decision::Next))
    }
}

impl on_data::Guest for Choosy {
    fn on_data(_: Session, _: Envelope) -> Result<Decision, String> {
        context::set_tag("on-data", "called");
        Ok(Decision::Next)
    }
}
