use super::*;
use crate::token::{Signer, Subject};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const TARGET: &str = "https://x.test/a?b=1&c=%20#d";

fn relay() -> testing::Relay {
    testing::Relay::new()
        .property("public-url", "https://t.test")
        .property("peer-ip", "192.0.2.9")
}

fn path(kind: Kind, target: &str) -> String {
    let key = key::signing("1", None).expect("a key");
    let subject = Subject {
        message: "m1".to_owned(),
        recipient: "bob@b.test".to_owned(),
        account: "shop".to_owned(),
        sent: clock::now_seconds() as u32 - 60,
    };
    let mut path = kind.path().to_owned();
    Signer::new("1", &key, &subject).write(kind, 3, target, &mut path);
    path
}

fn ask(method: &str, path: &str) -> Response {
    let request = Request::new(method, path).with_header("User-Agent", BROWSER);
    answer(&Settings::default(), &request).expect("an answer")
}

fn field(event: &(String, Vec<(String, String)>), name: &str) -> Option<String> {
    event
        .1
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.clone())
}

#[test]
fn a_click_leads_to_the_exact_target_and_is_reported() {
    let relay = relay();
    let response = ask("GET", &path(Kind::Click, TARGET));
    assert_eq!(response.status, 302);
    assert_eq!(response.header("location"), Some(TARGET));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert!(
        response
            .header("cache-control")
            .is_some_and(|value| value.contains("no-store"))
    );
    assert_eq!(response.header("set-cookie"), None);
    let events = relay.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, "clicked");
    for (name, value) in [
        ("message", "m1"),
        ("recipient", "bob@b.test"),
        ("index", "3"),
        ("target", TARGET),
        ("by", "person"),
        ("age-seconds", "60"),
        ("ip", "192.0.2.9"),
    ] {
        assert_eq!(field(&events[0], name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn head_is_answered_and_not_counted() {
    let relay = relay();
    let response = ask("HEAD", &path(Kind::Click, TARGET));
    assert_eq!(
        (response.status, response.header("location")),
        (302, Some(TARGET))
    );
    let response = ask("HEAD", &path(Kind::Open, ""));
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert!(relay.events().is_empty());
}

#[test]
fn a_scanner_gets_the_redirect_and_is_told_from_people() {
    let relay = relay();
    let request = Request::get(path(Kind::Click, TARGET))
        .with_header("User-Agent", "Barracuda Sentinel (EE)");
    assert_eq!(
        answer(&Settings::default(), &request)
            .expect("an answer")
            .status,
        302
    );
    assert_eq!(field(&relay.events()[0], "by").as_deref(), Some("scanner"));
}

#[test]
fn the_pixel_is_a_gif_that_nobody_keeps() {
    let relay = relay();
    for suffix in ["", ".gif"] {
        let response = ask("GET", &format!("{}{suffix}", path(Kind::Open, "")));
        assert_eq!(
            (response.status, response.header("content-type")),
            (200, Some("image/gif"))
        );
        assert_eq!(
            (&response.body[..6], response.body.len()),
            (&b"GIF89a"[..], 43)
        );
    }
    assert_eq!(relay.events()[1].0, "opened");
}

#[test]
fn unsubscribing_takes_a_post() {
    let relay = relay();
    let path = path(Kind::Unsubscribe, "");
    let page = ask("GET", &path);
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.body).contains("bob@b.test"));
    assert!(relay.events().is_empty());
    let request = Request::post(path, "List-Unsubscribe=One-Click");
    assert_eq!(
        answer(&Settings::default(), &request)
            .expect("an answer")
            .status,
        200
    );
    let events = relay.events();
    assert_eq!(events[0].0, "unsubscribed");
    for (name, value) in [
        ("recipient", "bob@b.test"),
        ("account", "shop"),
        ("method", "one-click"),
        ("by", "person"),
    ] {
        assert_eq!(field(&events[0], name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn nothing_but_a_good_token_leads_anywhere() {
    let relay = relay();
    let good = path(Kind::Click, TARGET);
    let mut altered = good.clone();
    let last = altered.pop().expect("a token");
    altered.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [
        altered.as_str(),
        &good[..good.len() - 1],
        &good.replace("/c/", "/u/"),
        &good.replace("/c/", "/o/"),
        &format!("{good}.gif"),
        "/c/",
        "/c/https://evil.test/",
        "/c",
        "/",
        "",
        "/x",
        "/c/%00",
        "/c/..",
        "/é",
    ] {
        let response = ask("GET", bad);
        assert_eq!(response.status, 404, "{bad}");
        assert_eq!(response.header("location"), None);
        assert!(
            response
                .header("content-type")
                .is_some_and(|value| value.starts_with("text/html"))
        );
    }
    assert_eq!(ask("POST", &good).status, 405);
    assert_eq!(ask("DELETE", &good).header("allow"), Some("GET, HEAD"));
    assert!(relay.events().is_empty());
}

#[test]
fn a_key_of_another_relay_opens_nothing() {
    let _relay = relay();
    let path = path(Kind::Click, TARGET);
    let _other = testing::Relay::new();
    random::bytes(1);
    assert_eq!(ask("GET", &path).status, 404);
    key::signing("1", None).expect("another key");
    assert_eq!(ask("GET", &path).status, 404);
}

#[test]
fn a_link_dies_with_its_days() {
    let relay = relay();
    let settings = Settings {
        expire_days: 2,
        ..Settings::default()
    };
    let request = Request::get(path(Kind::Click, TARGET));
    assert_eq!(answer(&settings, &request).expect("an answer").status, 302);
    let out = Request::get(path(Kind::Unsubscribe, ""));
    relay.advance(std::time::Duration::from_secs(2 * 86_400));
    assert_eq!(answer(&settings, &request).expect("an answer").status, 404);
    assert_eq!(answer(&settings, &out).expect("an answer").status, 200);
}

#[test]
fn an_old_key_still_verifies_after_another_took_over() {
    let _relay = relay().secret("new-key", "0123456789abcdef0123");
    let old = Request::get(path(Kind::Click, TARGET));
    let settings = Settings {
        key_id: "2".to_owned(),
        key_secrets: [("2".to_owned(), "new-key".to_owned())].into(),
        ..Settings::default()
    };
    assert_eq!(answer(&settings, &old).expect("an answer").status, 302);
    let key = key::signing("2", settings.key_secrets.get("2")).expect("a key");
    let mut path = "/c/".to_owned();
    Signer::new("2", &key, &Subject::default()).write(Kind::Click, 0, TARGET, &mut path);
    assert_eq!(
        answer(&settings, &Request::get(path))
            .expect("an answer")
            .status,
        302
    );
}
