//! A plain reading of a message, enough for tests: header section, nested multiparts, base64 and quoted-printable, UTF-8 and
//! Latin-1. The relay's own parser knows far more.

use crate::bindings::baton::relay::message::{Error, Field, Part};

pub(super) struct Message {
    pub raw: Vec<u8>,
    pub fields: Vec<Field>,
    bodies: Vec<Body>,
}

struct Body {
    part: Part,
    content: Vec<u8>,
    edited: Option<String>,
}

impl Message {
    pub fn parse(raw: &[u8]) -> Self {
        let (fields, body) = sections(raw);
        let mut bodies = Vec::new();
        read_part(&fields, body, None, true, &mut bodies);
        Self {
            raw: raw.to_vec(),
            fields,
            bodies,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.fields, name)
    }

    pub fn parts(&self) -> Vec<Part> {
        self.bodies.iter().map(|body| body.part.clone()).collect()
    }

    pub fn content(&self, part: u32) -> Result<&[u8], Error> {
        Ok(&self
            .bodies
            .get(part as usize)
            .ok_or(Error::NoSuchPart)?
            .content)
    }

    pub fn text(&self, part: u32) -> Result<String, Error> {
        let body = self.bodies.get(part as usize).ok_or(Error::NoSuchPart)?;
        if !body.part.media_type.starts_with("text/") {
            return Err(Error::NotText);
        }
        Ok(body
            .edited
            .clone()
            .unwrap_or_else(|| decode(&body.content, body.part.charset.as_deref())))
    }

    pub fn set_text(&mut self, part: u32, text: &str) -> Result<(), Error> {
        let body = self
            .bodies
            .get_mut(part as usize)
            .ok_or(Error::NoSuchPart)?;
        if !body.part.media_type.starts_with("text/") {
            return Err(Error::NotText);
        }
        if !body.part.editable {
            return Err(Error::Protected);
        }
        body.edited = Some(text.to_owned());
        Ok(())
    }

    pub fn edited(&self) -> Vec<u32> {
        let edited = self.bodies.iter().filter(|body| body.edited.is_some());
        edited.map(|body| body.part.index).collect()
    }
}

fn read_part(
    fields: &[Field],
    body: &[u8],
    parent: Option<u32>,
    editable: bool,
    into: &mut Vec<Body>,
) {
    let content_type = value(fields, "Content-Type").unwrap_or("text/plain");
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let disposition = value(fields, "Content-Disposition");
    let protected = matches!(
        media_type.as_str(),
        "multipart/signed"
            | "multipart/encrypted"
            | "application/pkcs7-mime"
            | "application/pgp-encrypted"
    );
    let editable = editable && !protected;
    let content = transfer_decode(body, value(fields, "Content-Transfer-Encoding"));
    let index = into.len() as u32;
    let filename = disposition
        .and_then(|value| parameter(value, "filename"))
        .or_else(|| parameter(content_type, "name"));
    into.push(Body {
        part: Part {
            index,
            parent,
            media_type: media_type.clone(),
            charset: parameter(content_type, "charset"),
            disposition: disposition.map(|value| {
                value
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_ascii_lowercase()
            }),
            filename,
            size: content.len() as u32,
            editable,
        },
        content,
        edited: None,
    });
    if media_type.starts_with("multipart/")
        && let Some(boundary) = parameter(content_type, "boundary")
    {
        for inner in split(body, &boundary) {
            let (fields, body) = sections(inner);
            read_part(&fields, body, Some(index), editable, into);
        }
    }
}

/// Header section and body; the fields unfolded.
fn sections(raw: &[u8]) -> (Vec<Field>, &[u8]) {
    let mut fields: Vec<Field> = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            break;
        }
        if text.starts_with([' ', '\t']) {
            if let Some(last) = fields.last_mut() {
                last.value.push_str(text);
            }
        } else if let Some((name, value)) = text.split_once(':') {
            fields.push(Field {
                name: name.to_owned(),
                value: value.trim().to_owned(),
            });
        }
    }
    (fields, rest)
}

fn split<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let mut pieces = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0_usize;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let text = line.trim_ascii_end();
        if text.starts_with(delimiter.as_bytes()) {
            if let Some(start) = start {
                pieces.push(&body[start..at.saturating_sub(2).max(start)]);
            }
            start = Some(at + line.len());
            if text.ends_with(b"--") && text.len() == delimiter.len() + 2 {
                return pieces;
            }
        }
        at += line.len();
    }
    if let Some(start) = start {
        pieces.push(&body[start..]);
    }
    pieces
}

fn value<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value.as_str())
}

fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|item| {
        let (key, value) = item.split_once('=')?;
        let value = value.trim().trim_matches('"');
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.to_owned())
    })
}

fn decode(content: &[u8], charset: Option<&str>) -> String {
    match charset.map(str::to_ascii_lowercase).as_deref() {
        Some("iso-8859-1" | "windows-1252" | "latin1") => {
            content.iter().map(|&byte| char::from(byte)).collect()
        }
        _ => String::from_utf8_lossy(content).into_owned(),
    }
}

fn transfer_decode(body: &[u8], encoding: Option<&str>) -> Vec<u8> {
    match encoding.map(str::to_ascii_lowercase).as_deref() {
        Some("base64") => base64(body),
        Some("quoted-printable") => quoted_printable(body),
        _ => body.to_vec(),
    }
}

fn base64(body: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut output = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for value in body.iter().filter_map(|&byte| digit(byte)) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            output.push((bits >> count) as u8);
        }
    }
    output
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let mut output = Vec::new();
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'=', [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..]) => rest = tail,
            (b'=', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    output.push((high * 16 + low) as u8);
                    rest = tail;
                }
                _ => output.push(byte),
            },
            _ => output.push(byte),
        }
    }
    output
}
