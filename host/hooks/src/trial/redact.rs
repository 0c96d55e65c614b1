//! Addresses and texts taken out of a record, the same one always by the same one.
//!
//! Of an address the local part goes, and with it the name beside it; the domain stays, since routes, policies and
//! translations depend on it. Of a body every letter and digit goes; its length, its lines, its tags and the hosts of its
//! links stay. The key of the pseudonyms is made for each record and kept nowhere.

use baton_message::{EditSet, Message};
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::load::hex;

/// Fields that hold addresses with names beside them.
const ADDRESS_FIELDS: [&str; 8] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Return-Path",
    "Delivered-To",
];

/// Of the hash that stands for a local part.
const PSEUDONYM_DIGITS: usize = 12;

/// What is taken out, and how the rest is called.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    pub addresses: bool,
    pub bodies: bool,
    key: [u8; 32],
}

impl Redactor {
    pub fn new(addresses: bool, bodies: bool) -> Redactor {
        Redactor {
            addresses,
            bodies,
            key: rand::random(),
        }
    }

    /// Whether anything is taken out at all.
    pub fn is_on(&self) -> bool {
        self.addresses || self.bodies
    }

    /// Another name for a local part. One that is a pseudonym already stays.
    fn pseudonym(&self, local: &str, domain: &str) -> String {
        let digits = local.strip_prefix("r-").unwrap_or("");
        if digits.len() == PSEUDONYM_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return local.to_owned();
        }
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(local.as_bytes());
        hasher.update(b"@");
        hasher.update(domain.to_ascii_lowercase().as_bytes());
        format!("r-{}", &hex(&hasher.finalize())[..PSEUDONYM_DIGITS])
    }

    /// A text with other addresses.
    pub fn text(&self, text: &str) -> String {
        if !self.addresses || !text.contains('@') {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (local, domain) in addresses(text) {
            out.push_str(&text[from..local.start]);
            out.push_str(&self.pseudonym(&text[local.clone()], &text[domain]));
            from = local.end;
        }
        out.push_str(&text[from..]);
        out
    }

    /// Every text in a value, with other addresses.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(value)),
            Value::Object(map) => map.values_mut().for_each(|value| self.value(value)),
            _ => {}
        }
    }

    /// The text of a body.
    pub fn body(&self, text: &str) -> String {
        if self.bodies {
            blank(text)
        } else {
            self.text(text)
        }
    }

    /// A message that is as well formed as it was.
    pub fn message(&self, bytes: &Bytes) -> Bytes {
        let message = Message::parse(bytes.clone());
        let mut draft = EditSet::new(message.clone(), true);
        for part in message.parts() {
            let at = part.index();
            if part.is_text()
                && let Ok(text) = message.text(at)
            {
                // What is protected is gone over as bytes below.
                let _ = draft.set_text(at, &self.body(text));
            }
        }
        for name in ADDRESS_FIELDS {
            if self.addresses
                && let Some(value) = message.header(name)
            {
                let found: Vec<String> = addresses(&value)
                    .into_iter()
                    .map(|(local, domain)| {
                        let domain = &value[domain];
                        format!("<{}@{domain}>", self.pseudonym(&value[local], domain))
                    })
                    .collect();
                let _ = draft.replace_header(name, &found.join(", "));
            }
        }
        if self.bodies
            && let Some(subject) = message.header("Subject")
        {
            let _ = draft.replace_header("Subject", &blank(&subject));
        }
        let rendered = draft.render(&[]).into_bytes();
        self.raw(&Message::parse(rendered))
    }

    /// What no edit may touch or that is no text, byte by byte.
    fn raw(&self, message: &Message) -> Bytes {
        let mut bytes = message.bytes().to_vec();
        for part in message.parts() {
            let range = part.body_range();
            let leaf = !part.is_multipart() && !part.is_enclosed_message();
            let gone_over = part.is_text() && message.is_editable(part.index());
            if self.bodies && leaf && !gone_over {
                for byte in &mut bytes[range] {
                    if byte.is_ascii_alphanumeric() {
                        *byte = b'A';
                    }
                }
            }
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.text(&text).into(),
            // Latin-1 keeps every byte at its place.
            Err(other) => {
                let text: String = other.as_bytes().iter().copied().map(char::from).collect();
                let text = self.text(&text);
                text.chars()
                    .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
                    .collect()
            }
        }
    }
}

type Span = std::ops::Range<usize>;

/// Local parts and domains of what looks like addresses.
fn addresses(text: &str) -> Vec<(Span, Span)> {
    let local_char =
        |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b) || b >= 0x80;
    let domain_char = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b >= 0x80;
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut from = 0;
    for at in memchr::memchr_iter(b'@', bytes) {
        if at < from {
            continue;
        }
        let mut start = at;
        if start > from && bytes[start - 1] == b'"' {
            // A quoted local part.
            match bytes[from..start - 1].iter().rposition(|b| *b == b'"') {
                Some(open) => start = from + open,
                None => continue,
            }
        } else {
            while start > from && local_char(bytes[start - 1]) {
                start -= 1;
            }
        }
        let mut end = at + 1;
        while end < bytes.len() && domain_char(bytes[end]) {
            end += 1;
        }
        if start < at && end > at + 1 {
            found.push((start..at, at + 1..end));
            from = at + 1;
        }
    }
    found
}

/// A text of the same shape: letters are x, digits 0; tags and the hosts of links stay.
fn blank(text: &str) -> String {
    let is_html = text.contains("</");
    let mut out = String::with_capacity(text.len());
    let mut in_tag = false;
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let keep = in_tag && quote.is_none();
        if !keep && let Some(host) = link_host(rest) {
            out.push_str(&rest[..host]);
            rest = &rest[host..];
            continue;
        }
        match c {
            '<' if is_html && !in_tag => in_tag = true,
            '>' if in_tag && quote.is_none() => in_tag = false,
            '"' | '\'' if in_tag => match quote {
                None => quote = Some(c),
                Some(open) if open == c => quote = None,
                Some(_) => {}
            },
            _ => {}
        }
        out.push(match c {
            c if keep => c,
            c if c.is_alphabetic() => 'x',
            c if c.is_numeric() => '0',
            c => c,
        });
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// How long scheme and host of a link are, if one begins here.
fn link_host(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme))?;
    let rest = &text[scheme.len()..];
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':')))
        .unwrap_or(rest.len());
    Some(scheme.len() + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_always_called_the_same_and_its_domain_stays() {
        let one = Redactor::new(true, false);
        let text = one.text(
            "from <ann@example.net> to bob+x@example.org, not ann@example.com; ann@EXAMPLE.net",
        );
        assert!(!text.contains("ann") && !text.contains("bob"), "{text}");
        let names: Vec<&str> = text.split("r-").skip(1).map(|rest| &rest[..12]).collect();
        assert_eq!(names.len(), 4);
        assert_eq!(names[0], names[3]);
        assert_ne!(names[0], names[2], "another domain, another person");
        assert!(text.contains("@example.org,"), "{text}");
        assert_ne!(
            Redactor::new(true, false).text("ann@example.net"),
            one.text("ann@example.net")
        );
        assert_eq!(one.text(&text), text, "a second time changes nothing");
        assert_eq!(one.text("@ and a @ b and c@"), "@ and a @ b and c@");
        assert!(!one.text("\"ann b\"@example.net").contains("ann"));
    }

    #[test]
    fn a_redacted_message_keeps_its_shape() {
        let text = "From: Ann Smith <ann@example.net>\r\nTo: bob@example.org\r\nSubject: Secret plans 7\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             <p class=3D\"big\">Hello J=C3=BCrgen <a href=3D\"https://shop.example/a?u=3Dann\">buy</a></p>\r\n--b\r\n\
             Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nU2VjcmV0\r\n--b--\r\n";
        let redactor = Redactor::new(true, true);
        let message = Message::parse(redactor.message(&Bytes::from(text)));
        let all = String::from_utf8(message.bytes().to_vec()).unwrap();
        for gone in [
            "Ann", "Smith", "bob", "Secret", "Hello", "rgen", "U2Vj", "u=3D",
        ] {
            assert!(!all.contains(gone), "{gone} in {all}");
        }
        let kinds: Vec<_> = message
            .parts()
            .iter()
            .map(|p| p.media_type().to_owned())
            .collect();
        assert_eq!(kinds, ["multipart/mixed", "text/html", "application/pdf"]);
        assert_eq!(
            message.text(1).unwrap().trim(),
            "<p class=\"xxx\">xxxxx xxxxxx <a href=\"https://shop.example/x?x=xxx\">xxx</a></p>"
        );
        assert_eq!(message.header("Subject").unwrap(), "xxxxxx xxxxx 0");
    }

    #[test]
    fn without_a_wish_nothing_changes() {
        let text = Bytes::from_static(b"From: a@example.net\r\n\r\nhello\r\n");
        let redactor = Redactor::new(false, false);
        assert_eq!(redactor.message(&text), text);
        assert!(!redactor.is_on());
    }
}
