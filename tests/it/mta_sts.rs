//! MTA-STS (RFC 8461): what a domain says over HTTPS of its exchangers holds, whoever is on the way.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_tests::relay::{free_port, run};
use baton_tests::tls::Identity;
use baton_tests::{Client, Mx, Relay, Script, eventually};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::world::World;

/// Gives one answer to every request, over TLS.
struct Files {
    port: u16,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Files {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn found(policy: &str) -> String {
    let length = policy.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{policy}"
    )
}

impl Files {
    async fn start(identity: &Identity, answer: String) -> Files {
        let port = free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .expect("bound");
        let acceptor = TlsAcceptor::from(identity.server());
        let answer = Arc::new(Mutex::new(answer));
        let asked = Arc::new(AtomicUsize::new(0));
        let (said, count) = (answer.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                assert!(request.starts_with(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n"));
                count.fetch_add(1, Ordering::SeqCst);
                let said = said.lock().unwrap().clone();
                let _ = stream.write_all(said.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Files {
            port,
            answer,
            asked,
            task: task.abort_handle(),
        }
    }

    fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A domain with a policy, its exchangers at 127.0.5.N, and a relay that trusts the certificates.
struct Scene {
    world: World,
    files: Files,
    relay: Relay,
}

fn identity() -> Arc<Identity> {
    let names = ["mta-sts.dest.test", "mx1.dest.test", "mx2.dest.test"];
    Arc::new(Identity::for_names(&names))
}

fn policy(mode: &str, exchangers: &[&str]) -> String {
    let listed: String = exchangers
        .iter()
        .map(|mx| format!("mx: {mx}\r\n"))
        .collect();
    format!("version: STSv1\r\nmode: {mode}\r\n{listed}max_age: 86400\r\n")
}

impl Scene {
    async fn new(identity: &Identity, exchangers: &[u8], answer: String) -> Scene {
        let world = World::new().await;
        world.domain("dest.test", exchangers);
        world
            .dns
            .address("mta-sts.dest.test", IpAddr::V4(Ipv4Addr::LOCALHOST));
        world.dns.text("_mta-sts.dest.test", "v=STSv1; id=1;");
        let files = Files::start(identity, answer).await;
        let more = format!(
            "\n[delivery]\nport = {{port}}\nretry = [\"1s\"]\nca-file = \"{{dir}}/ca.pem\"\nmta-sts-port = {}\n",
            files.port
        );
        let pem = identity.certificate_pem.clone();
        let relay = world
            .relay_from("", &more, |dir| {
                std::fs::write(dir.join("ca.pem"), pem).unwrap()
            })
            .await;
        Scene {
            world,
            files,
            relay,
        }
    }

    async fn send(&self) {
        let mut client = Client::ehlo(self.relay.smtp).await.expect("a session");
        let message = "From: ann@sender.test\r\nSubject: x\r\n\r\nx\r\n";
        let reply = client
            .deliver("ann@sender.test", &["bob@dest.test"], message)
            .await;
        assert_eq!(reply.expect("a reply").code, 250);
    }

    /// What was said when it was put off.
    async fn deferred(&self, reason: &str) {
        eventually(reason, Duration::from_secs(30), async || {
            self.relay.log().contains(reason).then_some(())
        })
        .await;
    }
}

async fn arrives(mx: &Mx, count: usize) {
    let got = mx.wait_for(count).await;
    assert!(got.iter().all(|one| one.tls), "over TLS");
}

#[tokio::test]
async fn mail_goes_to_listed_hosts_with_valid_certificates_alone() {
    let identity = identity();
    let answer = found(&policy("enforce", &["mx1.dest.test"]));
    let scene = Scene::new(&identity, &[2, 1], answer).await;
    let listed = scene
        .world
        .exchanger(1, Script::default().tls(identity.clone()))
        .await;
    let other = scene
        .world
        .exchanger(2, Script::default().tls(identity.clone()))
        .await;
    scene.send().await;
    arrives(&listed, 1).await;
    assert_eq!(other.connections(), 0, "the better exchanger is not listed");
    scene.send().await;
    arrives(&listed, 2).await;
    assert_eq!(scene.files.count(), 1, "the policy is fetched once");
}

#[tokio::test]
async fn a_certificate_for_another_name_gets_no_mail_and_there_is_no_way_back_to_clear_text() {
    let identity = identity();
    let answer = found(&policy("enforce", &["*.dest.test"]));
    let scene = Scene::new(&identity, &[1], answer).await;
    let stranger = Arc::new(Identity::for_names(&["mx1.dest.test"]));
    let mx = scene
        .world
        .exchanger(1, Script::default().tls(stranger))
        .await;
    scene.send().await;
    scene.deferred("TLS handshake failed").await;
    assert_eq!(mx.count(), 0);
    mx.follow(Script::default());
    scene
        .deferred("TLS is required, and the server does not offer it")
        .await;
    assert_eq!(mx.count(), 0);
    assert!(
        !mx.commands().iter().any(|line| line.starts_with("MAIL")),
        "{:?}",
        mx.commands()
    );
    mx.follow(Script::default().tls(identity.clone()));
    arrives(&mx, 1).await;
}

#[tokio::test]
async fn a_policy_that_is_only_tried_out_or_cannot_be_had_stops_no_mail() {
    let identity = identity();
    let moved = "HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.dest.test/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for answer in [
        found(&policy("testing", &["else.test"])),
        found(&policy("none", &[])),
        found("version: STSv1\r\nmode: enforce\r\n"),
        moved.to_owned(),
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let scene = Scene::new(&identity, &[1], answer).await;
        let mx = scene.world.exchanger(1, Script::default()).await;
        scene.send().await;
        assert_eq!(mx.wait_for(1).await.len(), 1);
        assert_eq!(scene.files.count(), 1);
    }
}

#[tokio::test]
async fn the_doctor_finds_a_policy_of_ours_that_leaves_us_out() {
    let identity = identity();
    let answer = found(&policy("enforce", &["relay.test"]));
    let scene = Scene::new(&identity, &[1], answer).await;
    let config = scene.relay.dir.join("baton.toml");
    let mut text = std::fs::read_to_string(&config).expect("a configuration");
    text += "\n[relay]\ndomains = [\"dest.test\", \"plain.test\"]\n";
    std::fs::write(&config, text).expect("written");
    let examine = async || {
        let config = config.display().to_string();
        let work = move || {
            let lists = ["--block-list", "bl.test"];
            run(&[&["doctor", "--json", "--config", &config], &lists[..]].concat())
        };
        let output = tokio::task::spawn_blocking(work).await.expect("no panic");
        let all: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        all.iter()
            .filter(|one| one["check"] == "mta-sts")
            .map(|one| (text(&one["subject"]), text(&one["verdict"])))
            .collect::<Vec<_>>()
    };
    let told = |verdict: &str| vec![("dest.test".to_owned(), verdict.to_owned())];
    assert_eq!(examine().await, told("ok"));
    *scene.files.answer.lock().unwrap() = found(&policy("enforce", &["other.test"]));
    assert_eq!(examine().await, told("wrong"));
    *scene.files.answer.lock().unwrap() =
        "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n".to_owned();
    assert_eq!(examine().await, told("warning"));
}

#[tokio::test]
async fn a_policy_holds_when_it_is_taken_out_of_sight_and_after_a_restart() {
    let identity = identity();
    let answer = found(&policy("enforce", &["mx1.dest.test"]));
    let mut scene = Scene::new(&identity, &[1], answer).await;
    let mx = scene
        .world
        .exchanger(1, Script::default().tls(identity.clone()))
        .await;
    scene.send().await;
    arrives(&mx, 1).await;
    let file = scene.relay.dir.join("state/mta-sts.json");
    eventually("it is written down", Duration::from_secs(30), async || {
        file.exists().then_some(())
    })
    .await;

    // Somebody takes the record and the file away, and answers for the exchanger without TLS.
    scene.world.dns.forget("_mta-sts.dest.test");
    *scene.files.answer.lock().unwrap() =
        "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n".to_owned();
    assert!(scene.relay.stop().await);
    mx.follow(Script::default());
    scene.relay.restart().await;
    scene.send().await;
    scene
        .deferred("TLS is required, and the server does not offer it")
        .await;
    assert_eq!(mx.count(), 1);

    // A new policy takes over as soon as its record is there.
    *scene.files.answer.lock().unwrap() = found(&policy("none", &[]));
    scene.world.dns.text("_mta-sts.dest.test", "v=STSv1; id=2;");
    assert_eq!(mx.wait_for(2).await.len(), 2);
}
