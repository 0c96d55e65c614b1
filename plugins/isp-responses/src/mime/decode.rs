//! Transfer encodings, charsets, encoded words, and HTML as lines of text.

use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, WINDOWS_1252};

/// Bytes to text. A label that is missing or contradicts the bytes gives way to a guess.
pub fn to_text(bytes: &[u8], charset: Option<&str>) -> String {
    let label = charset
        .map(|c| c.trim().trim_matches(['"', '\'']))
        .unwrap_or("");
    let ascii = bytes.is_ascii();
    let escapes = ascii && bytes.windows(2).any(|w| w == b"\x1b$" || w == b"\x1b(");
    let encoding = match Encoding::for_label(label.as_bytes()) {
        _ if escapes => ISO_2022_JP,
        Some(known) if known != WINDOWS_1252 => known,
        // "us-ascii" and "iso-8859-1" are what programs write that do not know.
        _ if std::str::from_utf8(bytes).is_ok() => UTF_8,
        _ => WINDOWS_1252,
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// RFC 2045 6.7; what is malformed stays.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        if body[at] == b'=' {
            let rest = &body[at + 1..];
            if rest.starts_with(b"\r\n") {
                at += 3;
                continue;
            }
            if rest.starts_with(b"\n") {
                at += 2;
                continue;
            }
            if let Some(byte) = rest.get(..2).and_then(hex) {
                out.push(byte);
                at += 3;
                continue;
            }
        }
        out.push(body[at]);
        at += 1;
    }
    out
}

fn hex(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 16).ok()
}

/// RFC 2045 6.8; other bytes than those of the alphabet are skipped.
pub fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in body {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// RFC 2047.
pub fn decode_words(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let Some((word, length)) = encoded_word(&rest[start..]) else {
            out.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            after_word = false;
            continue;
        };
        let between = &rest[..start];
        if !(after_word && between.trim().is_empty()) {
            out.push_str(between);
        }
        out.push_str(&word);
        rest = &rest[start + length..];
        after_word = true;
    }
    out.push_str(rest);
    out
}

fn encoded_word(text: &str) -> Option<(String, usize)> {
    let mut fields = text[2..].splitn(3, '?');
    let (charset, kind, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let end = rest.find("?=")?;
    let content = &rest.as_bytes()[..end];
    let bytes = match kind {
        "B" | "b" => base64(content),
        "Q" | "q" => {
            let spaced: Vec<u8> = content
                .iter()
                .map(|b| if *b == b'_' { b' ' } else { *b })
                .collect();
            quoted_printable(&spaced)
        }
        _ => return None,
    };
    let charset = charset.split('*').next();
    let length = text.len() - rest.len() + end + 2;
    Some((to_text(&bytes, charset), length))
}

/// The words of an HTML text, with line ends where blocks end.
pub fn html_to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        entities(&rest[..open], &mut out);
        let after = &rest[open..];
        if let Some(comment) = after.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let starts =
            after[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let Some(close) = after.find('>').filter(|_| starts) else {
            out.push('<');
            rest = &after[1..];
            continue;
        };
        // "<someone@host.example>" is an address, whatever HTML says.
        let inside = &after[1..close];
        if inside.contains('@') && !inside.contains(['=', ' ']) {
            out.push_str(&after[..=close]);
        }
        let name: String = inside
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let name = name.to_ascii_lowercase();
        rest = &after[close + 1..];
        match name.as_str() {
            "br" | "p" | "div" | "tr" | "li" | "h1" | "h2" | "h3" | "h4" | "table"
            | "blockquote" | "pre" | "hr" => {
                out.push('\n');
            }
            "td" | "th" => out.push(' '),
            "style" | "script" | "title" if !inside.starts_with('/') => {
                let end = format!("</{name}");
                let lower = rest.to_ascii_lowercase();
                rest = lower.find(&end).map_or("", |at| &rest[at..]);
            }
            _ => {}
        }
    }
    entities(rest, &mut out);
    out
}

fn entities(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.find(';').filter(|e| *e <= 8);
        let decoded = end.and_then(|end| entity(&after[..end]).map(|c| (c, end)));
        match decoded {
            Some((c, end)) => {
                out.push(c);
                rest = &after[end + 1..];
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        "ecirc" => 'ê',
        "ocirc" => 'ô',
        "aacute" => 'á',
        "iacute" => 'í',
        "oacute" => 'ó',
        "uacute" => 'ú',
        "ntilde" => 'ñ',
        "atilde" => 'ã',
        "rsquo" => '\'',
        _ => return None,
    })
}
