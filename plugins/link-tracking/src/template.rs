//! Placeholders that a template left behind. A link with one leads nowhere: it stays as its author wrote it, where the mistake can
//! be seen and mended, and is not hidden in a token.
//!
//! None of these can stand in a URL as such (RFC 3986 2), so little honest is taken for one; what is, is a link that works and
//! is not counted.

/// Whether the URL holds a placeholder of some template language.
pub fn is_in(url: &str) -> bool {
    let in_brackets = || {
        MARKS.iter().any(|mark| url.contains(mark))
            || enclosed(url, '{', '}').any(is_in_braces)
            || enclosed(url, '<', '>').any(|(_, word)| is_name(word))
            || enclosed(url, '[', ']').any(is_in_brackets)
    };
    let behind_per_cent = |at| {
        let rest: &str = &url[at + 1..];
        rest.starts_with(['%', '(']) || is_between_per_cents(rest)
    };
    url.bytes().any(is_bracket) && in_brackets()
        || memchr::memchr_iter(b'%', url.as_bytes()).any(behind_per_cent)
}

/// Whether a placeholder may hold that byte where a URL does not.
pub const fn is_mark(byte: u8) -> bool {
    is_bracket(byte) || byte == b'%'
}

const fn is_bracket(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'|' | b'<' | b'>' | b'[')
}

/// What no URL holds by chance; `%%` and `%(` are of their kind.
const MARKS: [&str; 12] = [
    "{{", "}}", "{%", "%}", "*|", "|*", "<%", "%>", "<?", "?>", "${", "[[",
];

const NAME_BYTES_MAX: usize = 64;

/// What stands between such brackets, with the text before them.
fn enclosed(url: &str, open: char, close: char) -> impl Iterator<Item = (&str, &str)> {
    url.match_indices(open).filter_map(move |(at, _)| {
        let inner = &url[at + 1..];
        let end = inner.find([open, close])?;
        (end <= NAME_BYTES_MAX && inner[end..].starts_with(close))
            .then(|| (&url[..at], &inner[..end]))
    })
}

/// `{name}`, `{0}`, `{!name}`, `{$name|default}`; but `{3F2504E0-4F89-11D3-9A0C-0305E82C3301}` is how some systems write an id.
fn is_in_braces((_, inner): (&str, &str)) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.:|!$#@()-' ".contains(c);
    let is_id = inner.len() == 36 && inner.bytes().filter(|&byte| byte == b'-').count() == 4;
    !is_id && inner.chars().all(is_part) && inner.contains(|c: char| c.is_ascii_alphanumeric())
}

/// `/[name]` and `=[name]`; but `list[name]=` is how forms write a list.
fn is_in_brackets((before, inner): (&str, &str)) -> bool {
    before.ends_with(['/', '=']) && is_name(inner)
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.- ".contains(c))
}

/// `%name%`, and the `%s` and `%d` of a format: the second sign, or the only one, begins no escaped character.
fn is_between_per_cents(rest: &str) -> bool {
    let length = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || "_.:-".contains(c)))
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at(length);
    if matches!(word, "s" | "d") && !after.starts_with('%') {
        return true;
    }
    let Some(behind) = after.strip_prefix('%') else {
        return false;
    };
    // Where the word itself may begin with an escaped character, it must look more like a word than like what follows one.
    let is_word = if starts_escape(word) {
        word.contains('_') || word.bytes().all(|byte| byte.is_ascii_alphabetic())
    } else {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    };
    is_word && !starts_escape(behind)
}

fn starts_escape(text: &str) -> bool {
    let mut bytes = text.bytes();
    let mut is_digit = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
    is_digit() && is_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_many_systems_are_known() {
        for url in [
            "{{url}}",
            "https://x.test/{{ id }}",
            "https://x.test/{% if a %}b{% endif %}",
            "https://x.test/?u=*|EMAIL|*",
            "https://x.test/%%unsub_center_url%%",
            "https://x.test/%%=RedirectTo(@url)=%%",
            "https://x.test/%recipient%",
            "https://x.test/%recipient.id%/a",
            "https://x.test/?c=%CAMPAIGN%&d=1",
            "https://x.test/?c=%ad_id%",
            "https://x.test/?a=%UNSUBSCRIBELINK%",
            "https://x.test/[%unsubscribe_url%]",
            "https://x.test/<%= a %>",
            "https://x.test/<?= $a ?>",
            "https://x.test/?e=<email>",
            "https://x.test/${id}",
            "https://x.test/#{id}",
            "https://x.test/?id={id}",
            "https://x.test/?id={0}&b",
            "https://x.test/{!remove_web}",
            "https://x.test/{$name|escape}",
            "https://x.test/?e=[EMAIL]",
            "https://x.test/[UNSUBSCRIBE_URL]",
            "https://x.test/[[unsub]]",
            "https://x.test/%(name)s",
            "https://x.test/%{name}",
            "https://x.test/?id=%s&b=%d",
        ] {
            assert!(is_in(url), "{url}");
        }
    }

    #[test]
    fn what_honest_urls_hold_is_no_placeholder() {
        for url in [
            "https://x.test/a%20b%2Fc",
            "https://x.test/100%",
            "https://x.test/100%25%20off",
            "https://x.test/%E9%e9%AA",
            "https://x.test/caf%C3%A9-50%",
            "https://x.test/%C3%A9100%",
            "https://x.test/a%20b100%",
            "https://x.test/%20sale%20",
            "https://x.test/?list[]=1&list[name]=2",
            "https://x.test/?List={3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
            "https://x.test/?q={\"a\":1}",
            "https://x.test/?q=a|b",
            "https://x.test/?q=a<b",
            "https://[2001:db8::1]/",
            "https://x.test/a-b_c~d!$&'()*+,;=:@",
        ] {
            assert!(!is_in(url), "{url}");
        }
    }
}
