//! Outgoing requests of plugins: one connection each, HTTP/1.1, to where the operator lets them go.
//!
//! No redirect is followed: its target is another request, with its own look at the grants. An address that is not public
//! is reached only where that is meant (see [`super::reach`]), whatever a name resolves to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use baton_hooks::{HttpError, HttpRequest, HttpResponse};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::reach;
use crate::config::IpFamilies;
use crate::dns::Resolver;
use crate::limits;
use crate::net;
use crate::tls::{ClientTls, Trust};

/// Sends requests.
#[derive(Clone)]
pub struct HttpClient {
    pub resolver: Resolver,
    pub tls: ClientTls,
    pub families: IpFamilies,
}

/// A target, parsed.
struct Target {
    encrypted: bool,
    host: String,
    port: u16,
    path: String,
    authority: String,
}

impl HttpClient {
    /// One request and its answer. `grants` are the plugin's, and were checked for the host's name already.
    pub async fn send(
        &self,
        grants: &[String],
        request: HttpRequest,
        patience: Duration,
        body_bytes_max: usize,
    ) -> Result<HttpResponse, HttpError> {
        let exchange = self.exchange(grants, request, body_bytes_max);
        timeout(patience, exchange)
            .await
            .map_err(|_| HttpError::Timeout)?
    }

    async fn exchange(
        &self,
        grants: &[String],
        request: HttpRequest,
        body_bytes_max: usize,
    ) -> Result<HttpResponse, HttpError> {
        let target = Target::parse(&request.url)?;
        let addresses = self.addresses(&target, grants).await?;
        let mut connected = Err(HttpError::Connect);
        for address in addresses.into_iter().take(limits::ADDRESSES_TRIED_MAX) {
            let socket = SocketAddr::new(address, target.port);
            if let Ok(stream) = net::connect(socket, None).await {
                connected = Ok(stream);
                break;
            }
        }
        let stream = connected?;
        let outgoing = build(&target, request)?;
        if target.encrypted {
            let stream = self
                .tls
                .connect(Trust::Verified, &target.host, stream)
                .await
                .map_err(|_| HttpError::Tls)?;
            converse(stream, outgoing, body_bytes_max).await
        } else {
            converse(stream, outgoing, body_bytes_max).await
        }
    }

    async fn addresses(
        &self,
        target: &Target,
        grants: &[String],
    ) -> Result<Vec<IpAddr>, HttpError> {
        let found = if let Ok(literal) = target.host.parse() {
            vec![literal]
        } else if target.host.eq_ignore_ascii_case("localhost") {
            vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
        } else {
            let found = self.resolver.addresses(&target.host, self.families).await;
            found.map_err(|_| HttpError::Dns)?
        };
        if reach::private_is_meant(grants, &target.host, target.port) {
            return Ok(found);
        }
        let public: Vec<IpAddr> = found
            .into_iter()
            .filter(|ip| reach::is_public(*ip))
            .collect();
        if public.is_empty() {
            Err(HttpError::NotGranted)
        } else {
            Ok(public)
        }
    }
}

impl Target {
    fn parse(url: &str) -> Result<Target, HttpError> {
        let uri: Uri = url.parse().map_err(|_| HttpError::Protocol)?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(HttpError::Protocol),
        };
        let authority = uri.authority().ok_or(HttpError::Protocol)?;
        // Names and passwords in URLs have no meaning here, and hide the host from who reads the grant.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(HttpError::Protocol);
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = authority
            .port_u16()
            .unwrap_or(if encrypted { 443 } else { 80 });
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        Ok(Target {
            encrypted,
            host,
            port,
            path,
            authority: authority.to_string(),
        })
    }
}

fn build(target: &Target, request: HttpRequest) -> Result<Request<Full<Bytes>>, HttpError> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| HttpError::Protocol)?;
    // A tunnel would be a way around everything that is checked here.
    if method == Method::CONNECT {
        return Err(HttpError::Protocol);
    }
    let mut outgoing = Request::new(Full::new(request.body));
    *outgoing.method_mut() = method;
    *outgoing.uri_mut() = target.path.parse().map_err(|_| HttpError::Protocol)?;
    let headers = outgoing.headers_mut();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HttpError::Protocol)?;
        // The connection and its framing are ours.
        if [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            continue;
        }
        headers.append(
            name,
            HeaderValue::from_str(value).map_err(|_| HttpError::Protocol)?,
        );
    }
    let host = HeaderValue::from_str(&target.authority).map_err(|_| HttpError::Protocol)?;
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(outgoing)
}

async fn converse<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    body_bytes_max: usize,
) -> Result<HttpResponse, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(limits::HTTP_BUFFER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| HttpError::Protocol)?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|_| HttpError::Protocol)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, body_bytes_max)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    HttpError::TooLarge
                } else {
                    HttpError::Protocol
                }
            })?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)));
        Ok(HttpResponse {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: body.to_bytes(),
        })
    };
    let mut exchange = std::pin::pin!(exchange);
    // The connection is driven beside the exchange. A server that closes at once ends it first, with the answer still to
    // be taken.
    tokio::select! {
        biased;
        answer = exchange.as_mut() => answer,
        _ = connection => exchange.await,
    }
}

#[cfg(test)]
mod tests;
