//! New messages from their contents: what an application submits as sender, recipients, subject and text.
//!
//! Written with this room's own encoders, the ones that edits use: every line is CRLF and short, names are encoded as
//! RFC 2047 wants them, and the same arguments give the same bytes.

use bytes::Bytes;

use crate::edit::with_crlf;
use crate::encoding::{TransferEncoding, base64_encode};
use crate::error::Error;
use crate::field::{NewField, check_name};

#[cfg(test)]
mod tests;

/// A message to be made.
#[derive(Debug, Clone, Default)]
pub struct Draft<'a> {
    /// A From field: an address, with or without a name.
    pub from: &'a str,
    pub to: &'a [&'a str],
    pub cc: &'a [&'a str],
    pub reply_to: Option<&'a str>,
    pub subject: &'a str,
    pub text: Option<&'a str>,
    pub html: Option<&'a str>,
    pub attachments: &'a [Attachment<'a>],
    /// Further fields. One that names a field made here is refused.
    pub headers: &'a [(&'a str, &'a str)],
    /// RFC 5322 date.
    pub date: &'a str,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// Becomes the boundaries, lengthened if a part happens to hold it.
    pub boundary: &'a str,
    /// The message travels with SMTPUTF8, so that addresses may be UTF-8.
    pub utf8: bool,
}

/// A file that goes with a message.
#[derive(Debug, Clone)]
pub struct Attachment<'a> {
    pub filename: &'a str,
    /// type/subtype; application/octet-stream where it is none.
    pub media_type: &'a str,
    pub content: &'a [u8],
    /// Content-ID without angle brackets, for pictures that the HTML shows.
    pub content_id: Option<&'a str>,
}

impl Draft<'_> {
    /// Makes the message: text/plain or text/html, multipart/alternative for both, multipart/mixed with attachments.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::TooLarge`] as [`NewField::new`], and if `headers` repeats a field that is made here.
    pub fn compose(&self) -> Result<Bytes, Error> {
        let mut out = Vec::new();
        let mut field = |name: &str, value: &str| -> Result<(), Error> {
            out.extend_from_slice(NewField::new(name, value, self.utf8)?.bytes());
            Ok(())
        };
        field("From", self.from)?;
        if !self.to.is_empty() {
            field("To", &self.to.join(", "))?;
        }
        if !self.cc.is_empty() {
            field("Cc", &self.cc.join(", "))?;
        }
        if let Some(address) = self.reply_to {
            field("Reply-To", address)?;
        }
        field("Subject", self.subject)?;
        field("Date", self.date)?;
        field("Message-ID", &format!("<{}>", self.message_id))?;
        for (name, value) in self.headers {
            check_own_field(name)?;
            field(name, value)?;
        }
        field("MIME-Version", "1.0")?;
        out.extend_from_slice(&self.body());
        if !out.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        Ok(out.into())
    }

    fn body(&self) -> Vec<u8> {
        let text = self.text.map(|text| text_part("text/plain", text));
        let html = self.html.map(|html| text_part("text/html", html));
        let body = match (text, html) {
            (Some(text), Some(html)) => self.multipart("alternative", "a", &[text, html]),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => text_part("text/plain", ""),
        };
        if self.attachments.is_empty() {
            return body;
        }
        let mut parts = vec![body];
        parts.extend(self.attachments.iter().map(Attachment::part));
        self.multipart("mixed", "m", &parts)
    }

    fn multipart(&self, subtype: &str, mark: &str, parts: &[Vec<u8>]) -> Vec<u8> {
        let contents: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let boundary = safe_boundary(&format!("{}{mark}", self.boundary), &contents);
        let mut out =
            format!("Content-Type: multipart/{subtype};\r\n\tboundary=\"{boundary}\"\r\n")
                .into_bytes();
        for part in parts {
            out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
            out.extend_from_slice(part);
        }
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        out
    }
}

impl Attachment<'_> {
    fn part(&self) -> Vec<u8> {
        let media_type = if is_media_type(self.media_type) {
            self.media_type
        } else {
            "application/octet-stream"
        };
        let disposition = if self.content_id.is_some() {
            "inline"
        } else {
            "attachment"
        };
        let mut out = format!("Content-Type: {media_type}\r\n");
        if let Some(id) = self.content_id {
            let id: String = id.chars().filter(char::is_ascii_graphic).collect();
            out.push_str(&format!("Content-ID: <{id}>\r\n"));
        }
        out.push_str(&format!("Content-Disposition: {disposition}"));
        put_filename(&mut out, self.filename);
        out.push_str("\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        let mut out = out.into_bytes();
        out.extend_from_slice(&base64_encode(self.content));
        out
    }
}

/// Fields and content of a text part in UTF-8.
pub(crate) fn text_part(media_type: &str, text: &str) -> Vec<u8> {
    let text = with_crlf(text);
    let encoding = TransferEncoding::SevenBit.for_text(text.as_bytes());
    let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
    let mut out = format!(
        "Content-Type: {media_type}; charset={charset}\r\nContent-Transfer-Encoding: {}\r\n\r\n",
        encoding.name()
    )
    .into_bytes();
    out.extend_from_slice(&encoding.encode(text.as_bytes()));
    out
}

/// A boundary that none of the contents holds: `wanted`, reduced to letters and digits, lengthened as needed.
pub(crate) fn safe_boundary(wanted: &str, contents: &[&[u8]]) -> String {
    const WANTED_MAX: usize = 50;
    let mut boundary: String = wanted
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(WANTED_MAX)
        .collect();
    // "=_" occurs neither in quoted-printable nor in base64.
    boundary.insert_str(0, "=_");
    for extra in 0u32.. {
        let candidate = match extra {
            0 => boundary.clone(),
            _ => format!("{boundary}.{extra}"),
        };
        let taken = contents
            .iter()
            .any(|content| memchr::memmem::find(content, candidate.as_bytes()).is_some());
        if !taken {
            return candidate;
        }
    }
    boundary
}

fn check_own_field(name: &str) -> Result<(), Error> {
    check_name(name)?;
    const OWN: [&str; 13] = [
        "From",
        "To",
        "Cc",
        "Bcc",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Received",
        "Return-Path",
    ];
    if OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(Error::invalid(format!("{name} is not a further field")));
    }
    Ok(())
}

fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(main, sub)| {
        token(main) && token(sub) && !main.eq_ignore_ascii_case("multipart")
    })
}

/// RFC 2183 2.3 in quotes, or RFC 2231 where the name is not ASCII or too long.
fn put_filename(out: &mut String, filename: &str) {
    const QUOTED_MAX: usize = 60;
    const PIECE_MAX: usize = 60;
    let clean: String = filename.chars().filter(|c| !c.is_control()).collect();
    if clean.is_ascii() && clean.len() <= QUOTED_MAX {
        let quoted = clean.replace('\\', "\\\\").replace('"', "\\\"");
        out.push_str(&format!(";\r\n\tfilename=\"{quoted}\""));
        return;
    }
    let mut pieces = vec![String::from("utf-8''")];
    for byte in clean.bytes() {
        let encoded = if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            (byte as char).to_string()
        } else {
            format!("%{byte:02X}")
        };
        match pieces.last_mut() {
            Some(last) if last.len() + encoded.len() <= PIECE_MAX => last.push_str(&encoded),
            _ => pieces.push(encoded),
        }
    }
    if let [only] = pieces.as_slice() {
        out.push_str(&format!(";\r\n\tfilename*={only}"));
        return;
    }
    for (at, piece) in pieces.iter().enumerate() {
        out.push_str(&format!(";\r\n\tfilename*{at}*={piece}"));
    }
}
