//! Which links are tracked, and what exactly they lead to.

use std::borrow::Cow;

use memchr::memchr;

use crate::{marker, template};

/// Longer ones stay: no reader of mail opens them for sure, and a token must hold the whole target.
const TARGET_BYTES_MAX: usize = 4096;

/// What an attribute's value leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Link<'a> {
    /// An absolute http or https URL, decoded and as a browser would open it.
    Target(Cow<'a, str>),
    /// Positions of a marker in the value that asks to leave the link alone, and that is to be removed.
    Marked(std::ops::Range<usize>),
    /// Anything else.
    Other,
}

/// Reads the raw value of an `href`.
pub fn read(value: &str) -> Link<'_> {
    if let Some(marker) = marker::in_scheme(value) {
        return Link::Marked(marker);
    }
    let decoded = decode(value);
    let seen = Seen::of(&decoded);
    let target = if seen.has(Seen::BLANK) {
        Cow::Owned(strip(&decoded))
    } else {
        decoded
    };
    if is_good(&target, seen) {
        Link::Target(target)
    } else {
        Link::Other
    }
}

/// Whether that is an absolute http or https URL that leads somewhere.
pub fn is_trackable(url: &str) -> bool {
    is_good(url, Seen::of(url))
}

fn is_good(url: &str, seen: Seen) -> bool {
    url.len() <= TARGET_BYTES_MAX
        && host(url).is_some_and(is_host)
        && !(seen.has(Seen::CONTROL) && url.contains(char::is_control))
        && !(seen.has(Seen::MARK) && template::is_in(url))
}

/// Which kinds of bytes a URL holds: one look at each byte, for the few URLs that need a second.
#[derive(Clone, Copy)]
struct Seen(u8);

impl Seen {
    /// ASCII up to the space.
    const BLANK: u8 = 1;
    /// May be a control character, or a part of one.
    const CONTROL: u8 = 2;
    /// May belong to a placeholder.
    const MARK: u8 = 4;
    const KINDS: [u8; 256] = {
        let mut kinds = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            kinds[byte] = match byte as u8 {
                0..b' ' => Self::BLANK | Self::CONTROL,
                b' ' => Self::BLANK,
                0x7f.. => Self::CONTROL,
                mark if template::is_mark(mark) => Self::MARK,
                _ => 0,
            };
            byte += 1;
        }
        kinds
    };

    fn of(url: &str) -> Self {
        let kinds = url.bytes().map(|byte| Self::KINDS[usize::from(byte)]);
        Self(kinds.fold(0, |seen, kind| seen | kind))
    }

    fn has(self, kind: u8) -> bool {
        self.0 & kind != 0
    }
}

/// Whether a browser would take that for a host: a URL with any other opens nothing (URL standard, forbidden host code points).
fn is_host(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.unwrap_or(host);
    let is_forbidden = |byte| {
        matches!(
            byte,
            b' ' | b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
    };
    !inner.is_empty() && !inner.bytes().any(is_forbidden)
}

/// Character references resolved as in an attribute (HTML 13.2.5.72 and on): `&copy=` stays.
fn decode(value: &str) -> Cow<'_, str> {
    let mut decoded = String::new();
    let mut rest = value;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        let Some(behind) = rest[at..].strip_prefix("&amp;") else {
            return htmlize::unescape_attribute(value);
        };
        if decoded.is_empty() {
            decoded.reserve(value.len());
        }
        decoded.push_str(&rest[..=at]);
        rest = behind;
    }
    if decoded.is_empty() {
        return Cow::Borrowed(value);
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Browsers drop controls and spaces around a URL and line breaks and tabs within.
fn strip(url: &str) -> String {
    url.trim_matches(|c: char| c <= ' ')
        .replace(['\t', '\n', '\r'], "")
}

/// The host of an absolute http or https URL, as written; nothing for other URLs.
pub fn host(url: &str) -> Option<&str> {
    let after = |scheme: &str| {
        let start = url.get(..scheme.len())?;
        start
            .eq_ignore_ascii_case(scheme)
            .then(|| &url[scheme.len()..])
    };
    let rest = after("https://").or_else(|| after("http://"))?;
    let is_end = |byte| matches!(byte, b'/' | b'?' | b'#' | b'\\');
    let end = rest.bytes().position(is_end).unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.starts_with('[') {
        return Some(host.split_inclusive(']').next().unwrap_or_default());
    }
    Some(host.split(':').next().unwrap_or_default())
}

/// The URL as a header field may carry it: what is not ASCII or no character is escaped, all else is as it was.
pub fn for_header(url: &str) -> String {
    let mut text = String::with_capacity(url.len());
    for &byte in url.as_bytes() {
        if byte.is_ascii_graphic() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(value: &str) -> Option<String> {
        match read(value) {
            Link::Target(target) => Some(target.into_owned()),
            _ => None,
        }
    }

    #[test]
    fn references_are_resolved_as_in_an_attribute() {
        for (value, expected) in [
            ("https://x.test/?a=1&amp;b=2", "https://x.test/?a=1&b=2"),
            ("https://x.test/?a=1&b=2", "https://x.test/?a=1&b=2"),
            (
                "https://x.test/?a=1&#38;b=2&#x26;c",
                "https://x.test/?a=1&b=2&c",
            ),
            (
                "https://x.test/?copy=1&copy=2",
                "https://x.test/?copy=1&copy=2",
            ),
            ("https://x.test/?a&amp;amp;b", "https://x.test/?a&amp;b"),
            ("http&#58;//x.test/&eacute;", "http://x.test/é"),
            ("https://x.test/?a=1&lt=2&lt;", "https://x.test/?a=1&lt=2<"),
            (
                "https://x.test/?q=1&notit=2&amp;r",
                "https://x.test/?q=1&notit=2&r",
            ),
        ] {
            assert_eq!(target(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn white_space_around_a_url_and_breaks_within_are_dropped() {
        assert_eq!(
            target(" \n https://x.test/a\r\n\tb ").as_deref(),
            Some("https://x.test/ab")
        );
        assert_eq!(
            target("HTTPS://X.test/A b").as_deref(),
            Some("HTTPS://X.test/A b")
        );
    }

    #[test]
    fn what_is_no_absolute_web_link_stays() {
        for value in [
            "",
            "#top",
            "/x",
            "x.html",
            "//x.test/",
            "mailto:a@b.test",
            "tel:1",
            "sms:1",
            "cid:1",
            "data:text/html,x",
            "ftp://x",
            "javascript:void(0)",
            "http:x",
            "https:/x",
            "http://",
            "https:///x",
            "https://?x",
            "https://<a href=",
            "https://a b/",
            "https://[::1/",
            "{{url}}",
            "https://x.test/{{id}}",
            "https://x.test/a\u{1}b",
        ] {
            assert_eq!(target(value), None, "{value}");
        }
        assert_eq!(
            target(&format!("https://x.test/{}", "a".repeat(5000))),
            None
        );
    }

    #[test]
    fn the_marker_in_the_scheme_is_found() {
        assert_eq!(read("https+notrack://x.test/"), Link::Marked(5..13));
        assert_eq!(read("notrack:https://x.test/"), Link::Marked(0..8));
        assert_eq!(
            read("https://x.test/?a=http+notrack://y"),
            Link::Target("https://x.test/?a=http+notrack://y".into())
        );
    }

    #[test]
    fn the_host_is_found_between_user_and_port() {
        assert_eq!(host("https://u:p@X.test:8080/a@b"), Some("X.test"));
        assert_eq!(host("https://[2001:db8::1]:8080/"), Some("[2001:db8::1]"));
        assert_eq!(host("http://x.test?y"), Some("x.test"));
        assert_eq!(host("mailto:a@b.test"), None);
    }

    #[test]
    fn a_header_gets_no_byte_it_cannot_carry() {
        assert_eq!(
            for_header("https://x.test/a b?é=\"&c#d"),
            "https://x.test/a%20b?%C3%A9=\"&c#d"
        );
        assert_eq!(for_header("a\r\nb"), "a%0D%0Ab");
    }
}
