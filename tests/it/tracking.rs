//! Link tracking over every message of `corpus/mail`, by the real binary and the real component: what is tracked is what should
//! be, and taking it out gives the message back, byte for byte.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_message::Message;
use baton_tests::relay::run;
use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

mod attack;
mod visits;

const PAGES: &str = "http://127.0.0.1:8025/p/link-tracking";

/// What a message's `.json` says of it.
struct Expected {
    /// Values of attributes as they are written, and what they lead to, in order.
    links: Vec<(String, String)>,
    /// Markers that go, with the white space before them.
    removed: Vec<String>,
    /// Fields that go, as they are written.
    header_removed: Vec<String>,
    /// Parts that cannot keep their transfer encoding, for their lines are too long.
    reencoded: Vec<u32>,
    pixel: bool,
}

impl Expected {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a description beside the message");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
        Self {
            links: list("links")
                .iter()
                .map(|link| (text(&link[0]), text(&link[1])))
                .collect(),
            removed: list("removed").iter().map(text).collect(),
            header_removed: list("header-removed").iter().map(text).collect(),
            reencoded: list("reencoded")
                .iter()
                .map(|part| part.as_u64().expect("an index") as u32)
                .collect(),
            pixel: value["pixel"].as_bool().expect("true or false"),
        }
    }
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/mail");
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    files.sort();
    assert!(files.len() >= 30, "{}", files.len());
    files
}

fn track(file: &Path) -> Vec<u8> {
    let eml = file.to_str().expect("a path in UTF-8");
    let output = run(&[
        "plugin",
        "run",
        "link-tracking",
        "--hook",
        "on-data",
        "--eml",
        eml,
    ]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {told}", file.display());
    assert!(
        told.contains("decision: next"),
        "{}: {told}",
        file.display()
    );
    output.stdout
}

#[test]
fn taking_the_tracking_out_of_any_message_gives_it_back() {
    let mut failures = Vec::new();
    for file in corpus() {
        let expected = Expected::read(&file.with_extension("json"));
        let original = std::fs::read(&file).expect("a message");
        let tracked = track(&file);
        if let Err(what) = compare(&original, &tracked, &expected) {
            failures.push(format!("{}: {what}", file.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Says what is not as it should be.
fn compare(original: &[u8], tracked: &[u8], expected: &Expected) -> Result<(), String> {
    let before = Message::parse(Bytes::copy_from_slice(original));
    let after = Message::parse(Bytes::copy_from_slice(tracked));
    if before.parts().len() != after.parts().len() {
        return Err("it has other parts".to_owned());
    }
    let mut found = Found::default();
    let mut rebuilt = tracked.to_vec();
    for (old, new) in before.parts().iter().zip(after.parts()).rev() {
        let is_leaf = !before
            .parts()
            .iter()
            .any(|part| part.parent() == Some(old.index()));
        let (old_body, new_body) = (old.body_range(), new.body_range());
        if !is_leaf || original[old_body.clone()] == tracked[new_body.clone()] {
            continue;
        }
        // The original part in its place: all around it must be as it was, its own fields too.
        let recoded = expected.reencoded.contains(&old.index());
        let (put, place) = if recoded {
            (
                old.header_range().start..old_body.end,
                new.header_range().start..new_body.end,
            )
        } else {
            (old_body, new_body.clone())
        };
        rebuilt.splice(place, original[put].iter().copied());
        if old.transfer_encoding() != new.transfer_encoding() && !recoded {
            return Err(format!(
                "part {} has another transfer encoding",
                old.index()
            ));
        }
        let longest = tracked[new_body]
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::len)
            .max();
        if longest > Some(999) {
            return Err(format!(
                "part {} has a line of {longest:?} bytes",
                old.index()
            ));
        }
        found.changed.push(old.index());
    }
    let mut wanted = original.to_vec();
    for field in &expected.header_removed {
        let at = memmem::find(&wanted, field.as_bytes()).ok_or("the field to go is not there")?;
        let length = field.len()
            + if wanted[at + field.len()] == b'\r' {
                2
            } else {
                1
            };
        wanted.drain(at..at + length);
    }
    if rebuilt != wanted {
        return Err(format!(
            "bytes outside the text changed\n{}\n--\n{}",
            String::from_utf8_lossy(&wanted),
            String::from_utf8_lossy(&rebuilt)
        ));
    }
    found.changed.reverse();
    for part in found.changed.clone() {
        let text = |message: &Message| message.text(part).expect("a text").as_bytes().to_vec();
        found.take_out(&text(&before), &text(&after), expected, true)?;
        if !before
            .part(part)
            .expect("a part")
            .charset()
            .is_some_and(|name| name.starts_with("utf-16"))
        {
            let bytes = |message: &Message| message.content(part).expect("a part").to_vec();
            found.take_out(&bytes(&before), &bytes(&after), expected, false)?;
        }
    }
    found.finish(expected)
}

/// What was seen of a message so far.
#[derive(Default)]
struct Found {
    changed: Vec<u32>,
    links: usize,
    removed: usize,
    pixels: usize,
}

impl Found {
    /// Puts the original values in the place of tokens, and compares. Only `counted` texts count as seen.
    fn take_out(
        &mut self,
        before: &[u8],
        after: &[u8],
        expected: &Expected,
        counted: bool,
    ) -> Result<(), String> {
        let mut now = Self {
            links: self.links,
            removed: self.removed,
            pixels: self.pixels,
            changed: Vec::new(),
        };
        if !counted {
            // The same part a second time.
            now.links = self.links - links_in(after);
            now.removed = 0;
        }
        let mut before = before.to_vec();
        let mut at = 0;
        for marker in &expected.removed[now.removed..] {
            if let Some(found) = memmem::find(&before[at..], marker.as_bytes()) {
                at += found;
                before.drain(at..at + marker.len());
                now.removed += 1;
            }
        }
        let mut after = after.to_vec();
        let pixel = format!("<img src=\"{PAGES}/o/");
        if let Some(start) = memmem::find(&after, pixel.as_bytes()) {
            let end =
                start + memchr::memchr(b'>', &after[start..]).ok_or("the pixel has no end")? + 1;
            let behind = after[end..].trim_ascii().to_ascii_lowercase();
            if !(behind.starts_with(b"</body")
                || behind.starts_with(b"</html")
                || behind.is_empty())
            {
                return Err("the pixel does not stand at the end of the body".to_owned());
            }
            after.drain(start..end);
            now.pixels += usize::from(counted);
        }
        let prefix = format!("{PAGES}/c/");
        let mut rest = &after[..];
        let mut place = 0;
        loop {
            let next = memmem::find(rest, prefix.as_bytes()).unwrap_or(rest.len());
            if !before[place..].starts_with(&rest[..next]) {
                return Err(format!(
                    "`{}` is not what was there: `{}`",
                    String::from_utf8_lossy(&rest[..next]),
                    String::from_utf8_lossy(&before[place..])
                ));
            }
            place += next;
            rest = &rest[next..];
            if rest.is_empty() {
                break;
            }
            rest = &rest[prefix.len()..];
            let end = rest
                .iter()
                .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))
                .unwrap_or(rest.len());
            let (token, tail) = rest.split_at(end);
            rest = tail;
            let (value, target) = expected
                .links
                .get(now.links)
                .ok_or_else(|| format!("a link too many: {:?}", Token::read(token)))?;
            let token = Token::read(token);
            let wanted = Token {
                index: u16::try_from(now.links).expect("few links"),
                recipient: token.recipient.clone(),
                target: target.clone(),
            };
            if token != wanted {
                return Err(format!("{token:?} instead of {wanted:?}"));
            }
            now.links += 1;
            if before[place..].starts_with(value.as_bytes()) {
                place += value.len();
            } else {
                // In another charset: up to what follows the link in both.
                let next = memmem::find(rest, prefix.as_bytes()).unwrap_or(rest.len());
                place += memmem::find(&before[place..], &rest[..next])
                    .ok_or("what follows a link is gone")?;
            }
        }
        if place != before.len() {
            return Err("the end is missing".to_owned());
        }
        if counted {
            now.changed = std::mem::take(&mut self.changed);
            *self = now;
        }
        Ok(())
    }

    fn finish(self, expected: &Expected) -> Result<(), String> {
        let seen = (self.links, self.removed, self.pixels);
        let wanted = (
            expected.links.len(),
            expected.removed.len(),
            usize::from(expected.pixel),
        );
        if seen == wanted {
            Ok(())
        } else {
            Err(format!(
                "links, markers and pixels are {seen:?} and not {wanted:?}"
            ))
        }
    }
}

fn links_in(text: &[u8]) -> usize {
    memmem::find_iter(text, format!("{PAGES}/c/").as_bytes()).count()
}

/// What a token says, by the layout that the plugin documents.
#[derive(Debug, PartialEq)]
struct Token {
    index: u16,
    recipient: String,
    target: String,
}

impl Token {
    fn read(text: &[u8]) -> Self {
        let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let (lead, mut rest) = (bytes[0], &bytes[1..bytes.len() - 16]);
        assert_eq!(lead >> 5, 1, "the version");
        take_text(&mut rest); // the key
        if lead & 0x10 == 0 {
            take_text(&mut rest);
            rest = &rest[4..]; // the time
        } else {
            rest = &rest[16..];
        }
        let recipient = take_text(&mut rest);
        take_text(&mut rest); // the account
        let start = ["", "https://", "http://", "https://www."][usize::from(lead >> 2 & 3)];
        Self {
            index: number(&mut rest),
            recipient,
            target: format!("{start}{}", std::str::from_utf8(rest).expect("UTF-8")),
        }
    }
}

/// With its length before it.
fn take_text(bytes: &mut &[u8]) -> String {
    let length = number(bytes);
    let (text, rest) = bytes.split_at(usize::from(length));
    *bytes = rest;
    String::from_utf8(text.to_vec()).expect("UTF-8")
}

/// Seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> u16 {
    let length = bytes.iter().take_while(|&&byte| byte >= 0x80).count() + 1;
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    let digits = taken.iter().rev().map(|byte| u16::from(byte & 0x7f));
    digits.fold(0, |number, digit| number << 7 | digit)
}
