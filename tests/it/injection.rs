//! Submitting over HTTP as an application does it: once however often it asks, to many at once, and for later.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_tests::{Relay, eventually, http};
use serde_json::{Value, json};

async fn ask(relay: SocketAddr, key: Option<&str>, body: &Value) -> (u16, Value) {
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    let body = body.to_string();
    let answer = http::request(relay, "POST", "/api/v1/messages", &headers, body.as_bytes());
    let answer = answer.await.unwrap();
    let told = serde_json::from_str(&answer.text()).unwrap_or(Value::Null);
    (answer.status, told)
}

/// In seconds since 1970.
fn now() -> u64 {
    #[allow(clippy::disallowed_methods)] // Which time it is for the relay.
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn letter(subject: &str) -> Value {
    json!({ "from": "shop@sender.test", "to": "ann@example.net", "subject": subject, "text": "hello" })
}

#[tokio::test]
async fn a_request_with_a_key_is_taken_once_however_often_it_comes_and_through_a_crash() {
    let mut relay = Relay::dev().await;
    let (status, first) = ask(relay.http, Some("\"order 17\""), &letter("one")).await;
    assert_eq!(status, 201, "{first}");
    let (status, again) = ask(relay.http, Some("order 17"), &letter("one")).await;
    assert_eq!((status, &again["id"]), (201, &first["id"]), "{again}");
    assert_eq!(again["again"], true);
    // As when the answer was lost because the machine was.
    relay.kill();
    relay.restart().await;
    let (status, again) = ask(relay.http, Some("order 17"), &letter("one")).await;
    assert_eq!((status, &again["id"]), (201, &first["id"]), "{again}");
    let (status, other) = ask(relay.http, Some("order 17"), &letter("two")).await;
    assert_eq!(status, 422, "{other}");
    let (status, other) = ask(relay.http, Some("order 18"), &letter("one")).await;
    assert_eq!(status, 201);
    assert_ne!(other["id"], first["id"]);
    let (status, _) = ask(relay.http, Some(&"k".repeat(256)), &letter("one")).await;
    assert_eq!(status, 400);
    assert_eq!(relay.wait_for_inbox(2).await.len(), 2);
}

#[tokio::test]
async fn requests_with_one_key_at_the_same_time_make_one_message() {
    let relay = Relay::dev().await;
    let body = letter("at once");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (http, body) = (relay.http, body.clone());
            tokio::spawn(async move { ask(http, Some("same"), &body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    for (status, told) in &answers {
        assert!([201, 409].contains(status), "{told}");
    }
    assert!(answers.iter().any(|(status, _)| *status == 201));
    let (_, after) = ask(relay.http, Some("same"), &body).await;
    assert_eq!(after["again"], true, "{after}");
    let (_, marker) = ask(relay.http, None, &letter("marker")).await;
    assert_eq!(marker["state"], "queued");
    assert_eq!(relay.wait_for_inbox(2).await.len(), 2);
}

#[tokio::test]
async fn a_template_becomes_a_message_each_and_what_is_refused_hinders_no_other() {
    let relay = Relay::dev().await;
    let suppressed = json!({ "address": "gone@example.net" });
    let answer = http::post_json(relay.http, "/api/v1/suppression", &suppressed)
        .await
        .unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let to = |name: &str| json!({ "to": format!("{name}@example.net"), "substitutions": { "name": name } });
    let body = json!({
        "from": "shop@sender.test", "subject": "Dear {{ name }}", "text": "Hello {{ name }}",
        "html": "<p>Hello {{ name }}</p>", "tags": { "campaign": "may" },
        "messages": [to("ann"), to("gone"), to("bob")],
    });
    let (status, told) = ask(relay.http, Some("may"), &body).await;
    assert_eq!(status, 201, "{told}");
    assert_eq!(
        (&told["taken"], &told["refused"]),
        (&json!(2), &json!(1)),
        "{told}"
    );
    assert_eq!(told["messages"][1]["status"], 422, "{told}");
    assert!(
        told["messages"][1]["reply"]
            .as_str()
            .unwrap()
            .starts_with("550"),
        "{told}"
    );
    // Again: those that were taken are not taken again.
    let (_, again) = ask(relay.http, Some("may"), &body).await;
    assert_eq!(again["messages"][0]["id"], told["messages"][0]["id"]);
    assert_eq!(again["messages"][2]["again"], true);
    let mut subjects: Vec<String> = relay
        .wait_for_inbox(2)
        .await
        .iter()
        .map(|message| message["subject"].as_str().unwrap().to_owned())
        .collect();
    subjects.sort();
    assert_eq!(subjects, ["Dear ann", "Dear bob"]);
    let id = told["messages"][0]["id"].as_str().unwrap();
    let message = relay.api(&format!("/api/v1/messages/{id}")).await;
    assert_eq!(message["tags"]["campaign"], "may", "{message}");
    // A mistake in one of them: none is sent.
    let mut wrong = body.clone();
    wrong["messages"][2]["substitutions"] = json!({});
    let (status, told) = ask(relay.http, None, &wrong).await;
    assert_eq!(status, 400);
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .starts_with("messages[2]: "),
        "{told}"
    );
    assert_eq!(relay.inbox().await.len(), 2);
}

#[tokio::test]
async fn a_message_for_later_waits_in_the_queue_through_a_restart_and_goes_when_it_is_time() {
    let mut relay = Relay::dev().await;
    let at = now() + 4;
    let mut later = letter("later");
    later["send_at"] = at.into();
    let (status, told) = ask(relay.http, None, &later).await;
    assert_eq!(
        (status, &told["state"]),
        (201, &json!("scheduled")),
        "{told}"
    );
    let mut never = letter("never");
    never["send_at"] = (at + 3600).into();
    let (_, never) = ask(relay.http, None, &never).await;
    let (_, soon) = ask(relay.http, None, &letter("soon")).await;
    assert_eq!(soon["state"], "queued");
    assert_eq!(relay.wait_for_inbox(1).await[0]["subject"], "soon");
    assert!(relay.stop().await);
    relay.restart().await;
    let inbox = eventually("it arrives", Duration::from_secs(30), async || {
        let inbox = relay.inbox().await;
        (inbox.len() == 2).then_some(inbox)
    })
    .await;
    assert!(now() >= at);
    assert!(inbox.iter().any(|message| message["subject"] == "later"));
    // What waits for its time can be taken back.
    let path = format!("/api/v1/queue/{}/remove", never["id"].as_str().unwrap());
    let answer = http::post_json(relay.http, &path, &json!({}))
        .await
        .unwrap();
    assert_eq!(answer.text(), "{\"changed\":1}");
}
