//! How authors ask to leave a link alone, in this project's words and those of other services. All of it is for the relay and is
//! taken out of the message.

use std::ops::Range;

/// When an attribute asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Unless its value says no: `notrack`, `disable-tracking="true"`.
    There,
    /// If its value says no: `clicktracking="off"`.
    Denied,
}

const ATTRIBUTES: [(&str, When); 18] = [
    ("data-baton-track", When::Denied),
    ("clicktracking", When::Denied),
    ("data-msys-clicktrack", When::Denied),
    ("autotrack", When::Denied),
    ("ecm:tracking", When::Denied),
    ("disable-tracking", When::There),
    ("data-disable-tracking", When::There),
    ("mc:disable-tracking", When::There),
    ("ses:no-track", When::There),
    ("data-ses-no-track", When::There),
    ("data-pm-no-track", When::There),
    ("data-as-no-track", When::There),
    ("notrack", When::There),
    ("no-track", When::There),
    ("nottracked", When::There),
    ("data-notrack", When::There),
    ("data-no-track", When::There),
    ("data-disable-click-tracking", When::There),
];

/// Of the shortest of them.
const NAME_BYTES_MIN: usize = "notrack".len();

/// Whether an attribute of that name and value is a marker, and then whether it asks to leave the link alone.
pub fn attribute(name: &str, value: &str) -> Option<bool> {
    if name.len() < NAME_BYTES_MIN {
        return None;
    }
    let found = ATTRIBUTES
        .iter()
        .find(|(marker, _)| name.eq_ignore_ascii_case(marker))?;
    let value = value.trim();
    let denies = ["off", "no", "false", "0"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word));
    Some(match found.1 {
        When::There => !denies,
        When::Denied => denies,
    })
}

const BEHIND: &str = "+notrack";
const BEFORE: &str = "notrack:";

/// Position of a marker in the scheme of a URL: `https+notrack://` and `notrack:https://`.
pub fn in_scheme(url: &str) -> Option<Range<usize>> {
    let start = url.len() - url.trim_start().len();
    if stands(url, start, BEFORE) {
        return at_url(url, start + BEFORE.len());
    }
    at_url(url, start)
}

/// Position of a marker of the URL that begins there in a text, `http` first.
pub fn at_url(text: &str, start: usize) -> Option<Range<usize>> {
    let before = start.checked_sub(BEFORE.len());
    if let Some(before) = before.filter(|&before| stands(text, before, BEFORE)) {
        let is_url = stands(text, start, "http://") || stands(text, start, "https://");
        return is_url.then_some(before..start);
    }
    let scheme = if stands(text, start, "https") {
        "https"
    } else {
        "http"
    };
    let at = start + scheme.len();
    let is_marked = stands(text, start, scheme)
        && stands(text, at, BEHIND)
        && stands(text, at + BEHIND.len(), "://");
    is_marked.then_some(at..at + BEHIND.len())
}

/// Whether the word, which is in lower case, stands there, without regard to ASCII case.
fn stands(text: &str, at: usize, word: &str) -> bool {
    let part = text.as_bytes().get(at..at + word.len());
    part.is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_asks_by_being_there_or_by_what_it_says() {
        for (name, value, asks) in [
            ("data-baton-track", "off", Some(true)),
            ("data-baton-track", "on", Some(false)),
            ("Data-Baton-Track", " OFF ", Some(true)),
            ("clicktracking", "off", Some(true)),
            ("disable-tracking", "", Some(true)),
            ("disable-tracking", "true", Some(true)),
            ("disable-tracking", "false", Some(false)),
            ("notrack", "", Some(true)),
            ("data-track", "off", None),
            ("href", "notrack", None),
        ] {
            assert_eq!(attribute(name, value), asks, "{name}={value}");
        }
    }

    #[test]
    fn the_marker_in_the_scheme_is_found() {
        assert_eq!(in_scheme("https+notrack://x.test/"), Some(5..13));
        assert_eq!(in_scheme(" HTTP+NoTrack://x.test/"), Some(5..13));
        assert_eq!(in_scheme("notrack:https://x.test/"), Some(0..8));
        for url in [
            "https://x.test/?a=http+notrack://y",
            "ftp+notrack://x.test/",
            "https+notrack:x",
            "notrack:mailto:a@b.test",
            "notrack",
            "",
            "é",
        ] {
            assert_eq!(in_scheme(url), None, "{url}");
        }
    }
}
