use std::net::TcpListener;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config;

fn client() -> HttpClient {
    let dns = config::Dns {
        servers: vec!["127.0.0.1:1".parse().expect("an address")],
        timeout: Duration::from_millis(100),
    };
    HttpClient {
        resolver: Resolver::new(&dns).expect("a resolver"),
        tls: ClientTls::new(None).expect("TLS"),
        families: IpFamilies::Both,
    }
}

/// A server that answers one request with these bytes, and what it read.
fn server(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("nonblocking");
    let port = listener.local_addr().expect("an address").port();
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let read = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut seen = Vec::new();
        while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut space = [0; 1024];
            let count = stream.read(&mut space).await.expect("read");
            if count == 0 {
                break;
            }
            seen.extend_from_slice(&space[..count]);
        }
        stream.write_all(answer).await.expect("write");
        String::from_utf8(seen).expect("text")
    });
    (port, read)
}

fn get(url: String) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url,
        headers: vec![
            ("x-mine".into(), "1".into()),
            ("Host".into(), "evil".into()),
        ],
        body: Bytes::new(),
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_granted_host_is_asked_and_its_answer_given_back() {
    let (port, read) = server(b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 2\r\n\r\nok");
    let grants = [format!("127.0.0.1:{port}")];
    let request = get(format!("http://127.0.0.1:{port}/a?b"));
    let answer = client()
        .send(&grants, request, PATIENCE, 100)
        .await
        .expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (302, &b"ok"[..]));
    assert!(answer.headers.contains(&("location".into(), "/x".into())));
    let read = read.await.expect("no panic");
    assert!(read.starts_with("GET /a?b HTTP/1.1\r\n"), "{read}");
    assert!(
        read.contains("x-mine: 1\r\n") && !read.contains("evil"),
        "{read}"
    );
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_cut_off() {
    let (port, _read) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789");
    let grants = [format!("127.0.0.1:{port}")];
    let request = get(format!("http://127.0.0.1:{port}/"));
    let answer = client().send(&grants, request, PATIENCE, 5).await;
    assert_eq!(answer, Err(HttpError::TooLarge));
}

#[tokio::test]
async fn a_machine_of_ours_is_reached_only_where_that_is_meant() {
    let everything = ["*".to_owned()];
    for url in [
        "http://127.0.0.1/",
        "http://localhost:25/",
        "http://[::1]/",
        "http://169.254.169.254/",
    ] {
        let answer = client()
            .send(&everything, get(url.to_owned()), PATIENCE, 5)
            .await;
        assert_eq!(answer, Err(HttpError::NotGranted), "{url}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    for url in [
        "ftp://example.com/",
        "http://user@example.com/",
        "nonsense",
        "/path",
    ] {
        let answer = client().send(&[], get(url.to_owned()), PATIENCE, 5).await;
        assert_eq!(answer, Err(HttpError::Protocol), "{url}");
    }
}
