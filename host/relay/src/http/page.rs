//! The page: static files in the binary. It shows what the API says and nothing else, so that it needs no token itself.

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

const HTML: &str = include_str!("page/index.html");

/// Name, media type and content of what the page loads.
const ASSETS: [(&str, &str, &str); 10] = [
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("page/page.css"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("diff.js", SCRIPT, include_str!("page/diff.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("inbox.js", SCRIPT, include_str!("page/inbox.js")),
    ("live.js", SCRIPT, include_str!("page/live.js")),
    ("messages.js", SCRIPT, include_str!("page/messages.js")),
    ("page.js", SCRIPT, include_str!("page/page.js")),
    ("plugins.js", SCRIPT, include_str!("page/plugins.js")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Scripts and styles of this origin alone. The message view is a frame without scripts and without an origin; it
/// inherits this policy, so that inline styles are allowed for its sake, and pictures only where they are in the message.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub async fn page() -> Response {
    file("text/html; charset=utf-8", HTML)
}

pub async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let (_, kind, text) = found.ok_or(Problem::not_found("There is no such file."))?;
    Ok(file(kind, text))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    response
}
