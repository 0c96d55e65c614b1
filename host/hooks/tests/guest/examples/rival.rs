//! Another version of what `actor` is: it reads the same commands from `X-Act` and from recipients, and takes some of them
//! otherwise. For trials of candidates.

wit_bindgen::generate!({
    inline: "
        package test:guest;
        world rival {
            include baton:relay/imports@0.1.0;
            export baton:relay/on-rcpt@0.1.0;
            export baton:relay/on-data@0.1.0;
            export baton:relay/on-delivered@0.1.0;
        }",
    path: ["../../../../wit"],
    world: "test:guest/rival",
    generate_all,
});

use baton::relay::deliveries::Attempt;
use baton::relay::http_types::Request;
use baton::relay::types::*;
use baton::relay::{clock, context, dns, events, http, kv, log, message, random, submit};
use exports::baton::relay::{on_data, on_delivered, on_rcpt};

struct Rival;
export!(Rival);

fn act(commands: &str) -> Result<Decision, String> {
    for command in commands.split(';').map(str::trim) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "tag" => context::set_tag(key, value),
            "read-tag" => {
                let value = context::tag(rest).unwrap_or_default();
                context::set_tag("read", &value);
            }
            "score" => context::add_score(key, value.parse().unwrap_or(0.0), "because"),
            "prepend" => message::prepend_header(key, value).map_err(|e| format!("{e:?}"))?,
            "set-text" => {
                let part = key.parse().map_err(|_| "part")?;
                message::set_text(part, value).map_err(|e| format!("{e:?}"))?;
            }
            // Counts twice.
            "kv-incr" => {
                kv::increment(rest, 1, Some(60)).map_err(|e| format!("{e:?}"))?;
                let sum = kv::increment(rest, 1, Some(60)).map_err(|e| format!("{e:?}"))?;
                context::set_tag("kv", &format!("Ok({sum:?})"));
            }
            "kv-get" => context::set_tag("kv", &format!("{:?}", kv::get_string(rest).ok())),
            "kv-set" => kv::set_string(key, "scratch", None).map_err(|e| format!("{e:?}"))?,
            "kv-keys" => context::set_tag("keys", &kv::keys("", None, 10).unwrap_or_default().join(" ")),
            // Asks what was not asked, and tells somebody.
            "outside" => {
                let request = Request {
                    method: "POST".into(),
                    url: "http://elsewhere.test/".into(),
                    headers: vec![],
                    body: b"everything".to_vec(),
                };
                let to = [Mailbox { local: "me".into(), domain: "elsewhere.test".into() }];
                let told = (
                    http::send(&request, 1000).is_ok(),
                    dns::texts("elsewhere.test").is_ok(),
                    submit::submit(None, &to, b"Subject: x\r\n\r\nx\r\n").is_ok(),
                );
                events::emit("outside", &[]);
                log::log(log::Level::Error, "outside");
                context::set_tag("told", &format!("{told:?}"));
            }
            "time" => {
                let seen = (clock::now_ms(), clock::monotonic_ms(), random::hex(8));
                context::set_tag("time", &format!("{seen:?}"));
            }
            "wasi" => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let mut map = std::collections::HashMap::new();
                for n in 0..20 {
                    map.insert(n, n);
                }
                context::set_tag("wasi", &format!("{:?} {:?}", now.unwrap(), map.keys().collect::<Vec<_>>()));
            }
            "differ" => {
                return Ok(Decision::Reject(Reply { code: 550, status: "5.7.1".into(), text: "Rival".into() }));
            }
            "only-rival-faults" => return Err("I cannot".into()),
            "only-rival-loops" => {
                let mut n = 0u32;
                loop {
                    n = std::hint::black_box(n.wrapping_add(1));
                }
            }
            _ => {}
        }
    }
    Ok(Decision::Next)
}

impl on_rcpt::Guest for Rival {
    fn on_rcpt(
        _: Session,
        _: Envelope,
        recipient: Recipient,
    ) -> Result<on_rcpt::RecipientDecision, String> {
        context::set_tag("before", "[]");
        act(&recipient.address.local).map(on_rcpt::RecipientDecision::Decide)
    }
}

impl on_data::Guest for Rival {
    fn on_data(_: Session, _: Envelope) -> Result<Decision, String> {
        act(&message::header("X-Act").unwrap_or_default())
    }
}

impl on_delivered::Guest for Rival {
    fn on_delivered(_: Attempt, _: Reply) -> Result<(), String> {
        Ok(())
    }
}
