//! A version that loads and then only traps: what breakers and roll-backs are for.

wit_bindgen::generate!({
    inline: "
        package test:guest;
        world broken {
            include baton:relay/imports@0.1.0;
            export baton:relay/on-mail@0.1.0;
        }",
    path: ["../../../../wit"],
    world: "test:guest/broken",
    generate_all,
});

use baton::relay::types::*;
use exports::baton::relay::on_mail;

struct Broken;
export!(Broken);

impl on_mail::Guest for Broken {
    fn on_mail(_: Session, _: Envelope) -> Result<Decision, String> {
        core::arch::wasm32::unreachable()
    }
}
