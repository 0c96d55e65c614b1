//! A plugin in twenty lines: signs plain text off. Built by
//! `cargo build --release -p baton-sdk --example sign_off --target wasm32-wasip2`.

use baton_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct SignOff {
    text: String,
}

#[baton_sdk::plugin]
impl Plugin for SignOff {
    fn new() -> Result<Self> {
        config::read()
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        for part in message::parts().filter(|part| part.is_plain() && part.editable) {
            part.set_text(&format!("{}-- \r\n{}\r\n", part.text()?, self.text))?;
        }
        Ok(Decision::Next)
    }
}
