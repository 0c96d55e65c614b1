//! The pages behind tracked links: the redirect, the pixel, and the unsubscribe page. Nothing here sets a cookie, and nothing
//! leads anywhere that a signed token does not name.

use baton_sdk::prelude::*;

use crate::key;
use crate::link;
use crate::settings::Settings;
use crate::token::{Claim, Kind, Token};
use crate::visitor::{self, Visitor};

#[cfg(test)]
mod tests;

const SECONDS_PER_DAY: u64 = 86_400;

/// A transparent GIF of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// Answers a request for one of this plugin's pages.
pub fn answer(settings: &Settings, request: &Request) -> Result<Response> {
    let method = request.method.to_ascii_uppercase();
    let path = request.path();
    let (kind, methods) = match path.get(..3) {
        Some("/c/") => (Kind::Click, "GET, HEAD"),
        Some("/o/") => (Kind::Open, "GET, HEAD"),
        Some("/u/") => (Kind::Unsubscribe, "GET, HEAD, POST"),
        _ => return Ok(dead_link(&method)),
    };
    let Some(token) = verified(settings, kind, &path[3..])? else {
        return Ok(dead_link(&method));
    };
    if !methods.split(", ").any(|allowed| allowed == method) {
        return Ok(guarded(Response::new(405)).with_header("Allow", methods));
    }
    let visit = Visit {
        token: &token,
        request,
        counts: method != "HEAD",
    };
    let response = match kind {
        Kind::Click => visit.click(),
        Kind::Open => visit.open(),
        Kind::Unsubscribe if method == "POST" => visit.unsubscribe(),
        Kind::Unsubscribe => visit.ask(),
    };
    Ok(if method == "HEAD" {
        response.with_body("")
    } else {
        response
    })
}

/// A token that some key of this relay signed for that page, and that is not too old for it.
fn verified(settings: &Settings, kind: Kind, text: &str) -> Result<Option<Token>> {
    let text = if kind == Kind::Open {
        text.strip_suffix(".gif").unwrap_or(text)
    } else {
        text
    };
    let Some(claim) = Claim::parse(text) else {
        return Ok(None);
    };
    // The id is not yet to be believed, and becomes the name of a key in storage.
    if !key::is_id(&claim.key_id) {
        return Ok(None);
    }
    let secret = settings.key_secrets.get(&claim.key_id);
    let Some(key) = key::verifying(&claim.key_id, secret)? else {
        return Ok(None);
    };
    let token = claim.verify(kind, &key);
    Ok(token.filter(|token| {
        let seconds = u64::from(settings.expire_days) * SECONDS_PER_DAY;
        // The way out stays open.
        seconds == 0
            || kind == Kind::Unsubscribe
            || clock::now_seconds() <= u64::from(token.subject.sent) + seconds
    }))
}

struct Visit<'a> {
    token: &'a Token,
    request: &'a Request,
    counts: bool,
}

impl Visit<'_> {
    fn click(&self) -> Response {
        // Only such targets are signed; a key that leaked still opens no other scheme.
        if link::host(&self.token.target).is_none() {
            return dead_link("GET");
        }
        let index = self.token.index.to_string();
        let more = [("index", index.as_str()), ("target", &self.token.target)];
        self.report("clicked", &more);
        guarded(Response::new(302)).with_header("Location", link::for_header(&self.token.target))
    }

    fn open(&self) -> Response {
        self.report("opened", &[]);
        guarded(Response::new(200))
            .with_header("Content-Type", "image/gif")
            .with_body(PIXEL)
    }

    /// Scanners follow links with GET: that alone must not unsubscribe anybody (RFC 8058 section 1).
    fn ask(&self) -> Response {
        let whom = escaped(&self.token.subject.recipient);
        page(
            200,
            "Unsubscribe",
            &format!(
                "<p>Stop sending mail like this to <strong>{whom}</strong>?</p>\
                 <form method=\"post\"><button name=\"confirm\" value=\"yes\">Unsubscribe</button></form>"
            ),
        )
    }

    /// By the button, or by a mail program at one click (RFC 8058 section 3.2).
    fn unsubscribe(&self) -> Response {
        let one_click = self
            .request
            .body
            .windows(9)
            .any(|window| window.eq_ignore_ascii_case(b"One-Click"));
        let method = if one_click { "one-click" } else { "page" };
        self.report(
            "unsubscribed",
            &[("method", method), ("account", &self.token.subject.account)],
        );
        page(
            200,
            "Unsubscribed",
            "<p>You will not get mail like this any more.</p>",
        )
    }

    fn report(&self, kind: &str, more: &[(&str, &str)]) {
        if !self.counts {
            return;
        }
        let subject = &self.token.subject;
        let age = clock::now_seconds()
            .saturating_sub(u64::from(subject.sent))
            .to_string();
        let visitor = visitor::of(self.request);
        // Whoever posts the form has been asked; a mail program's own agent is none of a person's.
        let visitor = if kind == "unsubscribed" {
            Visitor::Person
        } else {
            visitor
        };
        let agent = printable(self.request.header("user-agent").unwrap_or_default());
        let ip = context::property("peer-ip").unwrap_or_default();
        let fixed = [
            ("message", subject.message.as_str()),
            ("recipient", &subject.recipient),
            ("by", visitor.word()),
            ("age-seconds", &age),
            ("user-agent", &agent),
            ("ip", &ip),
        ];
        let fields = fixed
            .iter()
            .chain(more)
            .filter(|(_, value)| !value.is_empty());
        events::emit(kind, fields.map(|(key, value)| (*key, *value)));
    }
}

const AGENT_CHARACTERS_MAX: usize = 256;

fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(AGENT_CHARACTERS_MAX)
        .collect()
}

fn dead_link(method: &str) -> Response {
    let response = page(
        404,
        "Link not found",
        "<p>This link does not work. It may have been cut off or changed on its way; please use the one in the original \
         message.</p>",
    );
    if method == "HEAD" {
        response.with_body("")
    } else {
        response
    }
}

/// What every answer carries: it is nobody's to keep, and tells the target nothing of where the reader came from.
fn guarded(response: Response) -> Response {
    response
        .with_header(
            "Cache-Control",
            "no-store, no-cache, must-revalidate, private, max-age=0",
        )
        .with_header("Referrer-Policy", "no-referrer")
        .with_header("X-Robots-Tag", "noindex, nofollow")
        .with_header("X-Content-Type-Options", "nosniff")
}

fn page(status: u16, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title></head><body style=\"font:16px/1.5 \
         sans-serif;max-width:32em;margin:15vh auto;padding:0 1em\"><h1>{title}</h1>{body}</body></html>"
    );
    guarded(Response::html(html))
        .with_status(status)
        .with_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
