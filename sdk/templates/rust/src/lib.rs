//! Notes in a header how many recipients a message had. Change it to what you want: every hook is described at
//! `baton_sdk::Plugin`.

use baton_sdk::prelude::*;

// The relay runs these before this version serves, and refuses it where one fails.
baton_sdk::golden!("golden");

/// `[plugins.my-plugin]` of the relay's configuration.
#[derive(Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct MyPlugin {
    header: String,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { header: "X-Recipients".into() }
    }
}

#[baton_sdk::plugin]
impl Plugin for MyPlugin {
    fn new() -> Result<Self> {
        config::read()
    }

    fn on_data(&mut self, _session: &Session, envelope: &Envelope) -> Result<Decision> {
        let count = envelope.recipients.len();
        message::prepend_header(&self.header, &count.to_string())?;
        Ok(Decision::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_number_of_recipients() {
        let relay = testing::Relay::new().message("Subject: Hi\r\n\r\nHello\r\n");
        let mut plugin = MyPlugin::new().unwrap();
        let envelope = testing::envelope("ann@a.test", &["bob@b.test", "cat@c.test"]);
        let decision = plugin.on_data(&testing::session(), &envelope).unwrap();
        assert_eq!(decision, Decision::Next);
        assert_eq!(relay.header("X-Recipients").as_deref(), Some("2"));
    }
}
