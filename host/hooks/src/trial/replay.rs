//! Running the calls of a record again, against any version of the plugin.
//!
//! Each call gets what it was asked, the message with the edits of those before, and the answers its host calls had: clocks,
//! chance, key-value, resolver and HTTP included. Nothing leaves the process. What the record cannot answer, since the
//! version that was recorded never asked it, is answered as a relay without a network would, and is told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use baton_message::Message;
use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;

use super::again::Again;
use super::file::{CallLine, End, FORMAT, Head, Line};
use super::said::Difference;
use super::tape::{After, Tape};
use crate::error::Error;
use crate::info::PluginState;
use crate::limits;
use crate::plugins::Plugins;
use crate::record::{CallRecord, LogLevel};
use crate::services::{
    BoxFuture, DnsError, HttpError, HttpRequest, HttpResponse, KvError, PluginEvent, Services,
    SubmitError,
};
use crate::settings::{Bundled, PluginSettings, Settings};

/// Sittings whose instances are kept; of a record with more at a time, older ones begin anew.
const SITTINGS_MAX: usize = 200;

/// See the module.
pub struct Replay {
    name: Arc<str>,
    bytes: &'static [u8],
    cache_dir: PathBuf,
    /// The operator's, or none: then what the record says.
    settings: Option<PluginSettings>,
    head: Option<Head>,
    /// Made anew when the recorded configuration changes.
    plugins: Option<Plugins>,
    sittings: HashMap<u64, Again>,
    messages: HashMap<String, Message>,
    configs: HashMap<String, Arc<str>>,
    end: Option<End>,
}

/// One call that was made again.
#[derive(Debug)]
pub struct Replayed {
    /// Calls of the same sitting have the same number.
    pub sitting: u64,
    /// SHA-256 in hex of the version that was recorded.
    pub digest: String,
    /// Interface name.
    pub hook: String,
    /// The message, if there was one.
    pub message: Option<String>,
    /// Why it was not made again; then nothing else is known.
    pub skipped: Option<&'static str>,
    /// In what the new answer differs from the recorded one.
    pub differences: Vec<Difference>,
    /// What was asked beyond the record.
    pub beyond: Vec<String>,
    /// How the call went, logs and all.
    pub record: Option<CallRecord>,
    /// How long the recorded call took.
    pub recorded_microseconds: u64,
}

impl Replay {
    /// A component to run the calls of the plugin `name` again with. `settings` replace what the record says of its
    /// configuration; secrets are never in a record. Native code is kept in `cache_dir`.
    pub fn new(
        name: &str,
        bytes: Vec<u8>,
        settings: Option<PluginSettings>,
        cache_dir: PathBuf,
    ) -> Replay {
        Replay {
            name: name.into(),
            // One for each replay, which is one for each process.
            bytes: bytes.leak(),
            cache_dir,
            settings,
            head: None,
            plugins: None,
            sittings: HashMap::new(),
            messages: HashMap::new(),
            configs: HashMap::new(),
            end: None,
        }
    }

    /// Takes the next line of the record; none if it is no call of this plugin. Needs a runtime with time enabled.
    ///
    /// # Errors
    /// [`Error::Record`] if the line is none of a record; what [`Plugins::start`] says, and [`Error::Refused`] if the
    /// component does not load.
    pub async fn line(&mut self, line: &str) -> Result<Option<Replayed>, Error> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        if line.len() > limits::RECORD_LINE_BYTES_MAX {
            return Err(Error::Record("a line is too long".into()));
        }
        let line: Line = serde_json::from_str(line).map_err(|e| Error::Record(e.to_string()))?;
        match line {
            Line::Record(head) if head.format != FORMAT => Err(Error::Record(format!(
                "format {} was written by another version; this one reads {FORMAT}",
                head.format
            ))),
            Line::Record(head) => {
                self.head = Some(head);
                Ok(None)
            }
            _ if self.head.is_none() => Err(Error::Record(
                "the first line does not begin a record".into(),
            )),
            Line::Plugin(plugin) => {
                self.configs
                    .insert(plugin.digest, plugin.config.to_string().into());
                Ok(None)
            }
            Line::Message(message) => {
                let bytes = crate::door::read_octets(&message.bytes)
                    .ok_or_else(|| Error::Record("a message that is none".into()))?;
                self.messages.insert(message.digest, Message::parse(bytes));
                Ok(None)
            }
            Line::End(end) => {
                self.end = Some(end);
                Ok(None)
            }
            Line::Call(call) if *call.plugin != *self.name => Ok(None),
            Line::Call(call) => self.call(&call).await.map(Some),
        }
    }

    /// Calls that are missing in the record since they did not fit; none if the record has no end, and so was cut off.
    pub fn missing(&self) -> Option<u64> {
        self.end.map(|end| end.dropped)
    }

    async fn call(&mut self, call: &CallLine) -> Result<Replayed, Error> {
        let mut replayed = Replayed {
            sitting: call.sitting,
            digest: call.digest.clone(),
            hook: call.hook.clone(),
            message: call.message_id.clone(),
            skipped: None,
            differences: Vec::new(),
            beyond: Vec::new(),
            record: None,
            recorded_microseconds: call.microseconds,
        };
        if call.cut {
            replayed.skipped = Some("the record holds not all of it");
            return Ok(replayed);
        }
        if call.hook().is_none() {
            replayed.skipped = Some("this version knows no such hook");
            return Ok(replayed);
        }
        let message = match &call.message {
            None => None,
            Some(digest) => match self.messages.get(digest) {
                Some(message) => Some(message.clone()),
                None => return Err(Error::Record(format!("message {digest} is missing"))),
            },
        };
        let before = call.snapshot(message.as_ref()).map_err(Error::Record)?;
        let loose = self
            .head
            .as_ref()
            .is_some_and(|h| h.redacted_bodies || h.redacted_addresses);
        self.prepare(&call.digest)?;
        let generation = match &self.plugins {
            Some(plugins) => plugins.generation(),
            None => return Err(Error::Record("nothing is loaded".into())),
        };
        if self.sittings.len() > SITTINGS_MAX {
            self.sittings.clear();
        }
        let sitting = self
            .sittings
            .entry(call.sitting)
            .or_insert_with(|| Again::new(generation));
        if call.fresh {
            sitting.park();
        }
        let tape = Tape::playing(call.host(), After::Repeatable, loose);
        let repeated = sitting.ask(&before, tape.clone()).await;
        replayed.differences = call.said().differences(&repeated.said, loose);
        replayed.beyond = tape.beyond();
        replayed.record = repeated.record;
        Ok(replayed)
    }

    /// Loads the component with the settings that the recorded version had.
    fn prepare(&mut self, digest: &str) -> Result<(), Error> {
        if self.plugins.is_some() {
            return Ok(());
        }
        let mut own = self.settings.clone().unwrap_or_else(|| PluginSettings {
            config: self
                .configs
                .get(digest)
                .cloned()
                .unwrap_or_else(|| "{}".into()),
            ..PluginSettings::default()
        });
        own.enabled = true;
        // Grants speak through the recorded answers.
        own.grants.dns = true;
        own.grants.submit = true;
        own.grants.http = vec!["*".into()];
        let mut settings = Settings::new(&self.cache_dir);
        if let Some(head) = &self.head {
            settings.hostname = head.hostname.as_str().into();
            settings.public_url = head.public_url.as_deref().map(Arc::from);
        }
        // It is tried by the record, whatever its own tests say.
        settings.own_tests = false;
        // A fault is what a replay is there to find: every call is made.
        settings.breaker.faults_max = u32::MAX;
        settings.bundled = vec![Bundled {
            name: self.name.clone(),
            bytes: self.bytes,
        }];
        settings.plugins.insert(self.name.to_string(), own);
        let plugins = Plugins::start(settings, Arc::new(Alone::default()))?;
        if let Some(info) = plugins.list().into_iter().next()
            && let PluginState::Refused { reason } = info.state
        {
            return Err(Error::Refused(reason));
        }
        self.plugins = Some(plugins);
        Ok(())
    }
}

/// A relay with nothing around it but a key-value of its own.
#[derive(Default)]
struct Alone {
    values: Mutex<HashMap<String, Bytes>>,
}

impl Alone {
    fn values(&self) -> std::sync::MutexGuard<'_, HashMap<String, Bytes>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no<'a, T: Send + 'a, E: Send + 'a>(error: E) -> BoxFuture<'a, Result<T, E>> {
    Box::pin(std::future::ready(Err(error)))
}

impl Services for Alone {
    fn kv_get(&self, _: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        Ok(self.values().get(key).cloned())
    }

    fn kv_set(
        &self,
        _: &str,
        _: u64,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<(), KvError> {
        self.values().insert(key.to_owned(), value);
        Ok(())
    }

    fn kv_set_if_absent(
        &self,
        _: &str,
        _: u64,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<bool, KvError> {
        let mut values = self.values();
        let absent = !values.contains_key(key);
        values.entry(key.to_owned()).or_insert(value);
        Ok(absent)
    }

    fn kv_delete(&self, _: &str, key: &str) -> Result<bool, KvError> {
        Ok(self.values().remove(key).is_some())
    }

    fn kv_keys(
        &self,
        _: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KvError> {
        let values = self.values();
        let wanted = |key: &&String| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
        };
        let mut keys: Vec<String> = values.keys().filter(wanted).cloned().collect();
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }

    fn kv_increment(
        &self,
        _: &str,
        _: u64,
        key: &str,
        by: i32,
        _: Option<Duration>,
    ) -> Result<f64, KvError> {
        let mut values = self.values();
        let old = values.get(key).and_then(|bytes| {
            let text = std::str::from_utf8(bytes).ok()?;
            text.parse::<f64>().ok()
        });
        let sum = old.unwrap_or(0.0) + f64::from(by);
        values.insert(key.to_owned(), sum.to_string().into());
        Ok(sum)
    }

    fn kv_take(&self, _: &str, _: u64, _: &str, _: f64, _: f64, _: f64) -> Result<bool, KvError> {
        Ok(true)
    }

    fn dns_texts<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        no(DnsError::Failed)
    }

    fn dns_addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        no(DnsError::Failed)
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>> {
        no(DnsError::Failed)
    }

    fn dns_names<'a>(&'a self, _: IpAddr) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        no(DnsError::Failed)
    }

    fn http_send<'a>(
        &'a self,
        _: &'a str,
        _: HttpRequest,
        _: Duration,
        _: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        no(HttpError::Connect)
    }

    fn submit<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: ReversePath,
        _: Vec<Mailbox>,
        _: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>> {
        no(SubmitError::Full)
    }

    fn event(&self, _: PluginEvent<'_>) {}

    fn log(&self, _: &str, _: LogLevel, _: &str) {}

    fn now_ms(&self) -> f64 {
        0.0
    }

    fn monotonic_ms(&self) -> f64 {
        0.0
    }
}
