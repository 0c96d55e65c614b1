//! A small client of the relay's own API.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Failure;

/// One request.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Where the relay is, and what opens it.
#[derive(Debug, clap::Args)]
pub struct Api {
    /// The admin listener of the relay.
    #[arg(
        long,
        value_name = "URL",
        env = "BATON_URL",
        default_value = "http://127.0.0.1:8025"
    )]
    url: String,
    /// The token, where the relay asks for one.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "BATON_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
}

impl Api {
    /// Sends a request and reads its JSON; null where there is none.
    pub fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let body = body.map(|value| ("application/json", value.to_string()));
        let text = self.text(method, path, body)?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Sends a request with a body of some type and reads the answer as it is.
    pub fn text(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<String, Failure> {
        let (status, bytes) = super::runtime()?.block_on(async {
            tokio::time::timeout(TIMEOUT, self.send(method, path, body))
                .await
                .map_err(|_| Failure::Unreachable(format!("{} did not answer in time", self.url)))?
        })?;
        if status.is_success() {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        Err(refused(status, &bytes))
    }

    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None)
    }

    /// Sends a request and hands over its answer piece by piece, as it comes, until `end`. Whether the relay ended it.
    pub fn stream(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
        end: impl Future<Output = ()>,
    ) -> Result<bool, Failure> {
        super::runtime()?.block_on(async {
            let opened = tokio::time::timeout(TIMEOUT, self.open(Method::GET, path, None)).await;
            let response = opened.map_err(|_| {
                Failure::Unreachable(format!("{} did not answer in time", self.url))
            })??;
            let status = response.status();
            let mut body = Body::new(response.into_body());
            if !status.is_success() {
                let bytes = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await;
                return Err(refused(status, &bytes.unwrap_or_default()));
            }
            let mut end = std::pin::pin!(end);
            loop {
                let frame = tokio::select! {
                    () = &mut end => return Ok(false),
                    frame = body.frame() => frame,
                };
                match frame {
                    None => return Ok(true),
                    Some(Ok(frame)) => {
                        if let Some(bytes) = frame.data_ref() {
                            take(bytes).map_err(Failure::failed)?;
                        }
                    }
                    Some(Err(error)) => {
                        return Err(Failure::Unreachable(format!("{}: {error}", self.url)));
                    }
                }
            }
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let response = self.open(method, path, body).await?;
        let status = response.status();
        let body = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX)
            .await
            .map_err(|error| Failure::Unreachable(format!("{}: {error}", self.url)))?;
        Ok((status, body))
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<Response<Incoming>, Failure> {
        let unreachable =
            |error: &dyn std::fmt::Display| Failure::Unreachable(format!("{}: {error}", self.url));
        let uri: Uri = self.url.parse().map_err(Failure::usage)?;
        if uri.scheme_str() != Some("http") {
            return Err(Failure::usage(format_args!(
                "{} is not an http:// address",
                self.url
            )));
        }
        let authority = uri
            .authority()
            .ok_or_else(|| Failure::usage("the URL has no host"))?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|e| unreachable(&e))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable(&e))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::HOST, authority.as_str());
        if let Some((kind, _)) = &body {
            request = request.header(header::CONTENT_TYPE, *kind);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |(_, text)| Body::from(text));
        let request = request.body(body).map_err(Failure::usage)?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| unreachable(&e))?;
        Ok(response)
    }
}

/// What a problem document says.
fn refused(status: StatusCode, bytes: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let detail = value["detail"]
        .as_str()
        .or(value["title"].as_str())
        .unwrap_or("");
    Failure::failed(format_args!("{status}: {detail}"))
}
