//! Two versions of the contract side by side, and a component that was built when the first one had fewer functions.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use baton_message::{EditSet, Message};
use baton_smtp::{Domain, Envelope, Mailbox, Recipient, ReversePath};

use crate::{
    Bundled, Fault, Hook, PluginSettings, PluginState, Plugins, Services, Session, Settings,
    Sitting, Verdict,
};

/// The guests of the integration tests, built where those build them.
fn guest(name: &str) -> &'static [u8] {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = BUILT.get_or_init(|| {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("../../target"), PathBuf::from)
            .join("tmp/guest");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--examples"])
            .args(["--target", "wasm32-wasip2", "--manifest-path"])
            .arg(root.join("tests/guest/Cargo.toml"))
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
    });
    let bytes = std::fs::read(dir.join(format!("{name}.wasm"))).expect("a guest");
    Box::leak(bytes.into_boxed_slice())
}

fn start(
    bundled: &[(&str, &str)],
    change: impl Fn(&mut PluginSettings),
) -> (Plugins, tempfile::TempDir) {
    let cache = tempfile::TempDir::new().expect("a folder");
    let mut settings = Settings::new(cache.path().join("native"));
    settings.pool.instances_max = 8;
    settings.bundled = bundled
        .iter()
        .map(|(name, of)| Bundled {
            name: (*name).into(),
            bytes: guest(of),
        })
        .collect();
    for (name, _) in bundled {
        let mut own = PluginSettings::default();
        change(&mut own);
        settings.plugins.insert((*name).into(), own);
    }
    let services: Arc<dyn Services> = Arc::new(Told);
    (Plugins::start(settings, services).expect("plugins"), cache)
}

async fn send(plugins: &Plugins, act: &str) -> (Verdict, Sitting) {
    let session = Session::new("s1", "smtp", [192, 0, 2, 7].into());
    let mut sitting = Sitting::session(plugins.generation(), Arc::new(session)).transaction();
    let text = format!("From: a@example.net\r\nX-Act: {act}\r\n\r\nhello\r\n");
    sitting.set_draft(EditSet::new(Message::parse(text.into()), false));
    let mailbox = |local| Mailbox::new(local, Domain::parse("example.net").unwrap()).unwrap();
    let mut envelope = Envelope::new(ReversePath::Mailbox(mailbox("ann")));
    envelope.recipients.push(Recipient::new(mailbox("bob")));
    let verdict = sitting.on_data(&envelope).await;
    (verdict, sitting)
}

fn header(sitting: &Sitting, name: &str) -> Option<String> {
    sitting.draft().and_then(|draft| draft.header(name))
}

#[tokio::test]
async fn a_second_version_serves_beside_the_first_through_an_adapter_of_its_own() {
    let (plugins, _cache) = start(&[("new", "toy"), ("old", "actor")], |_| {});
    for info in plugins.list() {
        assert_eq!(info.state, PluginState::Active, "{info:?}");
    }
    let (verdict, mut sitting) = send(&plugins, "append X-Old yes").await;
    assert_eq!(verdict, Verdict::Pass);
    assert_eq!(
        header(&sitting, "X-Toy").as_deref(),
        Some("ann@example.net bob@example.net")
    );
    assert_eq!(header(&sitting, "X-Old").as_deref(), Some("yes"));
    assert_eq!(sitting.take_records().len(), 2);
    let (verdict, _) = send(&plugins, "refuse Not today").await;
    assert_eq!(verdict.to_string(), "reject 550 Not today");
    assert!(plugins.generation().exports(Hook::Data));
}

#[tokio::test]
async fn limits_and_faults_are_the_same_in_every_version() {
    let (plugins, _cache) = start(&[("new", "toy")], |own| {
        own.limits.cpu = std::time::Duration::from_millis(50);
    });
    let (verdict, mut sitting) = send(&plugins, "loop").await;
    assert!(matches!(verdict, Verdict::Defer(_)));
    assert_eq!(sitting.take_records()[0].fault, Some(Fault::Cpu));
    let (_, mut sitting) = send(&plugins, "fail for a reason").await;
    assert_eq!(
        sitting.take_records()[0].fault,
        Some(Fault::Answered("for a reason".into()))
    );
}

#[tokio::test]
async fn no_version_is_a_way_around_the_grants() {
    let (plugins, _cache) = start(&[("new", "toy")], |_| {});
    let (_, sitting) = send(&plugins, "texts a.test").await;
    let seen = header(&sitting, "X-Texts").unwrap();
    assert_eq!(seen, r#"Err("ask your operator")"#);
    let (plugins, _cache) = start(&[("new", "toy")], |own| own.grants.dns = true);
    let (_, sitting) = send(&plugins, "texts a.test").await;
    let seen = header(&sitting, "X-Texts").unwrap();
    assert_eq!(seen, r#"Ok(["text of a.test"])"#);
}

#[tokio::test]
async fn a_component_built_when_the_contract_had_fewer_functions_still_runs() {
    let (plugins, _cache) = start(&[("early", "early")], |_| {});
    let info = plugins.list().remove(0);
    assert_eq!(info.state, PluginState::Active);
    assert_eq!(info.hooks.iter().collect::<Vec<_>>(), [Hook::Data]);
    let (verdict, sitting) = send(&plugins, "next").await;
    assert_eq!(verdict, Verdict::Pass);
    assert_eq!(sitting.tags(), [("seen".into(), "s1 1".into())]);
    let (verdict, _) = send(&plugins, "reject").await;
    assert_eq!(verdict.to_string(), "reject 550 5.7.1 Early");
    // It really imports fewer functions than there are.
    let text = String::from_utf8_lossy(guest("early")).into_owned();
    assert!(text.contains("baton:relay/message@0.1.0") && !text.contains("set-text"));
}

/// A relay whose resolver answers.
struct Told;

impl Services for Told {
    fn kv_get(&self, _: &str, _: &str) -> Result<Option<bytes::Bytes>, crate::KvError> {
        Ok(None)
    }

    fn kv_set(
        &self,
        _: &str,
        _: u64,
        _: &str,
        _: bytes::Bytes,
        _: Option<std::time::Duration>,
    ) -> Result<(), crate::KvError> {
        Ok(())
    }

    fn kv_set_if_absent(
        &self,
        _: &str,
        _: u64,
        _: &str,
        _: bytes::Bytes,
        _: Option<std::time::Duration>,
    ) -> Result<bool, crate::KvError> {
        Ok(true)
    }

    fn kv_delete(&self, _: &str, _: &str) -> Result<bool, crate::KvError> {
        Ok(false)
    }

    fn kv_keys(
        &self,
        _: &str,
        _: &str,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<String>, crate::KvError> {
        Ok(Vec::new())
    }

    fn kv_increment(
        &self,
        _: &str,
        _: u64,
        _: &str,
        by: i32,
        _: Option<std::time::Duration>,
    ) -> Result<f64, crate::KvError> {
        Ok(f64::from(by))
    }

    fn kv_take(
        &self,
        _: &str,
        _: u64,
        _: &str,
        _: f64,
        _: f64,
        _: f64,
    ) -> Result<bool, crate::KvError> {
        Ok(true)
    }

    fn dns_texts<'a>(
        &'a self,
        name: &'a str,
    ) -> crate::BoxFuture<'a, Result<Vec<String>, crate::DnsError>> {
        Box::pin(async move { Ok(vec![format!("text of {name}")]) })
    }

    fn dns_addresses<'a>(
        &'a self,
        _: &'a str,
    ) -> crate::BoxFuture<'a, Result<Vec<String>, crate::DnsError>> {
        Box::pin(async { Err(crate::DnsError::Failed) })
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        _: &'a str,
    ) -> crate::BoxFuture<'a, Result<Vec<(u16, String)>, crate::DnsError>> {
        Box::pin(async { Err(crate::DnsError::Failed) })
    }

    fn dns_names<'a>(
        &'a self,
        _: std::net::IpAddr,
    ) -> crate::BoxFuture<'a, Result<Vec<String>, crate::DnsError>> {
        Box::pin(async { Err(crate::DnsError::Failed) })
    }

    fn http_send<'a>(
        &'a self,
        _: &'a str,
        _: crate::HttpRequest,
        _: std::time::Duration,
        _: usize,
    ) -> crate::BoxFuture<'a, Result<crate::HttpResponse, crate::HttpError>> {
        Box::pin(async { Err(crate::HttpError::Connect) })
    }

    fn submit<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: ReversePath,
        _: Vec<Mailbox>,
        _: bytes::Bytes,
    ) -> crate::BoxFuture<'a, Result<String, crate::SubmitError>> {
        Box::pin(async { Err(crate::SubmitError::Full) })
    }

    fn event(&self, _: crate::PluginEvent<'_>) {}

    fn log(&self, _: &str, _: crate::LogLevel, _: &str) {}

    fn now_ms(&self) -> f64 {
        0.0
    }

    fn monotonic_ms(&self) -> f64 {
        0.0
    }
}
