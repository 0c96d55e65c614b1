//! Against a small server of our own on loopback: what it says is in [`zone`].

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, MessageType, OpCode};
use hickory_proto::rr::rdata;
use tokio::net::UdpSocket;

use super::*;

/// What exists; a name without the record asked for has no data, and all others do not exist.
fn zone(name: &str, kind: RecordType) -> Result<Vec<RData>, ResponseCode> {
    let name_of = |text: &str| Name::from_ascii(text).unwrap();
    let mx = |preference, host: &str| RData::MX(rdata::MX::new(preference, name_of(host)));
    let a = |a, b, c, d| RData::A(rdata::A(Ipv4Addr::new(a, b, c, d)));
    let v6 = |text: &str| RData::AAAA(rdata::AAAA(text.parse().unwrap()));
    let ptr = |text: &str| RData::PTR(rdata::PTR(name_of(text)));
    let txt = |parts: &[&str]| {
        RData::TXT(rdata::TXT::from_bytes(
            parts.iter().map(|p| p.as_bytes()).collect(),
        ))
    };
    Ok(match (name, kind) {
        ("mail.test", RecordType::MX) => vec![mx(20, "B.mail.test."), mx(10, "a.mail.test.")],
        ("null.test", RecordType::MX) => vec![mx(0, ".")],
        ("a.mail.test", RecordType::A) => vec![a(192, 0, 2, 1)],
        ("a.mail.test", RecordType::AAAA) => vec![v6("2001:db8::1")],
        ("b.mail.test", RecordType::A) => vec![a(192, 0, 2, 2)],
        ("bare.test", RecordType::A) => vec![a(192, 0, 2, 3)],
        ("text.test", RecordType::TXT) => vec![txt(&["v=spf1 ", "-all"]), txt(&["other"])],
        ("1.2.0.192.in-addr.arpa", RecordType::PTR) => {
            vec![ptr("liar.test."), ptr("a.mail.test.")]
        }
        ("9.2.0.192.in-addr.arpa", RecordType::PTR) => vec![ptr("liar.test.")],
        ("liar.test", RecordType::A) => vec![a(198, 51, 100, 1)],
        ("2.0.0.127.list.test", RecordType::A) => vec![a(127, 0, 0, 4)],
        ("3.0.0.127.list.test", RecordType::A) => vec![a(192, 0, 2, 99)],
        ("bad.example.list.test", RecordType::A) => vec![a(127, 0, 1, 2)],
        ("broken.test", _) => return Err(ResponseCode::ServFail),
        (name, _) if known(name) => Vec::new(),
        _ => return Err(ResponseCode::NXDomain),
    })
}

fn known(name: &str) -> bool {
    [
        "mail.test",
        "null.test",
        "a.mail.test",
        "b.mail.test",
        "bare.test",
        "text.test",
        "liar.test",
    ]
    .contains(&name)
}

async fn serve(socket: UdpSocket) {
    let mut buffer = [0; 4096];
    while let Ok((count, peer)) = socket.recv_from(&mut buffer).await {
        let Ok(question) = Message::from_vec(&buffer[..count]) else {
            continue;
        };
        let query = question.queries[0].clone();
        let name = query.name().to_ascii().to_ascii_lowercase();
        let name = name.trim_end_matches('.');
        if name == "silent.test" {
            continue;
        }
        let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
        answer.add_query(query.clone());
        match zone(name, query.query_type()) {
            Ok(records) => {
                for data in records {
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                }
            }
            Err(code) => answer.metadata.response_code = code,
        }
        socket
            .send_to(&answer.to_vec().unwrap(), peer)
            .await
            .unwrap();
    }
}

async fn resolver() -> Resolver {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let servers = vec![socket.local_addr().unwrap()];
    tokio::spawn(serve(socket));
    Resolver::new(&config::Dns {
        servers,
        timeout: Duration::from_secs(2),
    })
    .unwrap()
}

#[tokio::test]
async fn exchangers_come_by_preference_and_in_lower_case() {
    let found = resolver().await.mail_hosts("Mail.Test").await.unwrap();
    let expected = |preference, exchange: &str| Mx {
        preference,
        exchange: exchange.into(),
    };
    assert_eq!(
        found,
        MailHosts::Exchangers(vec![
            expected(10, "a.mail.test"),
            expected(20, "b.mail.test")
        ])
    );
}

#[tokio::test]
async fn a_null_mx_a_missing_mx_and_a_missing_name_are_told_apart() {
    let resolver = resolver().await;
    assert_eq!(resolver.mail_hosts("null.test").await, Ok(MailHosts::Null));
    assert_eq!(
        resolver.mail_hosts("bare.test").await,
        Ok(MailHosts::Implicit)
    );
    let missing = resolver.mail_hosts("nowhere.test").await.unwrap_err();
    assert_eq!(missing, DnsError::NoSuchName("nowhere.test".into()));
    assert!(missing.is_permanent());
}

#[tokio::test]
async fn a_failing_or_silent_server_is_a_failure_that_may_pass() {
    let resolver = resolver().await;
    let failed = resolver.mail_hosts("broken.test").await.unwrap_err();
    assert!(matches!(failed, DnsError::Failed { .. }), "{failed:?}");
    assert!(!failed.is_permanent());
    let silent = resolver.mail_hosts("silent.test").await.unwrap_err();
    assert!(!silent.is_permanent(), "{silent:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_within_its_time() {
    // The port was free a moment ago; nothing listens.
    let servers = vec![
        UdpSocket::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap(),
    ];
    let config = config::Dns {
        servers,
        timeout: Duration::from_millis(400),
    };
    let resolver = Resolver::new(&config).unwrap();
    let began = std::time::Instant::now();
    assert!(
        !resolver
            .mail_hosts("mail.test")
            .await
            .unwrap_err()
            .is_permanent()
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn addresses_of_both_families_come_together_and_one_is_enough() {
    let resolver = resolver().await;
    let both = resolver
        .addresses("a.mail.test", config::IpFamilies::Both)
        .await
        .unwrap();
    let text: Vec<_> = both.iter().map(IpAddr::to_string).collect();
    assert_eq!(text, ["2001:db8::1", "192.0.2.1"]);
    let one = resolver
        .addresses("b.mail.test", config::IpFamilies::Both)
        .await
        .unwrap();
    assert_eq!(one.len(), 1);
    let none = resolver
        .addresses("b.mail.test", config::IpFamilies::V6)
        .await
        .unwrap_err();
    assert_eq!(none, DnsError::NoData("b.mail.test".into()));
}

#[tokio::test]
async fn texts_are_joined_from_their_strings() {
    let mut texts = resolver().await.texts("text.test").await.unwrap();
    texts.sort();
    assert_eq!(texts, ["other", "v=spf1 -all"]);
}

#[tokio::test]
async fn a_name_is_believed_only_if_it_resolves_back() {
    let resolver = resolver().await;
    let name = |text: &str| resolver.confirmed_name(text.parse().unwrap());
    assert_eq!(
        name("192.0.2.1").await.unwrap().as_deref(),
        Some("a.mail.test")
    );
    assert_eq!(name("192.0.2.9").await.unwrap(), None);
    assert_eq!(name("192.0.2.200").await.unwrap(), None);
    assert_eq!(
        name("::ffff:192.0.2.1").await.unwrap().as_deref(),
        Some("a.mail.test")
    );
}

#[tokio::test]
async fn a_block_list_lists_with_loopback_addresses_alone() {
    let resolver = resolver().await;
    let listed = |subject: &'static str| resolver.listed("list.test", subject);
    assert_eq!(
        listed("127.0.0.2").await.unwrap(),
        Some("127.0.0.4".parse().unwrap())
    );
    assert_eq!(listed("127.0.0.3").await.unwrap(), None);
    assert_eq!(listed("127.0.0.9").await.unwrap(), None);
    assert_eq!(
        listed("bad.example").await.unwrap(),
        Some("127.0.1.2".parse().unwrap())
    );
}

#[test]
fn addresses_are_reversed_as_block_lists_want_them() {
    assert_eq!(reversed("192.0.2.1".parse().unwrap()), "1.2.0.192");
    let v6 = reversed("2001:db8::1".parse().unwrap());
    assert!(
        v6.starts_with("1.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2"),
        "{v6}"
    );
}
