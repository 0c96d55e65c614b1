//! Does what it is told: commands separated by `;` come in the greeting of the session, the local part of a recipient, the
//! header `X-Act` of a message, or the URL of a request. Results go into tags.

use std::cell::Cell;

wit_bindgen::generate!({
    inline: "
        package test:guest;
        world actor {
            include baton:relay/imports@0.1.0;
            export baton:relay/on-load@0.1.0;
            export baton:relay/on-connect@0.1.0;
            export baton:relay/on-auth@0.1.0;
            export baton:relay/on-mail@0.1.0;
            export baton:relay/on-rcpt@0.1.0;
            export baton:relay/on-data@0.1.0;
            export baton:relay/on-copy@0.1.0;
            export baton:relay/on-route@0.1.0;
            export baton:relay/on-reply@0.1.0;
            export baton:relay/on-delivered@0.1.0;
            export baton:relay/on-report@0.1.0;
            export baton:relay/on-bounce@0.1.0;
            export baton:relay/on-feedback@0.1.0;
            export baton:relay/on-request@0.1.0;
        }",
    path: ["../../../../wit"],
    world: "test:guest/actor",
    generate_all,
});

use baton::relay::deliveries::{
    Advice, Attempt, BounceDecision, Disposition, Report, ReportKind, Route, Scope, Stage, TlsDemand,
    Translation,
};
use baton::relay::http_types::{Request, Response};
use baton::relay::types::*;
use baton::relay::{
    clock, config, context, dns, events, http, kv, log, message, random, submit,
};
use exports::baton::relay as hooks;

struct Actor;
export!(Actor);

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

type Decided = Result<Decision, String>;

fn act(commands: &str) -> Decided {
    let mut last = Decision::Next;
    for command in commands.split(';') {
        let command = command.trim().replace("\\r", "\r").replace("\\n", "\n");
        let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
        last = one(verb, rest)?;
    }
    Ok(last)
}

fn reply(rest: &str) -> Reply {
    let mut words = rest.splitn(3, ' ');
    let mut word = || words.next().unwrap_or("").to_string();
    let (code, status, text) = (word(), word(), word());
    Reply { code: code.parse().unwrap_or(0), status: status.replace('-', ""), text }
}

/// Enums of the contract are shown by their name alone.
fn note(key: &str, value: impl std::fmt::Debug) {
    let mut text = format!("{value:?}");
    if let (Some(from), Some(name)) = (text.find("Error { code"), text.find("name: \"")) {
        let name = text[name + 7..].split('"').next().unwrap_or("").to_string();
        let to = from + text[from..].find('}').unwrap_or(0) + 1;
        text.replace_range(from..to, &name);
    }
    context::set_tag(key, &text);
}

fn one(verb: &str, rest: &str) -> Decided {
    let two = || rest.split_once(' ').unwrap_or((rest, ""));
    match verb {
        "accept" => return Ok(Decision::Accept),
        "discard" => return Ok(Decision::Discard),
        "hold" => return Ok(Decision::Hold(rest.into())),
        "reject" => return Ok(Decision::Reject(reply(rest))),
        "defer" => return Ok(Decision::Defer(reply(rest))),
        "disconnect" => return Ok(Decision::Disconnect(reply(rest))),
        "huge" => {
            let text = "x".repeat(rest.parse().unwrap());
            return Ok(Decision::Reject(Reply { code: 550, status: "5.0.0".into(), text }));
        }
        "err" => return Err(rest.into()),
        "loop" => {
            let mut n = 0u32;
            loop {
                n = std::hint::black_box(n.wrapping_add(1));
            }
        }
        "bomb" => {
            let mut kept = Vec::new();
            loop {
                kept.push(std::hint::black_box(vec![1u8; 1 << 20]));
            }
        }
        "grow" => {
            let kept = vec![1u8; rest.parse::<usize>().unwrap() << 20];
            note("grown", std::hint::black_box(kept).len());
        }
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("{rest}"),
        "recurse" => note("depth", recurse(u64::MAX)),
        "sleep" => std::thread::sleep(std::time::Duration::from_millis(rest.parse().unwrap())),
        "spin" => {
            let end = clock::monotonic_ms() + rest.parse::<f64>().unwrap();
            while clock::monotonic_ms() < end {}
        }
        "flood" => loop {
            std::hint::black_box(clock::monotonic_ms());
        },
        "chatter" => {
            for n in 0..rest.parse::<u32>().unwrap() {
                log::log(log::Level::Info, &format!("line {n} {}", "y".repeat(100)));
            }
        }
        "log" => log::log(log::Level::Warn, rest),
        "stderr" => eprintln!("{rest}"),
        "tag" => {
            let (key, value) = two();
            context::set_tag(key, value);
        }
        "tags" => {
            for n in 0..rest.parse::<u32>().unwrap() {
                context::set_tag(&format!("k{n}"), "v");
            }
        }
        "read-tag" => note("read", context::tag(rest)),
        "score" => {
            let (symbol, points) = two();
            context::add_score(symbol, points.parse().unwrap(), "because");
        }
        "property" => note(&format!("p-{rest}"), context::property(rest)),
        "count" => {
            COUNT.set(COUNT.get() + 1);
            note("count", COUNT.get());
        }
        "authres" => note("authres", context::authentication_results()),
        "emit" => events::emit(rest, &[("key".into(), "value".into())]),
        "emits" => {
            for _ in 0..rest.parse::<u32>().unwrap() {
                events::emit("tick", &[]);
            }
        }
        "config" => note("config", (config::get(rest), config::json())),
        "secret" => note("secret", config::secret(rest)),
        "random" => note("random", (random::bytes(rest.parse().unwrap()).len(), random::hex(2).len())),
        "kv-set" => {
            let (key, value) = two();
            note("kv", kv::set_string(key, value, None));
        }
        "kv-get" => note("kv", kv::get_string(rest)),
        "kv-incr" => note("kv", kv::increment(rest, 1, Some(60))),
        "kv-take" => note("kv", kv::take(rest, 1.0, 0.0, 2.0)),
        "kv-absent" => note("kv", kv::set_if_absent(rest, "x", None)),
        "kv-delete" => note("kv", kv::delete(rest)),
        "kv-keys" => note("kv", kv::keys(rest, None, 10)),
        "kv-long" => note("kv", kv::set_string(&"k".repeat(1000), "v", None)),
        "dns" => note("dns", dns::texts(rest)),
        "mx" => note("dns", dns::mail_exchangers(rest).map(|l| l.len())),
        "ptr" => note("dns", dns::names(rest)),
        "listed" => {
            let (zone, what) = two();
            note("dns", dns::listed(zone, what));
        }
        "dns-flood" => {
            let mut last = None;
            for _ in 0..100 {
                last = Some(dns::addresses("example.net"));
            }
            note("dns", last);
        }
        "http" => note("http", get(rest).map(|r| (r.status, r.body.len()))),
        "http-message" => {
            let request = Request { method: "POST".into(), url: rest.into(), headers: vec![], body: vec![] };
            note("http", http::send_message(&request, 1000).map(|r| r.body.len()));
        }
        "submit" => {
            let to = [Mailbox { local: "joe".into(), domain: rest.into() }];
            note("submit", submit::submit(None, &to, b"Subject: x\r\n\r\nx\r\n"));
        }
        "prepend" => {
            let (name, value) = two();
            note("edit", message::prepend_header(name, value));
        }
        "append" => {
            let (name, value) = two();
            note("edit", message::append_header(name, value));
        }
        "replace" => {
            let (name, value) = two();
            note("edit", message::replace_header(name, value));
        }
        "remove" => note("edit", message::remove_header(rest)),
        "set-text" => {
            let (part, text) = two();
            note("edit", message::set_text(part.parse().unwrap(), text));
        }
        "header" => note("header", message::header(rest)),
        "text" => note("text", message::text(rest.parse().unwrap())),
        "parts" => note(
            "parts",
            message::parts().iter().map(|p| (p.index, p.media_type.clone(), p.editable)).collect::<Vec<_>>(),
        ),
        "sizes" => note(
            "sizes",
            (message::size(), message::raw(0, 10).map(|b| b.len()), message::content(0, 0, 5).map(|b| b.len())),
        ),
        "part-digest" => note("part-digest", message::digest(rest.parse().unwrap())),
        "find" => note(
            "find",
            message::find(&rest.split(' ').map(String::from).collect::<Vec<_>>()),
        ),
        "urls" => note("urls", message::urls()),
        "wasi" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let mut map = std::collections::HashMap::new();
            for n in 0..20 {
                map.insert(n, n);
            }
            context::set_tag("wasi", &format!("{:?} {:?}", now.unwrap(), map.keys().collect::<Vec<_>>()));
        }
        "time" => {
            let seen = (clock::now_ms(), clock::monotonic_ms(), random::hex(8));
            context::set_tag("time", &format!("{seen:?}"));
        }
        // What `rival` does otherwise.
        "differ" | "outside" | "only-rival-faults" | "only-rival-loops" => {}
        "" | "next" => {}
        other => return Err(format!("no such command: {other}")),
    }
    Ok(Decision::Next)
}

fn get(url: &str) -> Result<Response, http::Error> {
    let request = Request { method: "GET".into(), url: url.into(), headers: vec![], body: vec![] };
    http::send(&request, 1000)
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == 0 { frame[0] } else { 1 + recurse(std::hint::black_box(depth - 1)) + frame[63] % 2 }
}

fn from_helo(session: &Session) -> Decided {
    act(session.helo.as_deref().unwrap_or(""))
}

impl hooks::on_load::Guest for Actor {
    fn on_load() -> Result<Option<Vec<String>>, String> {
        Ok(None)
    }
}

impl hooks::on_connect::Guest for Actor {
    fn on_connect(session: Session) -> Decided {
        from_helo(&session)
    }
}

impl hooks::on_auth::Guest for Actor {
    fn on_auth(
        _: Session,
        mechanism: String,
        identity: String,
        secret: String,
    ) -> Result<hooks::on_auth::AuthDecision, String> {
        use hooks::on_auth::AuthDecision as A;
        match (identity.as_str(), secret.as_str()) {
            ("err", text) => Err(text.into()),
            ("bad", text) => Ok(A::Allow(text.into())),
            ("joe", "right") => Ok(A::Allow(format!("joe-{mechanism}"))),
            ("joe", _) => Ok(A::Deny),
            _ => Ok(A::Next),
        }
    }
}

impl hooks::on_mail::Guest for Actor {
    fn on_mail(session: Session, envelope: Envelope) -> Decided {
        if let Some(sender) = &envelope.sender {
            note("sender", (&sender.local, &sender.domain, envelope.parameters.len()));
        }
        from_helo(&session)
    }
}

impl hooks::on_rcpt::Guest for Actor {
    fn on_rcpt(
        _: Session,
        envelope: Envelope,
        recipient: Recipient,
    ) -> Result<hooks::on_rcpt::RecipientDecision, String> {
        use hooks::on_rcpt::RecipientDecision as R;
        note("before", envelope.recipients.iter().map(|r| r.parameters.len()).collect::<Vec<_>>());
        let domain = recipient.address.domain.clone();
        let others = |locals: Vec<String>| {
            let of = |local| Mailbox { local, domain: domain.clone() };
            Ok(R::Rewrite(locals.into_iter().map(of).collect()))
        };
        let local = recipient.address.local.as_str();
        match local.split_once(' ').unwrap_or((local, "")) {
            // What the next plugin is to do with one of them is written with `_` for a space.
            ("rewrite", list) => {
                let named = list.split(' ').filter(|l| !l.is_empty());
                others(named.map(|l| l.replace('_', " ")).collect())
            }
            ("again", _) => others(vec!["again".into(), "log other".into()]),
            ("many", n) => others((0..n.parse().unwrap()).map(|k| format!("log {n}-{k}")).collect()),
            _ => act(local).map(R::Decide),
        }
    }
}

impl hooks::on_data::Guest for Actor {
    fn on_data(_: Session, _: Envelope) -> Decided {
        act(&message::header("X-Act").unwrap_or_default())
    }
}

impl hooks::on_copy::Guest for Actor {
    fn on_copy(_: Envelope, recipient: Recipient) -> Decided {
        act(&recipient.address.local)
    }
}

impl hooks::on_route::Guest for Actor {
    fn on_route(attempt: Attempt) -> Result<Option<Route>, String> {
        act(&attempt.recipient.local)?;
        Ok(attempt.egress.map(|egress| Route {
            next_hop: attempt.host,
            port: Some(2525),
            egress_pool: Some(egress),
            queue: None,
            priority: Some(200),
            tls: Some(TlsDemand::Verify),
        }))
    }
}

impl hooks::on_reply::Guest for Actor {
    fn on_reply(
        attempt: Attempt,
        stage: Stage,
        reply: Reply,
    ) -> Result<Option<Translation>, String> {
        if let Some(reason) = context::property("translation-reason") {
            context::set_tag("told", &reason);
        }
        act(&attempt.recipient.local)?;
        if reply.code == 250 {
            return Ok(None);
        }
        Ok(Some(Translation {
            disposition: Disposition::Soft,
            reason: "mailbox-full".into(),
            scope: Scope::Recipient,
            advice: Advice::Retry(Some(90)),
            explanation: format!("{} {} {:?}", reply.code, reply.text, stage),
            confidence: 0.9,
            rule: reply.status,
        }))
    }
}

impl hooks::on_delivered::Guest for Actor {
    fn on_delivered(attempt: Attempt, reply: Reply) -> Result<(), String> {
        note("delivered", (attempt.number, reply.code));
        act(&attempt.recipient.local).map(drop)
    }
}

impl hooks::on_report::Guest for Actor {
    fn on_report() -> Result<Vec<Report>, String> {
        act(&message::header("X-Act").unwrap_or_default())?;
        Ok(message::header("X-Final-Recipient")
            .map(|recipient| Report {
                kind: ReportKind::Bounce,
                recipient: Some(recipient),
                original_recipient: None,
                reply: Some(Reply { code: 550, status: "5.1.1".into(), text: "a\nb".into() }),
                remote_host: None,
                translation: None,
                feedback_type: None,
                original_message_id: None,
            })
            .into_iter()
            .collect())
    }
}

impl hooks::on_bounce::Guest for Actor {
    fn on_bounce(attempt: Attempt, report: Report) -> Result<BounceDecision, String> {
        note("bounce", (report.translation.map(|t| t.reason), report.reply.map(|r| r.status)));
        Ok(if attempt.number > 1 { BounceDecision::Silent } else { BounceDecision::Notify })
    }
}

impl hooks::on_feedback::Guest for Actor {
    fn on_feedback(report: Report, attempt: Option<Attempt>) -> Result<(), String> {
        note("feedback", (report.feedback_type, attempt.is_some()));
        Ok(())
    }
}

impl hooks::on_request::Guest for Actor {
    fn on_request(request: Request) -> Result<Response, String> {
        if let Some(commands) = request.url.strip_prefix("/act/") {
            act(&commands.replace('+', " "))?;
        }
        let status = if request.url == "/teapot" { 99 } else { 200 };
        Ok(Response {
            status,
            headers: vec![("Content-Type".into(), "text/plain".into())],
            body: format!("{} {} {}", request.method, request.url, request.body.len()).into_bytes(),
        })
    }
}
