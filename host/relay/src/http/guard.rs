//! Who may use the admin listener.
//!
//! With a token anybody; without one only where the configuration says `open`, which it may on loopback alone. A browser on
//! the same machine reaches loopback too, and runs other people's pages: their scripts are kept out by the name they call us
//! by (DNS rebinding), and by where the browser says that a request comes from (CSRF).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::Parts;
use super::problem::Problem;
use crate::config::{Scope, Token};
use crate::event::Event;

/// Name of the token that was shown; absent where none is asked for.
#[derive(Debug, Clone)]
pub struct Account(pub Option<String>);

/// Lets a request to the API or the metrics through, or says why not.
pub async fn admin(
    State(parts): State<Arc<Parts>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(
        &parts,
        request.method(),
        request.uri().path(),
        request.headers(),
    ) {
        Ok(account) => {
            request.extensions_mut().insert(account);
            next.run(request).await
        }
        Err((status, reason)) => {
            parts.bus.emit(Event::HttpRefused {
                peer,
                path: request.uri().path().to_owned(),
                status: status.as_u16(),
                reason,
            });
            Problem::new(status, reason).into_response()
        }
    }
}

fn admit(
    parts: &Parts,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Account, (StatusCode, &'static str)> {
    let shown = headers.get(header::AUTHORIZATION).and_then(bearer);
    let account = match shown {
        Some(token) => {
            let token = known(&parts.config.tokens, token)
                .ok_or((StatusCode::UNAUTHORIZED, "The token is not known."))?;
            if !token.scopes.contains(&needed(method, path)) {
                let reason = "The token is not good for that; see scopes in the configuration.";
                return Err((StatusCode::FORBIDDEN, reason));
            }
            Some(token.name.clone())
        }
        None if parts.config.open => None,
        None => return Err((StatusCode::UNAUTHORIZED, "A bearer token is needed.")),
    };
    // A page that calls us by a name of its own has no token to show.
    if account.is_none() && !is_our_name(host(headers), &parts.config.hosts) {
        let reason = "The Host is none of this listener's names; see hosts in the configuration.";
        return Err((StatusCode::MISDIRECTED_REQUEST, reason));
    }
    if !is_same_origin(method, headers) {
        return Err((
            StatusCode::FORBIDDEN,
            "Requests of other sites' pages are refused.",
        ));
    }
    Ok(Account(account))
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// What a token has to be good for.
fn needed(method: &Method, path: &str) -> Scope {
    match *method {
        Method::GET | Method::HEAD => Scope::Read,
        Method::POST if path == "/api/v1/messages" => Scope::Send,
        _ => Scope::Operate,
    }
}

fn known<'t>(tokens: &'t [Token], shown: &str) -> Option<&'t Token> {
    let hash: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
    // Hashes are compared, and in constant time: the clock tells nothing about a token.
    let same = |token: &Token| {
        token
            .sha256
            .iter()
            .zip(hash)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
    };
    tokens.iter().find(|token| same(token))
}

fn host(headers: &HeaderMap) -> &str {
    headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

/// An address literal cannot be rebound, "localhost" is not in the DNS, and the rest is listed.
fn is_our_name(host: &str, hosts: &[String]) -> bool {
    let name = without_port(host);
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    literal.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What browsers tell of a request's origin; other clients tell nothing and pass.
fn is_same_origin(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = HeaderName::from_static("sec-fetch-site");
    if !matches!(text(&site), None | Some("same-origin" | "none")) {
        return false;
    }
    match text(&header::ORIGIN) {
        None => true,
        Some(_) if *method == Method::GET || *method == Method::HEAD => true,
        Some(origin) => origin
            .split_once("://")
            .is_some_and(|(_, name)| name.eq_ignore_ascii_case(host(headers))),
    }
}

/// Bounds the time of a request, and adds what browsers should know about every answer of ours.
pub async fn bound(State(parts): State<Arc<Parts>>, request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(parts.config.request_timeout, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| {
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "The request took too long.").into_response()
    });
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("cache-control", "no-store"),
    ] {
        let name = HeaderName::from_static(name);
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cannot_be_rebound_are_ours() {
        for ours in [
            "127.0.0.1:8025",
            "localhost",
            "[::1]:8025",
            "LOCALHOST:1",
            "admin.example.net",
        ] {
            assert!(is_our_name(ours, &["admin.example.net".into()]), "{ours}");
        }
        for theirs in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:8025",
            "localhost.evil.example",
        ] {
            assert!(
                !is_our_name(theirs, &["admin.example.net".into()]),
                "{theirs}"
            );
        }
    }

    #[test]
    fn a_page_of_another_site_may_not_change_anything() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
                .collect()
        };
        let post = Method::POST;
        let ours = ("host", "127.0.0.1:8025");
        assert!(is_same_origin(&post, &headers(&[ours])));
        assert!(is_same_origin(
            &post,
            &headers(&[ours, ("origin", "http://127.0.0.1:8025")])
        ));
        assert!(!is_same_origin(
            &post,
            &headers(&[ours, ("origin", "http://evil.example")])
        ));
        assert!(!is_same_origin(
            &post,
            &headers(&[ours, ("origin", "http://127.0.0.1:9000")])
        ));
        assert!(!is_same_origin(
            &post,
            &headers(&[ours, ("origin", "null")])
        ));
        assert!(!is_same_origin(
            &Method::GET,
            &headers(&[ours, ("sec-fetch-site", "cross-site")])
        ));
        assert!(is_same_origin(
            &Method::GET,
            &headers(&[ours, ("sec-fetch-site", "same-origin")])
        ));
    }

    #[test]
    fn looking_sending_and_changing_are_told_apart() {
        let send = "/api/v1/messages";
        assert_eq!(needed(&Method::POST, send), Scope::Send);
        assert_eq!(needed(&Method::GET, send), Scope::Read);
        assert_eq!(needed(&Method::GET, "/metrics"), Scope::Read);
        for path in [
            "/api/v1/suppression",
            "/api/v1/messages/",
            "/api/v1/queue/1/retry",
        ] {
            assert_eq!(needed(&Method::POST, path), Scope::Operate, "{path}");
        }
        assert_eq!(needed(&Method::DELETE, "/api/v1/inbox"), Scope::Operate);
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = Token {
            name: "ops".into(),
            sha256: Sha256::digest(b"secret").into(),
            scopes: vec![Scope::Read],
        };
        let tokens = [token];
        assert_eq!(known(&tokens, "secret").unwrap().name, "ops");
        assert!(known(&tokens, "Secret").is_none());
        assert_eq!(
            bearer(&HeaderValue::from_static("bearer  secret")),
            Some("secret")
        );
        assert_eq!(bearer(&HeaderValue::from_static("Basic secret")), None);
    }
}
