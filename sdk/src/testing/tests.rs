//! The stand-in does what the contract says of the relay, as far as tests of plugins lean on it.

use std::time::Duration;

use crate::prelude::*;

const MIXED: &str = "From: ann@a.test\r\nSubject: a\r\n b\r\nContent-Type: multipart/mixed; boundary=\"m\"\r\n\r\n\
    --m\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve=\r\n!\r\n\
    --m\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n\
    --m\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nsigned\r\n--s--\r\n\
    --m\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nfile\r\n--m--\r\n";

#[test]
fn parts_come_decoded_and_in_order() {
    let relay = testing::Relay::new().message(MIXED);
    let parts: Vec<_> = message::parts().collect();
    let media: Vec<&str> = parts.iter().map(|part| part.media_type.as_str()).collect();
    assert_eq!(
        media,
        [
            "multipart/mixed",
            "text/plain",
            "text/html",
            "multipart/signed",
            "text/plain",
            "text/plain"
        ]
    );
    assert_eq!(relay.text(1), "naïve!");
    assert_eq!(relay.text(2), "<b>hi</b>");
    assert_eq!(message::header("subject").as_deref(), Some("a b"));
    assert_eq!((parts[4].parent, parts[4].editable), (Some(3), false));
    assert!(parts[5].is_attachment() && !parts[1].is_attachment());
    assert_eq!(parts[4].set_text("x"), Err(message::Error::Protected));
    assert_eq!(parts[0].text(), Err(message::Error::NotText));
    let bytes: Vec<u8> = parts[2]
        .content()
        .flat_map(|piece| piece.expect("bytes"))
        .collect();
    assert_eq!(bytes, b"<b>hi</b>");
    assert_eq!(
        message::raw()
            .map(|piece| piece.expect("bytes").len())
            .sum::<usize>(),
        MIXED.len()
    );
    assert_eq!(message::find(&["NAÏVE", "hi", "absent", "file"]), [1, 3]);
}

#[test]
fn header_edits_are_seen_at_once_and_checked() {
    let relay = testing::Relay::new().message("A: 1\r\nb: 2\r\na: 3\r\n\r\n");
    message::replace_header("A", "4").expect("a good field");
    message::append_header("C", "5").expect("a good field");
    message::prepend_header("D", "6").expect("a good field");
    let names: Vec<String> = message::headers().map(|field| field.name).collect();
    assert_eq!(names, ["D", "A", "b", "C"]);
    assert_eq!(message::remove_header("B"), Ok(1));
    assert_eq!(relay.header("b"), None);
    assert!(message::prepend_header("X", "a\r\nEvil: 1").is_err());
    assert!(message::prepend_header("X:", "a").is_err());
}

#[test]
fn keys_expire_count_and_fill_again() {
    let relay = testing::Relay::new();
    kv::set_string("a", "1", Some(10)).expect("kv");
    assert_eq!(kv::set_if_absent("a", "2", None), Ok(false));
    relay.advance(Duration::from_secs(10));
    assert_eq!(kv::get_string("a"), Ok(None));
    assert_eq!(kv::set_if_absent("a", "2", None), Ok(true));
    assert_eq!(kv::increment("n", 2, Some(5)), Ok(2.0));
    assert_eq!(kv::increment("n", -3, Some(5)), Ok(-1.0));
    let taken: Vec<bool> = (0..3)
        .map(|_| kv::take("t", 1.0, 0.5, 2.0).expect("kv"))
        .collect();
    assert_eq!(taken, [true, true, false]);
    relay.advance(Duration::from_secs(2));
    assert_eq!(kv::take("t", 1.0, 0.5, 2.0), Ok(true));
    for number in 0..600 {
        kv::set(&format!("k{number:03}"), b"", None).expect("kv");
    }
    let keys: Vec<String> = kv::keys("k").map(|key| key.expect("kv")).collect();
    assert_eq!((keys.len(), keys[599].as_str()), (600, "k599"));
}

#[test]
fn requests_need_an_answer_that_was_granted() {
    let relay = testing::Relay::new();
    let request = Request::post("https://api.test/", "x").with_header("A", "b");
    assert_eq!(
        request.send(Duration::from_secs(1)),
        Err(http::Error::NotGranted)
    );
    let _relay = relay.http(|request| Response::text(request.body.clone()).with_status(201));
    let response = request.send(Duration::from_secs(1)).expect("an answer");
    assert_eq!(
        (response.status, response.body.as_slice()),
        (201, &b"x"[..])
    );
}

#[test]
fn names_that_are_not_set_do_not_exist() {
    let _relay = testing::Relay::new()
        .dns("MX", "a.test", &["10 mx.a.test"])
        .dns("bl.test", "192.0.2.1", &["127.0.0.2"]);
    assert_eq!(
        dns::mail_exchangers("a.test").expect("records")[0].exchange,
        "mx.a.test"
    );
    assert_eq!(
        dns::listed("bl.test", "192.0.2.1"),
        Ok(Some("127.0.0.2".to_owned()))
    );
    assert_eq!(dns::listed("bl.test", "192.0.2.2"), Ok(None));
    assert_eq!(dns::texts("a.test"), Err(dns::Error::NoSuchName));
}

#[test]
fn a_wrong_configuration_is_quoted() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[allow(dead_code)]
        limit: u32,
    }
    let _relay = testing::Relay::new().config(serde_json::json!({ "limit": "ten" }));
    let error = config::read::<Settings>()
        .expect_err("a mistake")
        .to_string();
    assert!(
        error.starts_with("configuration: invalid type: string \"ten\""),
        "{error}"
    );
    assert!(error.ends_with("near `{\"limit\":\"ten\"`"), "{error}");
}

#[test]
fn a_submitted_message_is_recorded() {
    let relay = testing::Relay::new();
    let sender = testing::mailbox("ann@a.test");
    submit::message(Some(&sender), &[testing::mailbox("bob@b.test")], b"x").expect("accepted");
    assert_eq!(relay.submitted()[0].recipients, ["bob@b.test"]);
    assert!("nobody".parse::<Mailbox>().is_err() && "@b.test".parse::<Mailbox>().is_err());
}
