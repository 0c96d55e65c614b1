//! HTTP both ways: requests to granted hosts, and answers to requests for the plugin's own pages.

use std::time::Duration;

pub use crate::bindings::baton::relay::http::Error;
use crate::host::http as host;
use crate::{Request, Response};

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::new("POST", url)
        }
    }

    /// The same request with a header.
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A header, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.url
            .split_once('?')
            .map_or(self.url.as_str(), |(path, _)| path)
    }

    /// What follows the question mark; empty without one.
    pub fn query(&self) -> &str {
        self.url.split_once('?').map_or("", |(_, query)| query)
    }

    /// Sends it and waits for the whole answer. The host must be granted.
    pub fn send(&self, timeout: Duration) -> Result<Response, Error> {
        host::send(self, milliseconds(timeout))
    }

    /// Sends it with the current message as body, without copying the message through the plugin.
    pub fn send_message(&self, timeout: Duration) -> Result<Response, Error> {
        host::send_message(self, milliseconds(timeout))
    }
}

impl Response {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// 200 with a page.
    pub fn html(page: impl Into<Vec<u8>>) -> Self {
        Self::new(200)
            .with_header("Content-Type", "text/html; charset=utf-8")
            .with_body(page)
    }

    /// 200 with text.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::new(200)
            .with_header("Content-Type", "text/plain; charset=utf-8")
            .with_body(text)
    }

    /// The same answer with another status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same answer with a header.
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same answer with a body.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A header, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(&found.1)
}

fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}
