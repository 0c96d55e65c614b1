//! What a hook costs: thread time of a fresh instance and of a live one.
//!
//! `cargo build --release --examples --target wasm32-wasip2 --target-dir target/guest --manifest-path host/hooks/tests/guest/Cargo.toml`,
//! then `cargo run --release -p baton-hooks --example calls -- target/guest/wasm32-wasip2/release/examples/brief.wasm`.
//! For any other plugin with `on-data`, such as link-tracking, it measures that hook with newsletters of several sizes; for one with
//! `on-reply`, such as isp-responses, that hook with the replies of the corpus files that follow as arguments. With `--config FILE`,
//! a section of configuration as JSON, the hooks of a transaction one after the other, as for policy.
//! `--only TEXT` measures nothing but what is called so, for a profiler. Numbers are microseconds of processor time: the lowest batch and the median of the batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_hooks::{
    Attempt, BoxFuture, Bundled, DnsError, Hook, HttpError, HttpRequest, HttpResponse, KvError,
    LogLevel, PluginEvent, Plugins, RecipientVerdict, RemoteReply, Services, Session, Settings,
    Sitting, Stage, SubmitError, Verdict,
};
use baton_message::{EditSet, Message};
use baton_smtp::{Domain, Envelope, Mailbox, Recipient, ReversePath};
use bytes::Bytes;

const BATCHES: usize = 40;
const CALLS: usize = 500;

fn main() {
    let path = std::env::args().nth(1).expect("the path of a component");
    let bytes: &'static [u8] = Box::leak(std::fs::read(path).unwrap().into_boxed_slice());
    let cache = std::env::temp_dir().join(format!("baton-bench-{}", std::process::id()));
    let mut settings = Settings::new(&cache);
    settings.bundled = vec![Bundled {
        name: "measured".into(),
        bytes,
    }];
    settings.public_url = Some("https://click.example.net".into());
    let config = std::env::args().skip_while(|a| a != "--config").nth(1);
    if let Some(path) = &config {
        let own = settings.plugins.entry("measured".into()).or_default();
        own.config = std::fs::read_to_string(path).unwrap().into();
    }
    let cold = std::time::Instant::now();
    drop(Plugins::start(settings.clone(), Arc::<Nothing>::default()).unwrap());
    let cold = cold.elapsed();
    let warm = std::time::Instant::now();
    let plugins = Plugins::start(settings, Arc::<Nothing>::default()).unwrap();
    println!(
        "start: {cold:?} compiling, {:?} from the cache",
        warm.elapsed()
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let generation = plugins.generation();
    if config.is_some() {
        runtime.block_on(measure_transaction(&plugins));
    } else if generation.exports(Hook::Rcpt) {
        runtime.block_on(measure(&plugins));
    } else if generation.exports(Hook::Reply) {
        runtime.block_on(measure_replies(&plugins));
    } else {
        assert!(generation.exports(Hook::Data), "it has no on-data");
        runtime.block_on(measure_newsletters(&plugins));
    }
    drop(generation);
    drop(plugins);
    let _ = std::fs::remove_dir_all(cache);
}

async fn measure(plugins: &Plugins) {
    let generation = plugins.generation();
    assert!(generation.exports(Hook::Rcpt));
    let session = Arc::new(Session::new("s", "smtp", "192.0.2.1".parse().unwrap()));
    let sender = Mailbox::new("joe", Domain::parse("example.net").unwrap()).unwrap();
    let envelope = Envelope::new(ReversePath::Mailbox(sender.clone()));
    let recipient = Recipient::new(sender);
    let message = Message::parse(message());

    let mut session_sitting = Sitting::session(generation.clone(), session);
    report("sitting alone", async || {
        std::hint::black_box(session_sitting.transaction());
    })
    .await;
    report("hook nobody has", async || {
        assert_eq!(session_sitting.on_connect().await, Verdict::Pass);
    })
    .await;
    report("fresh instance, on-rcpt, drop", async || {
        let mut sitting = session_sitting.transaction();
        let verdict = sitting.on_rcpt(&envelope, &recipient).await;
        assert_eq!(verdict, RecipientVerdict::Decide(Verdict::Pass));
    })
    .await;
    report("fresh instance, on-data of 50 KiB, drop", async || {
        let mut sitting = session_sitting.transaction();
        sitting.set_draft(EditSet::new(Message::parse(message.bytes().clone()), false));
        assert_eq!(sitting.on_data(&envelope).await, Verdict::Pass);
    })
    .await;
    report("fresh instance, on-rcpt, on-data, drop", async || {
        let mut sitting = session_sitting.transaction();
        sitting.on_rcpt(&envelope, &recipient).await;
        sitting.set_draft(EditSet::new(Message::parse(message.bytes().clone()), false));
        assert_eq!(sitting.on_data(&envelope).await, Verdict::Pass);
    })
    .await;
    let mut sitting = session_sitting.transaction();
    sitting.set_draft(EditSet::new(message, false));
    sitting.on_data(&envelope).await;
    report("live instance, on-rcpt", async || {
        sitting.on_rcpt(&envelope, &recipient).await;
        sitting.take_records();
    })
    .await;
    report("live instance, on-data of 50 KiB", async || {
        sitting.on_data(&envelope).await;
        sitting.take_records();
    })
    .await;
}

/// The hooks of a transaction, with one recipient and with ten.
async fn measure_transaction(plugins: &Plugins) {
    let session = Arc::new(Session::new("s", "smtp", "192.0.2.1".parse().unwrap()));
    let session_sitting = Sitting::session(plugins.generation(), session);
    let sender = Mailbox::new("joe", Domain::parse("example.net").unwrap()).unwrap();
    let envelope = Envelope::new(ReversePath::Mailbox(sender.clone()));
    let recipient = Recipient::new(sender);
    let message = Message::parse(message());
    report("on-mail", async || {
        let mut sitting = session_sitting.transaction();
        assert_eq!(sitting.on_mail(&envelope).await, Verdict::Pass);
    })
    .await;
    for recipients in [1, 10] {
        let what = format!("on-mail, on-rcpt of {recipients}, on-data");
        report(&what, async || {
            let mut sitting = session_sitting.transaction();
            assert_eq!(sitting.on_mail(&envelope).await, Verdict::Pass);
            for _ in 0..recipients {
                let verdict = sitting.on_rcpt(&envelope, &recipient).await;
                assert_eq!(verdict, RecipientVerdict::Decide(Verdict::Pass));
            }
            sitting.set_draft(EditSet::new(message.clone(), false));
            assert_eq!(sitting.on_data(&envelope).await, Verdict::Pass);
        })
        .await;
    }
}

/// One call of `on-data` with its fresh instance, and the writing of the message that comes out.
async fn measure_newsletters(plugins: &Plugins) {
    let session = Arc::new(Session::new("s", "smtp", "192.0.2.1".parse().unwrap()));
    let session_sitting = Sitting::session(plugins.generation(), session);
    let sender = Mailbox::new("joe", Domain::parse("example.net").unwrap()).unwrap();
    let mut envelope = Envelope::new(ReversePath::Mailbox(sender.clone()));
    envelope.recipients.push(Recipient::new(sender));
    for (kib, links) in [(1, 1), (10, 30), (100, 100), (100, 300)] {
        let bytes = newsletter(kib << 10, links);
        report(
            &format!("on-data of {kib} KiB with {links} links"),
            async || {
                let mut sitting = session_sitting.transaction();
                sitting.set_message_id("01kdvdna0028t5cy4gnf6yy4hm".into());
                sitting.set_draft(EditSet::new(Message::parse(bytes.clone()), false));
                assert_eq!(sitting.on_data(&envelope).await, Verdict::Pass);
                std::hint::black_box(&sitting);
            },
        )
        .await;
    }
}

/// One call of `on-reply` for each reply of the corpus, in an instance that lives and in one that is fresh.
async fn measure_replies(plugins: &Plugins) {
    let mut replies = Vec::new();
    for path in std::env::args().skip(2) {
        let corpus = std::fs::read_to_string(&path).unwrap();
        let texts = corpus.lines().filter(|line| !line.starts_with('#'));
        replies.extend(texts.filter_map(|line| {
            let text = line.splitn(3, '|').nth(2)?.replace("\\n", "\n");
            let code = text.get(..3).and_then(|code| code.parse().ok());
            Some(RemoteReply {
                code: code.unwrap_or(0),
                status: None,
                text: text.into(),
            })
        }));
    }
    assert!(!replies.is_empty(), "name the files of replies");
    let recipient = Mailbox::new("joe", Domain::parse("example.net").unwrap()).unwrap();
    let attempt = Attempt {
        message: "message".into(),
        sender: ReversePath::Null,
        account: None,
        site: "example.net".into(),
        recipient,
        host: Some("mx.example.net".into()),
        egress: None,
        number: 1,
        age: Duration::ZERO,
    };
    let session = Arc::new(Session::new("s", "smtp", "192.0.2.1".parse().unwrap()));
    let session_sitting = Sitting::session(plugins.generation(), session);
    let mut turn = replies.iter().cycle();
    let mut sitting = session_sitting.transaction();
    report("on-reply, live instance", async || {
        let reply = turn.next().unwrap();
        assert!(
            sitting
                .on_reply(&attempt, Stage::RcptTo, reply)
                .await
                .is_some()
        );
        sitting.take_records();
    })
    .await;
    report("on-reply, fresh instance", async || {
        let mut sitting = session_sitting.transaction();
        let reply = turn.next().unwrap();
        assert!(
            sitting
                .on_reply(&attempt, Stage::RcptTo, reply)
                .await
                .is_some()
        );
    })
    .await;
}

/// HTML in quoted-printable beside plain text, as such letters are.
fn newsletter(bytes: usize, links: usize) -> Bytes {
    let mut html = String::from("<html><body>\r\n");
    for link in 0..links {
        html.push_str(&format!(
            "<p style=\"margin:0\"><a href=\"https://shop.example.net/item/{link}?ref=mail&amp;n={link}\" style=\"color:#369\">Item</a>\r\n"
        ));
        while html.len() * links < bytes * (link + 1) {
            html.push_str("<td class=\"cell\" width=\"120\">All work and no play</td>\r\n");
        }
    }
    html.push_str("</body></html>\r\n");
    let encoded = baton_message::encoding::quoted_printable_encode(html.as_bytes());
    let mut text = String::from(
        "From: Joe <joe@example.net>\r\nTo: jane@example.org\r\nSubject: news\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nSee the page.\r\n--b\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    text.push_str(std::str::from_utf8(&encoded).unwrap());
    text.push_str("\r\n--b--\r\n");
    text.into()
}

async fn report(what: &str, mut run: impl AsyncFnMut()) {
    let only = std::env::args().skip_while(|a| a != "--only").nth(1);
    if only.is_some_and(|only| !what.contains(&only)) {
        return;
    }
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..CALLS {
        run().await;
    }
    for _ in 0..BATCHES {
        let start = thread_time();
        for _ in 0..CALLS {
            run().await;
        }
        batches.push((thread_time() - start).as_secs_f64() * 1e6 / CALLS as f64);
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

fn message() -> Bytes {
    let mut text = String::from(
        "Received: from a.example by b.example; Thu, 1 Jan 2026 00:00:00 +0000\r\n\
         From: Joe <joe@example.net>\r\nTo: jane@example.org\r\nSubject: hello there\r\n\
         Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\n",
    );
    while text.len() < 50 << 10 {
        text.push_str("All work and no play makes a dull message, line after line.\r\n");
    }
    text.into()
}

/// A relay that has little to offer but a place for keys.
#[derive(Default)]
struct Nothing {
    kv: Mutex<HashMap<String, Bytes>>,
}

impl Services for Nothing {
    fn kv_get(&self, _: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        Ok(self.kv.lock().unwrap().get(key).cloned())
    }

    fn kv_set(
        &self,
        _: &str,
        _: u64,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<(), KvError> {
        self.kv.lock().unwrap().insert(key.to_owned(), value);
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
        let mut kv = self.kv.lock().unwrap();
        Ok(kv.insert(key.to_owned(), value).is_none())
    }

    fn kv_delete(&self, _: &str, _: &str) -> Result<bool, KvError> {
        Err(KvError::Unavailable)
    }

    fn kv_keys(&self, _: &str, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, KvError> {
        Ok(Vec::new())
    }

    fn kv_increment(
        &self,
        _: &str,
        _: u64,
        _: &str,
        _: i32,
        _: Option<Duration>,
    ) -> Result<f64, KvError> {
        Ok(1.0)
    }

    fn kv_take(&self, _: &str, _: u64, key: &str, _: f64, _: f64, _: f64) -> Result<bool, KvError> {
        Ok(!key.is_empty())
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
        if event.kind.name() == "plugin-fault" {
            panic!("{event:?}");
        }
    }

    fn log(&self, _: &str, _: LogLevel, _: &str) {}

    fn now_ms(&self) -> f64 {
        0.0
    }

    fn monotonic_ms(&self) -> f64 {
        0.0
    }
}
