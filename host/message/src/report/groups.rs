//! Groups of fields separated by empty lines, as message/delivery-status holds them (RFC 3464 2.1).

use bytes::Bytes;

use crate::header::HeaderSection;

/// The groups that have a field, at most `max` of them.
pub(super) fn groups(mut content: Bytes, max: usize) -> Vec<HeaderSection> {
    let mut found = Vec::new();
    while !content.is_empty() && found.len() < max {
        let section = HeaderSection::parse(content.clone());
        let body = section.body();
        let stuck = body == 0;
        if section.fields().len() > 0 {
            found.push(section);
        }
        if stuck {
            // A line that is no field: passed over, as a reader of a report does.
            let line = memchr::memchr(b'\n', &content).map_or(content.len(), |lf| lf + 1);
            content = content.slice(line..);
        } else {
            content = content.slice(body..);
        }
    }
    found
}

/// The value of the first field of that name, unfolded, if it says something.
pub(super) fn value(group: &HeaderSection, name: &str) -> Option<String> {
    let value = group.first(name)?.unfolded();
    (!value.is_empty()).then_some(value)
}

/// What follows the type in "rfc822; user@example.net" (RFC 3464 2.1.2).
pub(super) fn typed(value: &str) -> (&str, &str) {
    match value.split_once(';') {
        Some((kind, rest)) => (kind.trim(), rest.trim()),
        None => ("", value.trim()),
    }
}

/// An address of a report, without type, brackets and the escapes of RFC 6533 3.
pub(super) fn address(value: &str) -> Option<String> {
    let (kind, address) = typed(value);
    let address = address
        .strip_prefix('<')
        .and_then(|inner| inner.strip_suffix('>'))
        .unwrap_or(address);
    if address.is_empty() {
        return None;
    }
    Some(if kind.eq_ignore_ascii_case("utf-8") {
        unescape(address)
    } else {
        address.to_owned()
    })
}

/// `\x{E9}` as the character it names.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x{") {
        out.push_str(&rest[..at]);
        let after = &rest[at + 3..];
        let character = after.find('}').filter(|&end| end <= 6).and_then(|end| {
            let code = u32::from_str_radix(&after[..end], 16).ok()?;
            let c = char::from_u32(code).filter(|c| !c.is_control())?;
            Some((c, end))
        });
        match character {
            Some((c, end)) => {
                out.push(c);
                rest = &after[end + 1..];
            }
            None => {
                out.push_str("\\x{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
