//! The routers over a real store and real plugins, through real sockets.

use std::sync::Mutex;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use baton_hooks::{Bundled, Settings};
use baton_smtp::{Mailbox, Recipient, ReversePath};
use baton_spool::{
    EntryState, InboxMessage, Limits, MessageId, NewEntry, NewMessage, Operation, Origin,
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::*;
use crate::clock;
use crate::config::{Config, Scope, Token};
use crate::event::trace::{HookCall, Step};
use crate::{bundled, cli, history};

/// A relay's HTTP side that takes submissions into a list.
struct House {
    address: SocketAddr,
    store: Store,
    bus: Bus,
    submitted: Arc<Mutex<Vec<Submission>>>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn house() -> House {
    house_with(|_| {}).await
}

async fn house_with(change: impl FnOnce(&mut config::Http)) -> House {
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let mut config = Config::dev(folder.path().join("state"), any, any, None).http;
    change(&mut config);
    let (store, _handover) = open(&folder.path().join("spool"));
    let mut settings = Settings::new(folder.path().join("cache"));
    let (name, bytes) = bundled::COMPONENTS[0];
    settings.bundled = vec![Bundled {
        name: name.into(),
        bytes,
    }];
    let plugins = tokio::task::spawn_blocking(|| Plugins::start(settings, cli::test_services()));
    let bus = Bus::new(clock::now);
    let submitted: Arc<Mutex<Vec<Submission>>> = Arc::default();
    let stop = CancellationToken::new();
    let parts = Arc::new(Parts {
        config: config.clone(),
        dev: true,
        hostname: "relay.test".into(),
        listeners: vec![("dev".into(), any)],
        started: clock::now(),
        bus: bus.clone(),
        store: store.clone(),
        plugins: Arc::new(plugins.await.unwrap().unwrap()),
        kv: Arc::new(Kv::new(store.clone())),
        kv_quotas: HashMap::new(),
        submit: taker(submitted.clone()),
        under_way: Mutex::default(),
        load: Box::new(Load::default),
        trouble: Box::new(|| None),
        stop: stop.clone(),
    });
    let bound = bind(any).await.unwrap();
    let address = bound.address();
    tokio::spawn(bound.serve(admin(parts), config.connections_max, stop.clone()));
    House {
        address,
        store,
        bus,
        submitted,
        stop,
        _folder: folder,
    }
}

fn open(folder: &std::path::Path) -> (Store, crate::store::Handover) {
    let (store, handover, _) = Store::open(folder, Limits::default()).unwrap();
    (store, handover)
}

fn taker(list: Arc<Mutex<Vec<Submission>>>) -> Submit {
    Arc::new(move |submission| {
        let list = list.clone();
        Box::pin(async move {
            let recipient = submission.envelope.recipients[0].address.to_string();
            list.lock().unwrap().push(submission);
            match recipient.as_str() {
                "no@example.net" => Err(Reply::new(550, None, "No thanks")),
                "full@example.net" => Err(Reply::new(452, None, "Full")),
                _ => Ok(Taken {
                    id: MessageId::MIN,
                    ids: vec![MessageId::MIN],
                    held: None,
                }),
            }
        })
    })
}

impl House {
    async fn send(&self, request: Request<Body>) -> Response<Bytes> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(Body::new(body), 64 << 20)
            .await
            .unwrap();
        driver.abort();
        Response::from_parts(head, body)
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self
            .send(self.request("GET", path).body(Body::empty()).unwrap())
            .await;
        (
            response.status(),
            serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        )
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self
            .request("POST", path)
            .header("content-type", "application/json");
        let response = self
            .send(request.body(Body::from(body.to_string())).unwrap())
            .await;
        (
            response.status(),
            serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        )
    }

    /// A message in the spool with one recipient that waits and a trace.
    async fn queued(&self) -> String {
        let id = self.store.new_id();
        let call = HookCall {
            plugin: "link-tracking".into(),
            digest: "abc".into(),
            hook: "on-data".into(),
            decision: "next".into(),
            microseconds: 42,
            recipient: None,
            edits: vec![],
            scores: vec![],
            fault: None,
        };
        let message = NewMessage {
            id,
            received_ms: 1_763_806_200_000,
            sender: ReversePath::Mailbox(mailbox("ann@example.net")),
            parameters: vec![],
            recipients: vec![NewEntry {
                recipient: Recipient::new(mailbox("bob@example.org")),
                state: EntryState::Due(u64::MAX / 2),
                notes: Bytes::new(),
            }],
            origin: Origin {
                listener: "dev".into(),
                ..Origin::default()
            },
            tags: vec![("campaign".into(), "spring".into())],
            plugins: vec![],
            subject: Some("Hello".into()),
            meta: Bytes::new(),
            body: vec![Bytes::from_static(b"Subject: Hello\r\n\r\nbody\r\n")],
            copy_of: None,
            trace: history::piece(&[Step::Hook { at: 1, call }]),
        };
        self.store.accept(vec![message], vec![]).await.unwrap();
        id.to_string()
    }

    async fn caught(&self, subject: &str) -> String {
        let id = self.store.new_id();
        let raw = Bytes::from_static(
            b"From: ann@example.net\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
              --b\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
              --b\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n",
        );
        let message = InboxMessage {
            id,
            received_ms: 1_763_806_200_000,
            sender: ReversePath::Mailbox(mailbox("ann@example.net")),
            recipients: vec![mailbox("bob@example.org")],
            subject: Some(subject.into()),
            meta: Bytes::from(json!({ "message": "01abc" }).to_string()),
            raw_bytes: raw.len() as u64,
            raw: vec![raw],
        };
        self.store
            .commit(vec![Operation::InboxPut(Box::new(message))])
            .await
            .unwrap();
        id.to_string()
    }
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

#[tokio::test]
async fn health_readiness_metrics_and_status_answer() {
    let house = house().await;
    assert_eq!(house.get("/healthz").await.0, StatusCode::OK);
    assert_eq!(house.get("/readyz").await.0, StatusCode::OK);
    let metrics = house
        .send(
            house
                .request("GET", "/metrics")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert!(
        metrics.headers()["content-type"]
            .to_str()
            .unwrap()
            .contains("openmetrics")
    );
    let (_, status) = house.get("/api/v1/status").await;
    assert_eq!(status["mode"], "dev");
    assert_eq!(status["hostname"], "relay.test");
}

#[tokio::test]
async fn the_inbox_is_an_array_newest_first_with_raw_bytes_behind_it() {
    let house = house().await;
    house.caught("first").await;
    let id = house.caught("second").await;
    let (_, list) = house.get("/api/v1/inbox?limit=5").await;
    let subjects: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["second", "first"]);
    assert_eq!(list[0]["from"], "ann@example.net");
    assert_eq!(list[0]["to"], json!(["bob@example.org"]));
    assert_eq!(list[0]["received"], "2025-11-22T10:10:00.000Z");
    assert_eq!(list[0]["message"], "01abc");
    let (_, rest) = house.get(&format!("/api/v1/inbox?before={id}")).await;
    assert_eq!(rest.as_array().unwrap().len(), 1);
    let path = format!("/api/v1/inbox/{id}/raw");
    let raw = house
        .send(house.request("GET", &path).body(Body::empty()).unwrap())
        .await;
    assert_eq!(raw.headers()["content-type"], "message/rfc822");
    assert!(raw.body().starts_with(b"From: ann@example.net\r\n"));
    let (_, detail) = house.get(&format!("/api/v1/inbox/{id}")).await;
    assert_eq!(detail["text"], "plain");
    assert_eq!(detail["html"], "<script>alert(1)</script>");
    assert_eq!(detail["parts"].as_array().unwrap().len(), 3);
    let part = format!("/api/v1/inbox/{id}/parts/2");
    let part = house
        .send(house.request("GET", &part).body(Body::empty()).unwrap())
        .await;
    assert_eq!(part.headers()["content-disposition"], "attachment");
    assert_eq!(part.headers()["content-type"], "application/octet-stream");
}

#[tokio::test]
async fn the_inbox_is_emptied_one_by_one_or_at_once() {
    let house = house().await;
    let id = house.caught("first").await;
    house.caught("second").await;
    let delete = |path: String| house.request("DELETE", &path).body(Body::empty()).unwrap();
    let path = format!("/api/v1/inbox/{id}");
    assert_eq!(
        house.send(delete(path.clone())).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(house.get(&path).await.0, StatusCode::NOT_FOUND);
    let all = house.send(delete("/api/v1/inbox".into())).await;
    assert_eq!(all.status(), StatusCode::NO_CONTENT);
    assert_eq!(house.get("/api/v1/inbox").await.1, json!([]));
}

#[tokio::test]
async fn a_message_is_shown_with_state_recipients_and_trace() {
    let house = house().await;
    let id = house.queued().await;
    let (_, list) = house.get("/api/v1/messages").await;
    assert_eq!(list[0]["id"], *id);
    let (status, message) = house.get(&format!("/api/v1/messages/{id}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(message["state"], "queued");
    assert_eq!(message["tags"]["campaign"], "spring");
    assert_eq!(message["recipients_detail"][0]["state"], "queued");
    assert_eq!(message["trace"][0]["plugin"], "link-tracking");
    assert_eq!(message["trace"][0]["microseconds"], 42);
    assert_eq!(message["attempts"], json!([]));
    assert_eq!(
        house.get("/api/v1/messages?state=delivered").await.1,
        json!([])
    );
    assert_eq!(
        house.get("/api/v1/messages?state=wild").await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        house.get("/api/v1/messages?sttae=held").await.0,
        StatusCode::BAD_REQUEST
    );
    let (status, problem) = house.get("/api/v1/messages/nonsense").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(problem["status"], 404);
}

#[tokio::test]
async fn an_operator_holds_releases_retries_and_removes() {
    let house = house().await;
    let id = house.queued().await;
    let act = async |action: &str, body: Value| {
        house
            .post(&format!("/api/v1/queue/{id}/{action}"), body)
            .await
    };
    let (status, done) = act("hold", json!({ "reason": "look" })).await;
    assert_eq!((status, &done["changed"]), (StatusCode::OK, &json!(1)));
    let (_, queue) = house.get("/api/v1/queue").await;
    assert_eq!(queue[0]["state"], "held");
    assert_eq!(queue[0]["why"], "look");
    assert_eq!(act("retry", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(act("release", json!({})).await.0, StatusCode::OK);
    assert_eq!(act("retry", json!({})).await.0, StatusCode::OK);
    assert_eq!(act("explode", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(act("0/remove", json!({})).await.0, StatusCode::OK);
    assert_eq!(house.get("/api/v1/queue").await.1, json!([]));
}

#[tokio::test]
async fn addresses_are_suppressed_listed_and_allowed_again() {
    let house = house().await;
    let new = json!({ "address": "dead@example.org", "reason": "gone" });
    assert_eq!(
        house.post("/api/v1/suppression", new).await.0,
        StatusCode::CREATED
    );
    let (_, list) = house.get("/api/v1/suppression").await;
    assert_eq!(list[0]["address"], "dead@example.org");
    let delete = || house.request("DELETE", "/api/v1/suppression/dead@example.org");
    let first = house.send(delete().body(Body::empty()).unwrap()).await;
    assert_eq!(first.status(), StatusCode::NO_CONTENT);
    let second = house.send(delete().body(Body::empty()).unwrap()).await;
    assert_eq!(second.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_submission_is_answered_with_what_became_of_it() {
    let house = house().await;
    let message =
        |to: &str| json!({ "from": "a@example.net", "to": to, "subject": "S", "text": "T" });
    let (status, answer) = house
        .post("/api/v1/messages", message("b@example.net"))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let id = MessageId::MIN.to_string();
    assert_eq!(answer["id"], *id);
    assert_eq!(answer["ids"], json!([id]));
    assert_eq!(answer["state"], "queued");
    let taken = house.submitted.lock().unwrap()[0].clone();
    assert!(taken.message.windows(12).any(|w| w == b"Subject: S\r\n"));
    let (status, problem) = house
        .post("/api/v1/messages", message("no@example.net"))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["reply"], "550 No thanks");
    let (status, _) = house
        .post("/api/v1/messages", message("full@example.net"))
        .await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    let (status, problem) = house.post("/api/v1/messages", json!({ "form": "x" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        problem["detail"].as_str().unwrap().contains("form"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_form_of_a_strangers_page_submits_nothing() {
    let house = house().await;
    let body = json!({ "from": "a@example.net", "to": "b@example.net", "text": "T" }).to_string();
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("content-type", "text/plain"),
    ] {
        let mut request = house
            .request("POST", "/api/v1/messages")
            .header(name, value);
        if name != "content-type" {
            request = request.header("content-type", "application/json");
        }
        let response = house
            .send(request.body(Body::from(body.clone())).unwrap())
            .await;
        assert!(
            response.status().is_client_error(),
            "{name}: {}",
            response.status()
        );
    }
    assert!(house.submitted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_a_stranger_points_at_us_opens_nothing() {
    let house = house().await;
    for path in ["/api/v1/inbox", "/metrics"] {
        let request = Request::builder()
            .uri(path)
            .header("host", "evil.example:8025");
        let response = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn without_its_token_a_closed_listener_shows_nothing_but_the_empty_page() {
    use sha2::Digest;
    let sha256 = sha2::Sha256::digest(b"secret").into();
    let house = house_with(|http| {
        http.open = false;
        http.tokens = vec![Token {
            name: "ops".into(),
            sha256,
            scopes: vec![Scope::Read],
        }];
    })
    .await;
    for path in [
        "/api/v1/inbox",
        "/api/v1/nothing",
        "/metrics",
        "/api/v1/events",
    ] {
        assert_eq!(house.get(path).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/", "/assets/page.js", "/healthz", "/readyz"] {
        assert_eq!(house.get(path).await.0, StatusCode::OK, "{path}");
    }
    let with = |token: &str| {
        let header = format!("Bearer {token}");
        house
            .request("GET", "/api/v1/inbox")
            .header("authorization", header)
    };
    let good = house
        .send(with("secret").body(Body::empty()).unwrap())
        .await;
    assert_eq!(good.status(), StatusCode::OK);
    // It may look and neither send nor change.
    for (method, path) in [("POST", "/api/v1/messages"), ("DELETE", "/api/v1/inbox")] {
        let request = house.request(method, path);
        let request = request.header("authorization", "Bearer secret");
        let answer = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {path}");
    }
    let bad = house
        .send(with("Secret").body(Body::empty()).unwrap())
        .await;
    assert_eq!(bad.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bad.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn the_page_and_all_it_loads_are_there_under_a_strict_policy() {
    let house = house().await;
    let get = async |path: &str| {
        house
            .send(house.request("GET", path).body(Body::empty()).unwrap())
            .await
    };
    let page = get("/").await;
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    let mut wanted = vec!["/assets/page.js".to_owned(), "/assets/page.css".to_owned()];
    let mut seen = Vec::new();
    while let Some(path) = wanted.pop() {
        let response = get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        // What a module imports is loaded as well.
        for line in text.lines().filter(|line| line.starts_with("import ")) {
            let name = line.rsplit("\"./").next().unwrap().trim_end_matches("\";");
            let path = format!("/assets/{name}");
            if !seen.contains(&path) && !wanted.contains(&path) {
                wanted.push(path);
            }
        }
        for sink in [
            "innerHTML",
            "outerHTML =",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(sink), "{path} has {sink}");
        }
        seen.push(path);
    }
    assert!(seen.len() >= 9, "{seen:?}");
    assert_eq!(
        get("/assets/../Cargo.toml").await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn plugins_are_listed_with_digest_hooks_and_state() {
    let house = house().await;
    let (_, list) = house.get("/api/v1/plugins").await;
    assert_eq!(list[0]["name"], "link-tracking");
    assert_eq!(list[0]["state"], "active");
    assert_eq!(list[0]["source"], "bundled");
    assert_eq!(list[0]["digest"].as_str().unwrap().len(), 64);
    let hooks = list[0]["hooks"].as_array().unwrap();
    assert!(hooks.contains(&json!("on-request")), "{hooks:?}");
}

#[tokio::test]
async fn a_plugin_answers_below_its_prefix_and_its_answer_is_kept_apart() {
    let house = house().await;
    let get = async |path: &str| {
        house
            .send(house.request("GET", path).body(Body::empty()).unwrap())
            .await
    };
    let dead = get("/p/link-tracking/c/not-a-token").await;
    assert_eq!(dead.status(), StatusCode::NOT_FOUND);
    assert!(
        dead.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    let policy = dead.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox"), "{policy}");
    assert_eq!(get("/p/nobody/x").await.status(), StatusCode::NOT_FOUND);
    let text = house.bus.metrics().render(&Load::default());
    assert!(
        text.contains("baton_plugin_hook_duration_seconds_count{plugin=\"link-tracking\""),
        "{text}"
    );
}

#[tokio::test]
async fn events_are_streamed_while_somebody_watches() {
    use crate::event::Event;
    let house = house().await;
    let stream = TcpStream::connect(house.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = house
        .request("GET", "/api/v1/events")
        .body(Body::empty())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = Body::new(response.into_body());
    let mut seen = String::new();
    while !seen.contains("\ndata: ") {
        house.bus.emit(Event::PluginRemoved { plugin: "x".into() });
        let frame = std::future::poll_fn(|context| {
            hyper::body::Body::poll_frame(std::pin::Pin::new(&mut body), context)
        });
        let frame = tokio::time::timeout(std::time::Duration::from_secs(10), frame).await;
        let frame = frame.expect("in time").expect("a frame").unwrap();
        seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    assert!(seen.contains("\"kind\":\"plugin-removed\""), "{seen}");
    driver.abort();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let house = house_with(|http| http.body_bytes_max = 1000).await;
    let body = json!({ "from": "a@example.net", "to": "b@example.net", "text": "x".repeat(2000) });
    let (status, _) = house.post("/api/v1/messages", body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    let bound = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let bound = bound.with_head_timeout(Duration::from_millis(50));
    let address = bound.address();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(bound.serve(Router::new(), 10, stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
    assert!(closed.await.is_ok(), "the timeout closes it");
    stop.cancel();
    assert!(
        tokio::time::timeout(Duration::from_secs(10), serving)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_operator_reads_and_changes_what_a_plugin_remembers() {
    let house = house().await;
    let (plugin, _) = bundled::COMPONENTS[0];
    let path = |rest: &str| format!("/api/v1/plugins/{plugin}/kv{rest}");
    let mut events = house.bus.subscribe();
    let put = async |key: &str, body: Value| {
        let request = house
            .request("PUT", &path(key))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        house.send(request).await.status()
    };
    let get = async |key: &str| {
        let request = house.request("GET", &path(key)).body(Body::empty());
        let response = house.send(request.unwrap()).await;
        let json: Value = serde_json::from_slice(response.body()).unwrap();
        (response.status(), json)
    };
    let kept = put("/a/b%40c.test", json!({ "value": [1, "x"] })).await;
    assert_eq!(kept, StatusCode::NO_CONTENT);
    let kept = put("/a/d", json!({ "value": "text", "ttl_seconds": 60 })).await;
    assert_eq!(kept, StatusCode::NO_CONTENT);
    put("/b", json!({ "value_base64": "/w==" })).await;

    let (status, row) = get("/a/b@c.test").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(row, json!({ "key": "a/b@c.test", "value": "[1,\"x\"]" }));
    assert!(get("/a/d").await.1["expires"].is_string());
    assert_eq!(get("/b").await.1["value_base64"], "/w==");
    let (_, keys) = get("?prefix=a/&limit=10").await;
    assert_eq!(keys, json!(["a/b@c.test", "a/d"]));

    let delete = async |key: &str| {
        let request = house.request("DELETE", &path(key)).body(Body::empty());
        house.send(request.unwrap()).await.status()
    };
    assert_eq!(delete("/b").await, StatusCode::NO_CONTENT);
    assert_eq!(delete("/b").await, StatusCode::NOT_FOUND);
    assert_eq!(get("/b").await.0, StatusCode::NOT_FOUND);

    // What makes no sense changes nothing.
    assert_eq!(put("/c", json!({})).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        put("/c%00", json!({ "value": "x" })).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        put("/c", json!({ "value": "x".repeat(65_537) })).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let request = house
        .request("PUT", "/api/v1/plugins/nobody/kv/c")
        .header("content-type", "application/json")
        .body(Body::from("{\"value\":\"x\"}"));
    let answer = house.send(request.unwrap()).await.status();
    assert_eq!(answer, StatusCode::NOT_FOUND);

    let mut told = Vec::new();
    while told.len() < 4 {
        let Some(crate::event::stream::Next::Event(event)) = events.next().await else {
            panic!("the stream goes on");
        };
        let event = serde_json::to_value(&*event).unwrap();
        if event["kind"] == "plugin-key-changed" {
            told.push(format!("{} {}", event["what"], event["key"]));
        }
    }
    assert_eq!(
        told,
        [
            "\"set\" \"a/b@c.test\"",
            "\"set\" \"a/d\"",
            "\"set\" \"b\"",
            "\"deleted\" \"b\""
        ]
    );
}
