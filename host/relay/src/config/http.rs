//! `[http]`.

use std::time::Duration;

use super::raw::{Located, Section};
use super::read::{Names, values};
use super::{Http, Scope, Token, is_loopback, network};

pub(super) fn http(section: &Section<'_, '_>) -> Http {
    let admin = section.address("admin");
    let public = section.address("public");
    if let (Some(admin), Some(public)) = (&admin, &public)
        && admin.value == public.value
        && admin.value.port() != 0
    {
        let message = "the public address is that of the admin listener";
        section.wrong(
            public.span.clone(),
            "public",
            message,
            Some("give each its own port"),
        );
    }
    let token_sections = section.sections("token");
    let has_tokens = !token_sections.is_empty();
    let tokens = tokens(token_sections);
    let open = section.flag("open");
    let loopback = admin
        .as_ref()
        .is_some_and(|found| is_loopback(found.value.ip()));
    if let Some(Located { value: true, span }) = &open
        && admin.is_some()
        && !loopback
    {
        let hint = Some("add [[http.token]]; `baton hash-password --token` makes one");
        let message = "an admin listener that others can reach needs tokens";
        section.wrong(span.clone(), "open", message, hint);
    }
    let is_open = open.is_some_and(|found| found.value);
    if let Some(Located { span, .. }) = &admin
        && !has_tokens
        && !is_open
    {
        let hint = "add [[http.token]] (`baton hash-password --token` makes one), or on loopback open = true";
        let message = "the admin listener has no token, so that nobody could use it";
        section.wrong(span.clone(), "admin", message, Some(hint));
    }
    let http = Http {
        admin: admin.map(|found| found.value),
        public: public.map(|found| found.value),
        public_url: section
            .parsed("public-url", public_url)
            .map(|found| found.value),
        hosts: values(section.list("hosts", network::host_name)),
        tokens,
        open: is_open,
        body_bytes_max: section
            .size("body-bytes-max", 1 << 10)
            .map_or(64 << 20, |size| usize::try_from(size).unwrap_or(usize::MAX)),
        request_timeout: section
            .duration(
                "request-timeout",
                Duration::from_secs(1),
                Duration::from_secs(3600),
            )
            .map_or(Duration::from_secs(30), |found| found.value),
        connections_max: section
            .number("connections-max", 1..=100_000)
            .unwrap_or(1_000),
    };
    section.finish();
    http
}

fn tokens(sections: Vec<Section<'_, '_>>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut names = Names::default();
    for section in sections {
        let name = names.take(&section, "token");
        let hash = section.parsed("sha256", |text| {
            hex(text).ok_or_else(|| "expected a SHA-256 in 64 hexadecimal digits".to_owned())
        });
        if hash.is_none() && section.get("sha256", |_| Ok(())).is_none() {
            let hint = Some("`baton hash-password --token` makes a token and its hash");
            section.wrong(section.span(), "sha256", "the token has no hash", hint);
        }
        let scopes = values(section.list("scopes", |text| {
            let mut all = Scope::ALL.into_iter();
            all.find(|scope| scope.name() == text)
                .ok_or_else(|| format!("{text:?} is none of \"send\", \"read\" and \"operate\""))
        }));
        section.finish();
        if let (Some(name), Some(hash)) = (name, hash) {
            tokens.push(Token {
                name,
                sha256: hash.value,
                scopes: match scopes.is_empty() {
                    true => Scope::ALL.to_vec(),
                    false => scopes,
                },
            });
        }
    }
    tokens
}

fn hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

fn public_url(text: &str) -> Result<String, String> {
    let url: axum::http::Uri = text
        .parse()
        .map_err(|e| format!("{text:?} is not a URL: {e}"))?;
    let secure = matches!(url.scheme_str(), Some("http" | "https"));
    if !secure || url.authority().is_none() || url.query().is_some() {
        return Err(format!(
            "{text:?} is not an http or https URL without a query"
        ));
    }
    Ok(text.trim_end_matches('/').to_owned())
}
