//! The addresses of a From field (RFC 5322 3.4), enough to judge who is named as author: display names, comments, quoted strings
//! and groups are passed over.

use baton_sdk::Mailbox;

/// A field holds no more than this many authors in good faith.
const ADDRESSES_MAX: usize = 64;

/// What the From fields of a message hold, unfolded and as they came: a display name that is decoded first could pass for
/// structure, and hide the author from this check that every reader sees.
pub fn fields(header: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(header);
    let mut found: Vec<String> = Vec::new();
    let mut within = false;
    for line in text.split('\n').map(|line| line.trim_end_matches('\r')) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(last) = found.last_mut().filter(|_| within) {
                last.push_str(line);
            }
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        within = name.trim_end().eq_ignore_ascii_case("From");
        if within {
            found.push(value.to_owned());
        }
    }
    found
}

/// Every address in the value; nothing where some entry has none that can be read.
pub fn addresses(value: &str) -> Option<Vec<Mailbox>> {
    let mut found = Vec::new();
    for entry in entries(value) {
        if entry.text.trim().is_empty() && entry.angle.is_none() {
            continue;
        }
        let address = entry.angle.as_deref().unwrap_or(&entry.text);
        // A source route (RFC 5322 4.4) stands before a colon.
        let address = address.rsplit(':').next().unwrap_or_default();
        let address: String = address.chars().filter(|c| !c.is_whitespace()).collect();
        found.push(address.parse().ok()?);
        if found.len() > ADDRESSES_MAX {
            return None;
        }
    }
    (!found.is_empty()).then_some(found)
}

#[derive(Default)]
struct Entry {
    /// What stands outside angle brackets.
    text: String,
    angle: Option<String>,
}

fn entries(value: &str) -> Vec<Entry> {
    let mut entries = vec![Entry::default()];
    let mut comment_depth = 0_usize;
    let (mut quoted, mut angled) = (false, false);
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        let last = entries.len() - 1;
        let entry = &mut entries[last];
        let escaped = character == '\\' && (quoted || comment_depth > 0);
        let character = if escaped {
            characters.next().unwrap_or('\\')
        } else {
            character
        };
        match character {
            '"' if !escaped && comment_depth == 0 => quoted = !quoted,
            '(' if !escaped && !quoted => comment_depth += 1,
            ')' if !escaped && !quoted && comment_depth > 0 => comment_depth -= 1,
            _ if comment_depth > 0 => {}
            '<' if !quoted => {
                angled = true;
                entry.angle = Some(String::new());
            }
            '>' if !quoted => angled = false,
            ',' | ';' if !quoted && !angled => entries.push(Entry::default()),
            // What precedes a colon is a group's name.
            ':' if !quoted && !angled => entry.text.clear(),
            _ => match entry.angle.as_mut() {
                Some(angle) if angled => angle.push(character),
                Some(_) => {}
                None => entry.text.push(character),
            },
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::{addresses, fields};

    fn read(value: &str) -> Option<Vec<String>> {
        Some(addresses(value)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn authors_are_found_behind_names_comments_and_groups() {
        for (value, expected) in [
            ("ann@a.test", vec!["ann@a.test"]),
            ("Ann <ann@a.test>", vec!["ann@a.test"]),
            ("\"bob@b.test\" <ann@a.test>", vec!["ann@a.test"]),
            ("\"x, \\\"y <bob@b.test>\" <ann@A.test>", vec!["ann@a.test"]),
            ("ann@a.test (bob@b.test, <c@c.test>)", vec!["ann@a.test"]),
            (
                "Ann <ann@a.test>, bob@b.test",
                vec!["ann@a.test", "bob@b.test"],
            ),
            (
                "Team: ann@a.test, Bob <bob@b.test>;",
                vec!["ann@a.test", "bob@b.test"],
            ),
            ("<@r.test:ann@a.test>", vec!["ann@a.test"]),
            ("\"a b\"@a.test", vec!["ab@a.test"]),
        ] {
            assert_eq!(
                read(value),
                Some(expected.into_iter().map(str::to_owned).collect()),
                "{value}"
            );
        }
    }

    #[test]
    fn a_field_without_a_readable_author_has_none() {
        for value in [
            "",
            "Ann",
            "<>",
            "Ann <ann>",
            "ann@a.test, Bob",
            "undisclosed:;",
            ",",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(addresses(&"a@a.test,".repeat(100)), None);
    }

    #[test]
    fn from_fields_are_found_folded_or_spaced_and_not_in_the_body() {
        let header = b"Subject: x\r\n From: no@a.test\r\nFROM : Ann\r\n\t<ann@a.test>\r\nfrom:b@b.test\r\n\r\nFrom: no@a.test\r\n";
        assert_eq!(fields(header), [" Ann\t<ann@a.test>", "b@b.test"]);
    }

    #[test]
    fn an_encoded_display_name_is_no_structure() {
        let value = "=?utf-8?q?=3Cnews=40shop.test=3E_=22?= <boss@bank.test>";
        assert_eq!(read(value), Some(vec!["boss@bank.test".to_owned()]));
    }

    #[test]
    fn hostile_fields_end() {
        for piece in ["(", "<", "\"", "\\", ":", ",", ">", ")"] {
            addresses(&piece.repeat(100_000));
        }
    }
}
