use super::*;

fn kept(raw: &str, old: &str, new: &str) -> String {
    assert_eq!(quoted_printable_decode(raw.as_bytes()), old.as_bytes());
    let out = quoted_printable(raw.as_bytes(), old.as_bytes(), new.as_bytes());
    assert_eq!(quoted_printable_decode(&out), new.as_bytes());
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_that_did_not_change_keep_their_own_spelling() {
    let raw = "=41=\r\n b\r\nchange\r\n=3d \r\nlast=";
    let old = "A b\r\nchange\r\n=\r\nlast";
    assert_eq!(
        kept(raw, old, &old.replace("change", "\u{e9}")),
        "=41=\r\n b\r\n=C3=A9\r\n=3d \r\nlast="
    );
    // More lines than before, and fewer.
    assert_eq!(
        kept(raw, old, &old.replace("change", "x\r\ny")),
        "=41=\r\n b\r\nx\r\ny\r\n=3d \r\nlast="
    );
    assert_eq!(
        kept(raw, old, &old.replace("change\r\n", "")),
        "=41=\r\n b\r\n=3d \r\nlast="
    );
}

#[test]
fn what_follows_a_last_line_ends_it() {
    assert_eq!(kept("=61", "a", "a\r\nb"), "a\r\nb");
    assert_eq!(kept("=61=\r\n", "a", "a\r\n"), "a\r\n");
    assert_eq!(kept("=61\r\n", "a\r\n", "a"), "a");
    assert_eq!(kept("", "", "a"), "a");
    assert_eq!(kept("=61", "a", ""), "");
}

#[test]
fn encoded_line_ends_are_no_lines_of_their_own() {
    assert_eq!(
        kept("a=0Ab=\r\n\r\nc", "a\nb\r\nc", "a\nb\r\nd"),
        "a=0Ab\r\nd"
    );
}

#[test]
fn a_line_too_long_to_send_is_written_anew() {
    let long = "=61".repeat(400);
    let old = format!("{}\r\nb", "a".repeat(400));
    let out = kept(&format!("{long}\r\nb"), &old, &old.replace('b', "c"));
    assert!(out.lines().all(|line| line.len() <= 76), "{out}");
}

#[test]
fn other_ways_to_write_a_character_stay() {
    // Half-width letters in the one-byte set, which the encoder does not use, and an escape sequence that changes nothing.
    let japanese = Charset::from_label("iso-2022-jp").unwrap();
    let content = b"\x1b(I1\x1b(B\n\x1b(Ba\nlink\n";
    let old = japanese.decode(content);
    let text = old.replace("link", "\u{3042}");
    let bytes = super::charset(japanese, content, &old, &text).unwrap();
    assert_eq!(&bytes[..], b"\x1b(I1\x1b(B\n\x1b(Ba\n\x1b$B$\"\x1b(B\n");
    // A line with such a letter cannot be changed in this charset.
    let text = old.replace("\na", " \na");
    assert_eq!(super::charset(japanese, content, &old, &text), None);
}
