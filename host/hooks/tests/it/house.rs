//! What every test needs: built guests, a relay's services in memory, and plugins in a folder of their own.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use baton_hooks::{
    Attempt, BoxFuture, Bundled, DnsError, HttpError, HttpRequest, HttpResponse, KvError, LogLevel,
    PluginEvent, PluginEventKind, PluginSettings, Plugins, Pool, Services, Session, Settings,
    Sitting, SubmitError,
};
use baton_message::{EditSet, Message};
use baton_smtp::{Envelope, Mailbox, Recipient, ReversePath};
use bytes::Bytes;
use tempfile::TempDir;

/// A guest of `tests/guest/examples`, built once for all tests.
pub fn guest(name: &str) -> &'static [u8] {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    static READ: Mutex<BTreeMap<String, &'static [u8]>> = Mutex::new(BTreeMap::new());
    let dir = BUILT.get_or_init(build);
    let mut read = READ.lock().unwrap();
    read.entry(name.to_owned()).or_insert_with(|| {
        let bytes = std::fs::read(dir.join(format!("{name}.wasm"))).unwrap();
        Box::leak(bytes.into_boxed_slice())
    })
}

fn build() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--examples",
            "--target",
            "wasm32-wasip2",
        ])
        .arg("--manifest-path")
        .arg(manifest.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(
        built.success(),
        "the guests do not build; is wasm32-wasip2 installed?"
    );
    target.join("wasm32-wasip2/release/examples")
}

/// The relay's side, in memory.
#[derive(Default)]
pub struct House {
    pub kv: Mutex<HashMap<(String, String), Bytes>>,
    pub events: Mutex<Vec<String>>,
    pub requests: Mutex<Vec<HttpRequest>>,
    pub submitted: Mutex<Vec<(ReversePath, Vec<Mailbox>, Bytes)>>,
}

impl House {
    /// Events so far that begin with this.
    pub fn events(&self, kind: &str) -> Vec<String> {
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter(|e| e.starts_with(kind))
            .cloned()
            .collect()
    }
}

impl Services for House {
    fn kv_get(&self, plugin: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        Ok(self
            .kv
            .lock()
            .unwrap()
            .get(&(plugin.into(), key.into()))
            .cloned())
    }

    fn kv_set(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<(), KvError> {
        if value.len() as u64 > quota {
            return Err(KvError::Quota);
        }
        self.kv
            .lock()
            .unwrap()
            .insert((plugin.into(), key.into()), value);
        Ok(())
    }

    fn kv_set_if_absent(
        &self,
        plugin: &str,
        _: u64,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<bool, KvError> {
        let mut kv = self.kv.lock().unwrap();
        let absent = !kv.contains_key(&(plugin.to_owned(), key.to_owned()));
        kv.entry((plugin.into(), key.into())).or_insert(value);
        Ok(absent)
    }

    fn kv_delete(&self, plugin: &str, key: &str) -> Result<bool, KvError> {
        Ok(self
            .kv
            .lock()
            .unwrap()
            .remove(&(plugin.into(), key.into()))
            .is_some())
    }

    fn kv_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KvError> {
        let kv = self.kv.lock().unwrap();
        let mut keys: Vec<String> = kv
            .keys()
            .filter(|(p, k)| p == plugin && k.starts_with(prefix) && after.is_none_or(|a| **k > *a))
            .map(|(_, k)| k.clone())
            .collect();
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }

    fn kv_increment(
        &self,
        plugin: &str,
        _: u64,
        key: &str,
        by: i32,
        _: Option<Duration>,
    ) -> Result<f64, KvError> {
        let mut kv = self.kv.lock().unwrap();
        let slot = kv.entry((plugin.into(), key.into())).or_default();
        let sum = str::from_utf8(slot).unwrap().parse::<f64>().unwrap_or(0.0) + f64::from(by);
        *slot = sum.to_string().into();
        Ok(sum)
    }

    fn kv_take(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        tokens: f64,
        _: f64,
        burst: f64,
    ) -> Result<bool, KvError> {
        #[allow(clippy::cast_possible_truncation)]
        let used = self.kv_increment(plugin, quota, key, tokens as i32, None)?;
        Ok(used <= burst)
    }

    fn dns_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move {
            match name {
                "slow.test" => std::future::pending().await,
                _ => Ok(vec![format!("text of {name}")]),
            }
        })
    }

    fn dns_addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move {
            match name {
                "2.0.0.127.bl.test" => Ok(vec!["127.0.0.4".into()]),
                "example.net" => Ok(vec!["192.0.2.1".into()]),
                _ => Err(DnsError::NoSuchName),
            }
        })
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>> {
        Box::pin(async { Ok(vec![(10, "mx.test".into())]) })
    }

    fn dns_names<'a>(&'a self, ip: IpAddr) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { Ok(vec![format!("name-of-{ip}")]) })
    }

    fn http_send<'a>(
        &'a self,
        _: &'a str,
        request: HttpRequest,
        _: Duration,
        _: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        Box::pin(async move {
            let body = request.body.clone();
            self.requests.lock().unwrap().push(request);
            Ok(HttpResponse {
                status: 200,
                headers: Vec::new(),
                body,
            })
        })
    }

    fn submit<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        sender: ReversePath,
        recipients: Vec<Mailbox>,
        message: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>> {
        Box::pin(async move {
            self.submitted
                .lock()
                .unwrap()
                .push((sender, recipients, message));
            Ok("id-of-it".into())
        })
    }

    fn event(&self, event: PluginEvent<'_>) {
        let detail = match event.kind {
            PluginEventKind::Emitted { kind, fields } => format!("{kind} {fields:?}"),
            PluginEventKind::Loaded { digest, .. } | PluginEventKind::Removed { digest } => {
                digest.to_owned()
            }
            PluginEventKind::Refused { reason } => reason.to_owned(),
            PluginEventKind::NotGranted { capability } => capability.to_owned(),
            PluginEventKind::Fault { hook, text } => format!("{hook} {text}"),
            PluginEventKind::BreakerOpened { faults } => faults.to_string(),
            PluginEventKind::BreakerClosed => String::new(),
            PluginEventKind::RolledBack { from, to } => format!("{from} {to}"),
            PluginEventKind::Trial { digest, state, why } => format!("{state} {digest} {why}"),
            PluginEventKind::Compared { hook, result } => format!("{hook} {result}"),
        };
        let line = format!("{} {} {detail}", event.kind.name(), event.plugin);
        self.events.lock().unwrap().push(line);
    }

    fn log(&self, plugin: &str, level: LogLevel, text: &str) {
        self.events
            .lock()
            .unwrap()
            .push(format!("log {plugin} {level:?} {text}"));
    }

    fn now_ms(&self) -> f64 {
        1_000_000.0
    }

    fn monotonic_ms(&self) -> f64 {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1000.0
    }
}

/// Plugins and everything around them; gone with the test.
pub struct Site {
    pub plugins: Plugins,
    pub house: Arc<House>,
    pub dir: PathBuf,
    pub settings: Settings,
    _temp: TempDir,
}

impl Site {
    /// With these bundled plugins, a small pool, and settings as the test wants them.
    pub fn new(bundled: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Site {
        let temp = TempDir::new().unwrap();
        // Shared, since compiling the same guests for every test would take most of the time.
        let mut settings = Settings::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("native"));
        settings.dir = Some(temp.path().join("plugins"));
        settings.hostname = "relay.test".into();
        settings.public_url = Some("https://relay.test".into());
        settings.pool = Pool {
            instances_max: 24,
            wait: Duration::from_millis(200),
            rest: Duration::from_secs(3600),
        };
        settings.breaker.faults_max = 1000;
        settings.bundled = bundled
            .iter()
            .map(|(name, of)| Bundled {
                name: (*name).into(),
                bytes: guest(of),
            })
            .collect();
        change(&mut settings);
        let house = Arc::new(House::default());
        let plugins = Plugins::start(settings.clone(), house.clone()).unwrap();
        Site {
            plugins,
            house,
            dir: temp.path().join("plugins"),
            settings,
            _temp: temp,
        }
    }

    /// One `actor`, called so.
    pub fn actor(change: impl FnOnce(&mut PluginSettings)) -> Site {
        Site::new(&[("actor", "actor")], |settings| {
            let mut own = PluginSettings::default();
            change(&mut own);
            settings.plugins.insert("actor".into(), own);
        })
    }

    pub fn session(&self, helo: &str) -> Sitting {
        Sitting::session(self.plugins.generation(), session(helo))
    }

    /// A transaction whose message says what to do.
    pub fn transaction(&self, act: &str) -> Sitting {
        let mut sitting = self.session("").transaction();
        sitting.set_message_id("m1".into());
        sitting.set_draft(draft(act));
        sitting
    }

    /// Waits until this holds.
    pub fn until(&self, what: &str, holds: impl Fn(&Site) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{what}: {:?}\n{:#?}",
                self.house.events.lock().unwrap(),
                self.plugins.list()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub fn session(helo: &str) -> Arc<Session> {
    let mut session = Session::new("s1", "smtp", IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    session.helo = Some(helo.into());
    Arc::new(session)
}

pub fn draft(act: &str) -> EditSet {
    let text = format!(
        "From: a@example.net\r\nSubject: hello\r\nX-Act: {act}\r\n\r\nsee http://example.net/x now\r\n"
    );
    EditSet::new(Message::parse(text.into()), false)
}

pub fn envelope() -> Envelope {
    Envelope::new(ReversePath::Mailbox(mailbox("joe", "example.net")))
}

pub fn mailbox(local: &str, domain: &str) -> Mailbox {
    Mailbox::new(local, baton_smtp::Domain::parse(domain).unwrap()).unwrap()
}

pub fn recipient(local: &str) -> Recipient {
    Recipient::new(mailbox(local, "example.org"))
}

pub fn attempt(local: &str, number: u32) -> Attempt {
    Attempt {
        message: "m1".into(),
        sender: ReversePath::Null,
        account: None,
        recipient: mailbox(local, "example.org"),
        site: "example.org".into(),
        host: None,
        egress: None,
        number,
        age: Duration::from_secs(3),
    }
}

/// The value of a tag.
pub fn tag(sitting: &Sitting, key: &str) -> Option<String> {
    sitting
        .tags()
        .iter()
        .find(|(k, _)| &**k == key)
        .map(|(_, v)| v.to_string())
}
