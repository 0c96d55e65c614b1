//! A small reader of messages: enough to find the parts of a report and to read their words, in any of the charsets that
//! bounces come in. It never fails: what is malformed is read as text.

mod decode;

pub use decode::{decode_words, html_to_text, to_text};

/// More of a message is not looked at; a report stands before the message it returns.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
const DEPTH_MAX: usize = 8;
const PARTS_MAX: usize = 64;

/// A message or a part of one.
#[derive(Debug, Default)]
pub struct Entity {
    /// Names in lower case; values unfolded, encoded words decoded.
    pub headers: Vec<(String, String)>,
    /// type/subtype in lower case.
    pub media_type: String,
    pub parameters: Vec<(String, String)>,
    /// Content with its transfer encoding removed; empty for multiparts.
    pub body: Vec<u8>,
    pub children: Vec<Entity>,
}

impl Entity {
    /// Reads a message.
    pub fn parse(raw: &[u8]) -> Entity {
        let raw = &raw[..raw.len().min(MESSAGE_BYTES_MAX)];
        let mut parts = 0;
        parse(raw, 0, "text/plain", &mut parts)
    }

    /// The first field of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// A parameter of the content type.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        let text = to_text(&self.body, self.parameter("charset"));
        if self.media_type == "text/html" {
            html_to_text(&text)
        } else {
            text
        }
    }

    /// This entity and those below it, without looking into attached messages.
    pub fn parts(&self) -> Vec<&Entity> {
        let mut all = vec![self];
        if !self.is_message() {
            for child in &self.children {
                all.extend(child.parts());
            }
        }
        all
    }

    /// Whether this part is a message of its own.
    pub fn is_message(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "message/rfc822" | "message/global"
        )
    }
}

fn parse(raw: &[u8], depth: usize, default: &str, parts: &mut usize) -> Entity {
    *parts += 1;
    let (headers, body) = split_headers(raw);
    let mut entity = Entity {
        headers,
        ..Entity::default()
    };
    let content_type = entity.header("content-type").unwrap_or(default).to_string();
    let (media_type, parameters) = parameters(&content_type);
    entity.media_type = if media_type.contains('/') {
        media_type
    } else {
        default.to_string()
    };
    entity.parameters = parameters;
    let encoding = entity
        .header("content-transfer-encoding")
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    let deeper = depth < DEPTH_MAX && *parts < PARTS_MAX;
    if entity.media_type.starts_with("multipart/")
        && deeper
        && let Some(boundary) = entity.parameter("boundary").map(str::to_string)
    {
        let default = if entity.media_type == "multipart/digest" {
            "message/rfc822"
        } else {
            "text/plain"
        };
        let (preamble, pieces) = split_parts(body, &boundary);
        for piece in pieces {
            if *parts < PARTS_MAX {
                entity
                    .children
                    .push(parse(piece, depth + 1, default, parts));
            }
        }
        if entity.children.is_empty() {
            entity.body = preamble.to_vec();
            entity.media_type = "text/plain".to_string();
        }
        return entity;
    }
    let body = match encoding.as_str() {
        "quoted-printable" => decode::quoted_printable(body),
        "base64" => decode::base64(body),
        _ => body.to_vec(),
    };
    if entity.is_message() && deeper {
        entity
            .children
            .push(parse(&body, depth + 1, "text/plain", parts));
    }
    if entity.media_type.starts_with("multipart/") {
        entity.media_type = "text/plain".to_string();
    }
    entity.body = body;
    entity
}

/// The header fields, and what follows the empty line.
pub fn split_headers(raw: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    let mut rest = raw;
    loop {
        let (line, after) = next_line(rest);
        if line.is_empty() {
            // The empty line, or the end.
            rest = after;
            break;
        }
        if line[0] == b' ' || line[0] == b'\t' {
            if let Some((_, value)) = headers.last_mut() {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
        } else if let Some(colon) = line
            .iter()
            .position(|b| *b == b':')
            .filter(|c| is_name(&line[..*c]))
        {
            let name = String::from_utf8_lossy(line[..colon].trim_ascii()).to_ascii_lowercase();
            headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        } else if line.starts_with(b"From ") || line.starts_with(b">From ") {
            // An mbox line.
        } else {
            // No header section, or the empty line is missing.
            break;
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let headers = headers
        .into_iter()
        .map(|(n, v)| (n, decode_words(&to_text(&v, None))))
        .collect();
    (headers, rest)
}

fn is_name(name: &[u8]) -> bool {
    let name = name.trim_ascii_end();
    !name.is_empty() && name.len() < 80 && name.iter().all(|b| b.is_ascii_graphic() && *b != b':')
}

fn next_line(raw: &[u8]) -> (&[u8], &[u8]) {
    match raw.iter().position(|b| *b == b'\n') {
        Some(end) => (
            raw[..end].strip_suffix(b"\r").unwrap_or(&raw[..end]),
            &raw[end + 1..],
        ),
        None => (raw, &[]),
    }
}

/// The value and the parameters of a structured field.
fn parameters(value: &str) -> (String, Vec<(String, String)>) {
    let mut fields = Vec::new();
    let (mut quoted, mut escaped, mut field) = (false, false, String::new());
    for c in value.chars() {
        match c {
            _ if escaped => {
                field.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(c),
        }
    }
    fields.push(field);
    let media_type = fields[0]
        .split_whitespace()
        .next()
        .unwrap_or("")
        .to_ascii_lowercase();
    let parameters = fields[1..]
        .iter()
        .filter_map(|f| f.split_once('='))
        .map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_string()))
        .collect();
    (media_type, parameters)
}

fn split_parts<'a>(body: &'a [u8], boundary: &str) -> (&'a [u8], Vec<&'a [u8]>) {
    let boundary = boundary.trim_end().as_bytes();
    let (mut pieces, mut start, mut at) = (Vec::new(), None, 0);
    let mut preamble = body;
    while at < body.len() {
        let (line, after) = next_line(&body[at..]);
        let next = body.len() - after.len();
        let marker = line
            .strip_prefix(b"--")
            .and_then(|l| l.strip_prefix(boundary));
        if let Some(rest) = marker.filter(|r| r.trim_ascii().is_empty() || r.starts_with(b"--")) {
            match start {
                Some(start) => pieces.push(body.get(start..at).unwrap_or_default()),
                None => preamble = &body[..at],
            }
            start = Some(next);
            if rest.starts_with(b"--") {
                start = None;
                break;
            }
        }
        at = next;
    }
    if let Some(start) = start.filter(|s| *s < body.len()) {
        pieces.push(&body[start..]);
    }
    (preamble, pieces)
}
