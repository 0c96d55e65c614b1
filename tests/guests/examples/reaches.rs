//! Reaches for more than it should, as the subject of the message says, and answers with what came of it.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, envelope: &Envelope) -> Result<Decision> {
        let subject = message::header("Subject").unwrap_or_default();
        let (verb, rest) = subject.split_once(' ').unwrap_or((&subject, ""));
        let found = match verb {
            "fill" => fill(),
            "put" => format!("{:?}", kv::set_string("secret", rest, None)),
            "steal" => steal(rest),
            "get" => get(rest),
            "resolve" => resolve(),
            "beget" => return beget(envelope),
            _ => return Ok(Decision::Next),
        };
        let found: String = found
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect();
        Ok(Decision::reject("5.7.1", found.replace('"', "'")))
    }
}

/// As many large values as there is room for.
fn fill() -> String {
    let value = vec![b'x'; 64 << 10];
    for n in 0..100_000 {
        if let Err(error) = kv::set(&format!("key-{n}"), &value, None) {
            return format!("{error:?} after {n}");
        }
    }
    "no end".into()
}

/// Names under which another plugin's value might be found.
fn steal(other: &str) -> String {
    let names = [
        "secret".to_owned(),
        format!("{other}/secret"),
        format!("../{other}/secret"),
        format!("{other}\0secret"),
        format!("{other}:secret"),
        format!("\0{other}\0secret"),
    ];
    let found: Vec<String> = names
        .iter()
        .filter_map(|name| kv::get_string(name).ok().flatten())
        .collect();
    let keys: Vec<_> = kv::keys("").filter_map(Result::ok).collect();
    format!("{found:?} {keys:?}")
}

/// One request; a redirect is followed by hand, as a library would.
fn get(url: &str) -> String {
    let ask = |url: &str| Request::get(url).send(std::time::Duration::from_millis(1500));
    match ask(url) {
        Err(error) => format!("{error:?}"),
        Ok(answer) => match answer.header("location") {
            None => format!("{} {}", answer.status, answer.body.len()),
            Some(next) => format!("{} then {:?}", answer.status, ask(next).map(|a| a.status)),
        },
    }
}

fn resolve() -> String {
    for n in 0..1000 {
        if let Err(error @ dns::Error::Budget) = dns::texts(&format!("n{n}.flood.test")) {
            return format!("{error:?} after {n}");
        }
    }
    "no end".into()
}

/// A message that makes another of its kind.
fn beget(envelope: &Envelope) -> Result<Decision> {
    let to: Vec<Mailbox> = envelope
        .recipients
        .iter()
        .map(|r| r.address.clone())
        .collect();
    let text = b"Subject: beget\r\n\r\nagain\r\n";
    for _ in 0..2 {
        if let Err(error) = submit::message(envelope.sender.as_ref(), &to, text) {
            log::warn(format!("begot no more: {error:?}"));
        }
    }
    Ok(Decision::Next)
}
