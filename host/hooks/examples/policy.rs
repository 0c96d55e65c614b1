//! What the whole policy costs a recipient, with warm state: rates, standing, allowed senders, brands, attachments and content,
//! over a key-value in memory.
//!
//! `cargo build --release` builds the component; then `cargo run --release -p baton-hooks --example policy --
//! target/plugins/wasm32-wasip2/plugin/policy.wasm`, with another section as JSON behind it where wanted. Numbers are microseconds of processor time a recipient: the lowest batch and
//! the median of the batches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_hooks::{
    BoxFuture, Bundled, DnsError, HttpError, HttpRequest, HttpResponse, KvError, LogLevel,
    PluginEvent, PluginSettings, Plugins, RecipientVerdict, Services, Session, Settings, Sitting,
    SubmitError, Verdict,
};
use baton_message::{EditSet, Message};
use baton_smtp::{Domain, Envelope, Mailbox, Recipient, ReversePath};
use bytes::Bytes;

const BATCHES: usize = 30;
const MESSAGES: usize = 200;

const CONFIG: &str = r#"{
    "rates": [
        { "per": "key", "limit": "1000000/second", "daily": 2000000000 },
        { "per": "account", "limit": "1000000/second" },
        { "per": "address", "count": "recipients", "limit": "1000000/second" },
        { "per": "recipient-domain", "count": "recipients", "limit": "1000000/second" }
    ],
    "senders": { "shop": ["shop.test", ".shop.test"] },
    "traps": ["trap@t.test", "spamtrap.test"],
    "brands": [
        { "name": "Example Bank", "domains": ["bank.test", "example-bank.test"] },
        { "name": "Example Pay", "domains": ["pay.test"] },
        { "name": "Example Post", "domains": ["post.test"] }
    ],
    "impersonation": { "display-address": "tag" },
    "attachments": { "extensions": ["exe", "scr", "js"], "double-extensions": true, "in-archives": ["exe"] },
    "content": {
        "rules": [
            { "name": "lottery", "find": ["you have won", "lottery", "million dollars"], "points": 3 },
            { "name": "transfer", "find": ["urgent", "wire transfer"], "all": true, "points": 4 }
        ],
        "signals": { "missing-date": 1, "missing-message-id": 1, "loud-subject": 2, "link-to-address": 3, "html-only": 1 },
        "tag": 5, "reject": 15
    },
    "reputation": {}
}"#;

fn main() {
    let path = std::env::args().nth(1).expect("the path of policy.wasm");
    let bytes: &'static [u8] = Box::leak(std::fs::read(path).unwrap().into_boxed_slice());
    let cache = std::env::temp_dir().join(format!("baton-bench-{}", std::process::id()));
    let mut settings = Settings::new(&cache);
    settings.bundled = vec![Bundled {
        name: "policy".into(),
        bytes,
    }];
    let config = std::env::args().nth(2);
    let section = PluginSettings {
        config: config.as_deref().unwrap_or(CONFIG).into(),
        ..PluginSettings::default()
    };
    settings.plugins.insert("policy".into(), section);
    let plugins = Plugins::start(settings, Arc::new(Memory::default())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(measure(&plugins));
    drop(plugins);
    let _ = std::fs::remove_dir_all(cache);
}

async fn measure(plugins: &Plugins) {
    let mut session = Session::new("s", "smtp", "192.0.2.1".parse().unwrap());
    session.account = Some("shop".into());
    let sitting = Sitting::session(plugins.generation(), Arc::new(session));
    let message = Message::parse(message());
    let domain = |text: &str| Domain::parse(text).unwrap();
    let sender = Mailbox::new("news", domain("shop.test")).unwrap();
    for recipients in [1, 10] {
        let start = Envelope::new(ReversePath::Mailbox(sender.clone()));
        let to: Vec<Recipient> = (0..recipients)
            .map(|n| Mailbox::new(&format!("bob{n}"), domain("dest.test")).unwrap())
            .map(Recipient::new)
            .collect();
        let run = async || {
            let mut sitting = sitting.transaction();
            let mut envelope = start.clone();
            assert_eq!(sitting.on_mail(&envelope).await, Verdict::Pass);
            for recipient in &to {
                let verdict = sitting.on_rcpt(&envelope, recipient).await;
                assert_eq!(verdict, RecipientVerdict::Decide(Verdict::Pass));
                envelope.recipients.push(recipient.clone());
            }
            sitting.set_draft(EditSet::new(Message::parse(message.bytes().clone()), false));
            assert_eq!(sitting.on_data(&envelope).await, Verdict::Pass);
        };
        let parse = async || {
            std::hint::black_box(EditSet::new(Message::parse(message.bytes().clone()), false));
        };
        let what = format!("{recipients} recipients a message");
        report(&what, recipients, run).await;
        report(
            "  of it the host's reading of the message",
            recipients,
            parse,
        )
        .await;
    }
}

async fn report(what: &str, recipients: usize, mut run: impl AsyncFnMut()) {
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..MESSAGES {
        run().await;
    }
    for _ in 0..BATCHES {
        let start = thread_time();
        for _ in 0..MESSAGES {
            run().await;
        }
        let each = (MESSAGES * recipients) as f64;
        batches.push((thread_time() - start).as_secs_f64() * 1e6 / each);
    }
    batches.sort_by(f64::total_cmp);
    println!("{what:45} {:7.2} {:7.2}", batches[0], batches[BATCHES / 2]);
}

/// Processor time of this thread: the machine may be busy with other things.
fn thread_time() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists on every supported system and the pointer is to a timespec of our own.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(answer, 0);
    Duration::new(
        now.tv_sec.try_into().unwrap(),
        now.tv_nsec.try_into().unwrap(),
    )
}

/// 10 KiB: a plain text beside HTML with links.
fn message() -> Bytes {
    let mut text = String::from(
        "From: Shop <news@shop.test>\r\nTo: bob@dest.test\r\nSubject: What is new this week\r\n\
         Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@shop.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n",
    );
    while text.len() < 4 << 10 {
        text.push_str("All work and no play makes a dull message, line after line.\r\n");
    }
    text.push_str("--b\r\nContent-Type: text/html\r\n\r\n<html><body>\r\n");
    while text.len() < 10 << 10 {
        text.push_str("<p>Read <a href=\"https://shop.test/article/1\">the article</a></p>\r\n");
    }
    text.push_str("</body></html>\r\n--b--\r\n");
    text.into()
}

/// A relay that remembers.
#[derive(Default)]
struct Memory {
    rows: Mutex<BTreeMap<String, Bytes>>,
}

impl Services for Memory {
    fn kv_get(&self, _: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn kv_set(
        &self,
        _: &str,
        _: u64,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<(), KvError> {
        self.rows.lock().unwrap().insert(key.to_owned(), value);
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
        let mut rows = self.rows.lock().unwrap();
        let absent = !rows.contains_key(key);
        rows.entry(key.to_owned()).or_insert(value);
        Ok(absent)
    }

    fn kv_delete(&self, _: &str, key: &str) -> Result<bool, KvError> {
        Ok(self.rows.lock().unwrap().remove(key).is_some())
    }

    fn kv_keys(&self, _: &str, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, KvError> {
        Err(KvError::Unavailable)
    }

    fn kv_increment(
        &self,
        _: &str,
        _: u64,
        key: &str,
        by: i32,
        _: Option<Duration>,
    ) -> Result<f64, KvError> {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(key.to_owned()).or_default();
        let text = std::str::from_utf8(row).unwrap();
        let sum = text.parse::<f64>().unwrap_or(0.0) + f64::from(by);
        *row = Bytes::from(sum.to_string());
        Ok(sum)
    }

    /// As the relay's: a row is read and written each time.
    fn kv_take(
        &self,
        _: &str,
        _: u64,
        key: &str,
        tokens: f64,
        _: f64,
        burst: f64,
    ) -> Result<bool, KvError> {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(format!("bucket {key}")).or_default();
        let left = row
            .get(..8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(burst, f64::from_le_bytes);
        let left = if left < tokens { burst } else { left - tokens };
        *row = Bytes::copy_from_slice(&[left.to_le_bytes(), left.to_le_bytes()].concat());
        Ok(true)
    }

    fn dns_texts<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async { Err(DnsError::Failed) })
    }

    fn dns_addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async { Err(DnsError::Failed) })
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>> {
        Box::pin(async { Err(DnsError::Failed) })
    }

    fn dns_names<'a>(
        &'a self,
        _: std::net::IpAddr,
    ) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async { Err(DnsError::Failed) })
    }

    fn http_send<'a>(
        &'a self,
        _: &'a str,
        _: HttpRequest,
        _: Duration,
        _: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        Box::pin(async { Err(HttpError::Connect) })
    }

    fn submit<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: ReversePath,
        _: Vec<Mailbox>,
        _: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>> {
        Box::pin(async { Err(SubmitError::Full) })
    }

    fn event(&self, event: PluginEvent<'_>) {
        assert!(!event.kind.name().ends_with("fault"), "{event:?}");
    }

    fn log(&self, _: &str, _: LogLevel, _: &str) {}

    fn now_ms(&self) -> f64 {
        1_767_225_600_000.0
    }

    fn monotonic_ms(&self) -> f64 {
        0.0
    }
}
