//! What the relay does for a plugin beside the message. Each module is one interface of the contract.

/// What is known of the session, message or attempt under way.
pub mod context {
    use crate::host::context as host;

    /// A named fact: "hostname", "public-url", "message", "session", "listener", "peer-ip", "peer-name", "helo", "tls",
    /// "account" or "hook". Further names: "translation-reason" and its kin in `on-reply`, "egresses:POOL" and
    /// "suspended-egresses:SITE"; the contract lists them. `None` where it is not known here.
    pub fn property(name: &str) -> Option<String> {
        host::property(name)
    }

    /// A fact that an earlier hook, of this plugin or another, noted with [`set_tag`].
    pub fn tag(key: &str) -> Option<String> {
        host::tag(key)
    }

    /// Notes a fact that travels with the message to every later hook, attempt and event. At most 32 tags, keys of 64 bytes
    /// and values of 1024.
    pub fn set_tag(key: &str, value: &str) {
        host::set_tag(key, value);
    }

    /// Adds to the score of the message; the relay compares the sum over all plugins with its thresholds.
    pub fn add_score(symbol: &str, points: f64, why: &str) {
        host::add_score(symbol, points, why);
    }

    /// SPF, DKIM, DMARC and ARC results in the words of RFC 8601, where the relay computed them.
    pub fn authentication_results() -> Vec<(String, String)> {
        host::authentication_results()
    }
}

/// The relay's log.
pub mod log {
    pub use crate::bindings::baton::relay::log::Level;
    use crate::host::log as host;

    /// A line for somebody who looks for a fault.
    pub fn debug(text: impl AsRef<str>) {
        host::log(Level::Debug, text.as_ref());
    }

    /// A line for the operator.
    pub fn info(text: impl AsRef<str>) {
        host::log(Level::Info, text.as_ref());
    }

    /// Something the operator should look at.
    pub fn warn(text: impl AsRef<str>) {
        host::log(Level::Warn, text.as_ref());
    }

    /// Something the operator must look at.
    pub fn error(text: impl AsRef<str>) {
        host::log(Level::Error, text.as_ref());
    }
}

/// The plugin's own section of the configuration.
pub mod config {
    use crate::error::{Error, Result};
    use crate::host::config as host;
    use serde::de::DeserializeOwned;

    /// The section as a type of yours. Use `#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]`: then a
    /// misspelt key is an error that names it.
    pub fn read<T: DeserializeOwned>() -> Result<T> {
        let json = host::json();
        serde_json::from_str(&json).map_err(|error| explain(&json, &error))
    }

    /// One value as text; tables and lists as JSON.
    pub fn get(key: &str) -> Option<String> {
        host::get(key)
    }

    /// A secret that the operator granted. The error says that it is not granted or not there.
    pub fn secret(name: &str) -> Result<String> {
        host::secret(name).map_err(Error::new)
    }

    const NEAR_BYTES: usize = 60;

    /// Positions in generated JSON mean nothing to an operator: the words around it do.
    fn explain(json: &str, error: &serde_json::Error) -> Error {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        let end = json.floor_char_boundary(error.column().min(json.len()));
        let start = json.floor_char_boundary(end.saturating_sub(NEAR_BYTES));
        Error::new(format!(
            "configuration: {text}, near `{}`",
            &json[start..end]
        ))
    }
}

/// Durable key-value, the plugin's own. Every function is atomic over all instances; writes reach the disk within a second.
pub mod kv {
    pub use crate::bindings::baton::relay::kv::Error;
    use crate::host::kv as host;

    /// A value, if the key is there.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        host::get(key)
    }

    /// A value as text.
    pub fn get_string(key: &str) -> Result<Option<String>, Error> {
        host::get_string(key)
    }

    /// Sets a value, for ever or for so many seconds.
    pub fn set(key: &str, value: &[u8], ttl_seconds: Option<u32>) -> Result<(), Error> {
        host::set(key, value, ttl_seconds)
    }

    /// Sets a text, for ever or for so many seconds.
    pub fn set_string(key: &str, value: &str, ttl_seconds: Option<u32>) -> Result<(), Error> {
        host::set_string(key, value, ttl_seconds)
    }

    /// Sets a text if the key is not there; false if it was.
    pub fn set_if_absent(key: &str, value: &str, ttl_seconds: Option<u32>) -> Result<bool, Error> {
        host::set_if_absent(key, value, ttl_seconds)
    }

    /// False if the key was not there.
    pub fn delete(key: &str) -> Result<bool, Error> {
        host::delete(key)
    }

    /// Whether there is a key that begins with `prefix`.
    pub fn any(prefix: &str) -> Result<bool, Error> {
        Ok(!host::keys(prefix, None, 1)?.is_empty())
    }

    /// Every key that begins with `prefix`, in order, fetched in pages.
    pub fn keys(prefix: &str) -> impl Iterator<Item = Result<String, Error>> {
        const PAGE: u32 = 256;
        let prefix = prefix.to_owned();
        let mut page = Vec::new().into_iter();
        let mut last: Option<String> = None;
        let mut more = true;
        std::iter::from_fn(move || {
            loop {
                if let Some(key) = page.next() {
                    last = Some(key);
                    return last.clone().map(Ok);
                }
                if !more {
                    return None;
                }
                match host::keys(&prefix, last.as_deref(), PAGE) {
                    Ok(keys) => {
                        more = keys.len() == PAGE as usize;
                        page = keys.into_iter();
                    }
                    Err(error) => {
                        more = false;
                        return Some(Err(error));
                    }
                }
            }
        })
    }

    /// The new value of a counter. The time to live counts from the first increment.
    pub fn increment(key: &str, by: i32, ttl_seconds: Option<u32>) -> Result<f64, Error> {
        host::increment(key, by, ttl_seconds)
    }

    /// Takes tokens out of a bucket that holds `burst` and fills by `per_second`; false, and none are taken, if there are too
    /// few. A new bucket is full.
    pub fn take(key: &str, tokens: f64, per_second: f64, burst: f64) -> Result<bool, Error> {
        host::take(key, tokens, per_second, burst)
    }
}

/// Time as the relay sees it.
pub mod clock {
    use crate::host::clock as host;
    use std::time::Duration;

    /// Milliseconds since 1970-01-01 UTC.
    pub fn now_ms() -> f64 {
        host::now_ms()
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub fn now_seconds() -> u64 {
        (host::now_ms() / 1000.0) as u64
    }

    /// Time since an arbitrary start; never goes back.
    pub fn monotonic() -> Duration {
        Duration::from_secs_f64(host::monotonic_ms().max(0.0) / 1000.0)
    }
}

/// Chance, from the system's generator.
pub mod random {
    use crate::host::random as host;

    /// So many bytes, at most 1024.
    pub fn bytes(count: u32) -> Vec<u8> {
        host::bytes(count)
    }

    /// So many bytes, in hex.
    pub fn hex(count: u32) -> String {
        host::hex(count)
    }
}

/// Questions to the relay's resolver. Needs the grant `dns`.
pub mod dns {
    pub use crate::bindings::baton::relay::dns::{Error, Mx};
    use crate::host::dns as host;

    /// TXT records.
    pub fn texts(name: &str) -> Result<Vec<String>, Error> {
        host::texts(name)
    }

    /// A and AAAA records.
    pub fn addresses(name: &str) -> Result<Vec<String>, Error> {
        host::addresses(name)
    }

    /// MX records.
    pub fn mail_exchangers(name: &str) -> Result<Vec<Mx>, Error> {
        host::mail_exchangers(name)
    }

    /// Names of an address (PTR).
    pub fn names(ip: &str) -> Result<Vec<String>, Error> {
        host::names(ip)
    }

    /// A block-list question (RFC 5782): the address answered, if listed.
    pub fn listed(zone: &str, ip_or_domain: &str) -> Result<Option<String>, Error> {
        host::listed(zone, ip_or_domain)
    }
}

/// The relay's one stream of events: logs, metrics, the trace and webhooks.
pub mod events {
    use crate::host::events as host;

    /// Adds an event of this plugin.
    ///
    /// ```
    /// # use baton_sdk::prelude::*;
    /// # let relay = testing::Relay::new();
    /// events::emit("greeted", [("name", "Ada")]);
    /// # assert_eq!(relay.events()[0].0, "greeted");
    /// ```
    pub fn emit<K: Into<String>, V: Into<String>>(
        kind: &str,
        fields: impl IntoIterator<Item = (K, V)>,
    ) {
        let fields: Vec<(String, String)> = fields
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        host::emit(kind, &fields);
    }
}

/// New messages. Needs the grant `submit`.
pub mod submit {
    use crate::Mailbox;
    pub use crate::bindings::baton::relay::submit::Error;
    use crate::host::submit as host;

    /// Queues a message; its id, once it is durable.
    pub fn message(
        sender: Option<&Mailbox>,
        recipients: &[Mailbox],
        message: &[u8],
    ) -> Result<String, Error> {
        host::submit(sender, recipients, message)
    }
}
