//! `/p/<plugin>/`: requests for a plugin's `on-request`.
//!
//! What a plugin answers reaches strangers' browsers, and all plugins share one origin: so only headers that say something
//! about this one answer pass. Where the page and the API are neighbours on the same origin (in dev mode), the answer is put
//! into a sandbox that cannot use them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use baton_hooks::{HttpRequest, HttpResponse, RequestOutcome, Session, Sitting};

use super::problem::Problem;
use crate::config::is_plugin_name;
use crate::event::Event;
use crate::history;

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a request's path and query.
const URL_BYTES_MAX: usize = 8 << 10;
/// Headers of a request that a plugin sees.
const HEADERS_MAX: usize = 100;

/// Who else answers on the same origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    Nobody,
    /// The page and the API.
    Admin,
}

/// Headers of an answer that pass.
const ANSWER_HEADERS: [HeaderName; 17] = [
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_TYPE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::PRAGMA,
    header::REFERRER_POLICY,
    header::RETRY_AFTER,
    header::VARY,
    header::WARNING,
    HeaderName::from_static("x-robots-tag"),
];

/// Headers of a request that are the connection's, or secrets of other doors.
const HIDDEN_HEADERS: [HeaderName; 11] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::COOKIE,
    header::CONTENT_LENGTH,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

pub fn routes(neighbour: Neighbour) -> Router<super::State> {
    let handler = move |state: State<super::State>,
                        peer: ConnectInfo<SocketAddr>,
                        path: Path<Vec<(String, String)>>,
                        uri: axum::http::Uri,
                        method: Method,
                        headers: HeaderMap,
                        body: Bytes| async move {
        let name = path
            .0
            .into_iter()
            .next()
            .map(|(_, name)| name)
            .unwrap_or_default();
        let request = Asked {
            name,
            uri,
            method,
            headers,
            body,
            peer: peer.0,
        };
        answer(&state, request, neighbour).await
    };
    Router::new()
        .route("/p/{plugin}", any(handler))
        .route("/p/{plugin}/", any(handler))
        .route("/p/{plugin}/{*rest}", any(handler))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

struct Asked {
    name: String,
    uri: axum::http::Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    peer: SocketAddr,
}

async fn answer(
    parts: &super::State,
    asked: Asked,
    neighbour: Neighbour,
) -> Result<Response, Problem> {
    let url = below(&asked.uri, &asked.name).ok_or(Problem::not_found(""))?;
    if url.len() > URL_BYTES_MAX {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, ""));
    }
    let is_head = asked.method == Method::HEAD;
    let client = client(asked.peer, &asked.headers);
    let request = HttpRequest {
        method: asked.method.to_string(),
        url,
        headers: request_headers(&asked.headers),
        body: asked.body,
    };
    // Where a candidate serves a share of the sessions, somebody who comes again meets the same version.
    let generation = parts.plugins.generation().chosen(&client.to_string());
    let mut sitting = Sitting::new(generation);
    // How a hook learns who asks: context.property("peer-ip").
    sitting.set_session(Arc::new(Session::new("", "http", client)));
    let outcome = sitting.on_request(&asked.name, &request).await;
    for record in sitting.take_records() {
        let call = history::hook_call(&record, None);
        parts.bus.emit(Event::Hook {
            message: None,
            session: None,
            call,
        });
    }
    match outcome {
        RequestOutcome::NotFound => Err(Problem::not_found("")),
        RequestOutcome::Failed => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "")),
        RequestOutcome::Response(response) => respond(response, is_head, neighbour),
    }
}

/// Path and query below "/p/NAME", as the client wrote them.
fn below(uri: &axum::http::Uri, name: &str) -> Option<String> {
    if !is_plugin_name(name) {
        return None;
    }
    let rest = uri.path().strip_prefix("/p/")?.strip_prefix(name)?;
    let path = if rest.is_empty() { "/" } else { rest };
    Some(match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

/// Who asks. A proxy on this machine is believed about that; anybody else could claim anything.
fn client(peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let peer = peer.ip().to_canonical();
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
    let last =
        forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    match last {
        Some(client) if peer.is_loopback() => client,
        _ => peer,
    }
}

fn request_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    // What Connection names belongs to the connection as well (RFC 9110 7.6.1).
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers
        .iter()
        .filter(|(name, _)| !HIDDEN_HEADERS.contains(name))
        .filter(|(name, _)| !named.iter().any(|named| named == name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .take(HEADERS_MAX)
        .collect()
}

fn respond(answer: HttpResponse, is_head: bool, at: Neighbour) -> Result<Response, Problem> {
    let broken = || Problem::new(StatusCode::BAD_GATEWAY, "");
    let status = StatusCode::from_u16(answer.status).map_err(|_| broken())?;
    if status.is_informational() {
        return Err(broken());
    }
    let mut response = if is_head || matches!(answer.status, 204 | 304) {
        status.into_response()
    } else {
        (status, Body::from(answer.body)).into_response()
    };
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        let Ok(name) = HeaderName::try_from(name.as_str()) else {
            return Err(broken());
        };
        if !ANSWER_HEADERS.contains(&name) {
            continue;
        }
        let value = HeaderValue::try_from(value).map_err(|_| broken())?;
        headers.append(name, value);
    }
    match at {
        Neighbour::Admin => {
            const SANDBOX: &str = "sandbox allow-forms allow-popups; frame-ancestors 'none'";
            headers.insert(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(SANDBOX),
            );
        }
        Neighbour::Nobody => {
            const PLAIN: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
                                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
            let entry = headers.entry(header::CONTENT_SECURITY_POLICY);
            entry.or_insert(HeaderValue::from_static(PLAIN));
        }
    }
    // A pixel is fetched by mail programs and proxies of other origins.
    let name = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(name, HeaderValue::from_static("cross-origin"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_sees_what_stands_below_its_prefix_as_it_was_written() {
        let below = |uri: &str, name| super::below(&uri.parse().unwrap(), name);
        assert_eq!(
            below("/p/x/a%2Fb?c=%20d", "x").as_deref(),
            Some("/a%2Fb?c=%20d")
        );
        assert_eq!(below("/p/x", "x").as_deref(), Some("/"));
        assert_eq!(below("/p/x/", "x").as_deref(), Some("/"));
        assert_eq!(below("/p/../x/", ".."), None);
        assert_eq!(below("/p/%78/", "x"), None);
    }

    #[test]
    fn secrets_and_headers_of_the_connection_stay_outside() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("user-agent", "test"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let passed = request_headers(&headers);
        assert_eq!(passed, [("user-agent".to_owned(), "test".to_owned())]);
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed_about_the_client() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            HeaderValue::from_static("198.51.100.7, 203.0.113.9"),
        );
        let seen = |peer: &str| client(peer.parse().unwrap(), &headers).to_string();
        assert_eq!(seen("127.0.0.1:1"), "203.0.113.9");
        assert_eq!(seen("192.0.2.1:1"), "192.0.2.1");
        assert_eq!(
            client("127.0.0.1:1".parse().unwrap(), &HeaderMap::new()).to_string(),
            "127.0.0.1"
        );
    }

    fn answered(headers: &[(&str, &str)], at: Neighbour) -> Result<Response, Problem> {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        respond(
            HttpResponse {
                status: 200,
                headers,
                body: Bytes::from_static(b"x"),
            },
            false,
            at,
        )
    }

    #[test]
    fn only_headers_about_the_answer_itself_pass() {
        let all = [
            ("Location", "https://example.net/?a=b"),
            ("Set-Cookie", "a=b"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "5000"),
            ("Access-Control-Allow-Origin", "*"),
            ("Service-Worker-Allowed", "/"),
            ("X-Accel-Redirect", "/secret"),
        ];
        let response = answered(&all, Neighbour::Nobody).unwrap();
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(
            names,
            [
                "location",
                "content-security-policy",
                "cross-origin-resource-policy"
            ]
        );
        assert!(answered(&[("Location", "a\r\nb: c")], Neighbour::Nobody).is_err());
    }

    #[test]
    fn beside_the_page_every_answer_is_in_a_sandbox() {
        let policy = [("Content-Security-Policy", "default-src *")];
        let response = answered(&policy, Neighbour::Admin).unwrap();
        let all: Vec<_> = response
            .headers()
            .get_all("content-security-policy")
            .iter()
            .collect();
        assert_eq!(all.len(), 1);
        assert!(all[0].to_str().unwrap().starts_with("sandbox"));
    }
}
