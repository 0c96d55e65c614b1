//! Edits with what was there before, so that a person sees what a plugin did. Made where somebody will look (in dev mode):
//! in production the one line that each edit leaves is enough.

use std::collections::HashMap;

use baton_message::{Edit as Change, EditSet};

use super::{Edit, shown};

/// Unchanged lines kept around a change.
const AROUND_LINES: usize = 2;

/// One for each edit of the draft, in order.
pub fn edits(draft: &EditSet) -> Vec<Edit> {
    let mut texts: HashMap<u32, &str> = HashMap::new();
    let mut fields: HashMap<String, Option<&str>> = HashMap::new();
    let message = draft.message();
    let mut found = Vec::new();
    for applied in draft.applied() {
        let mut edit = Edit {
            what: applied.description.clone(),
            part: None,
            name: None,
            before: None,
            after: None,
        };
        match &applied.edit {
            Change::SetText { part, text } => {
                let before = texts
                    .insert(*part, text)
                    .or_else(|| message.text(*part).ok())
                    .unwrap_or("");
                let (before, after) = around(before, text);
                edit.part = Some(*part);
                edit.before = Some(shown(&before));
                edit.after = Some(shown(&after));
            }
            Change::PrependHeader { name, value } | Change::AppendHeader { name, value } => {
                edit.name = Some(name.clone());
                edit.after = Some(shown(value));
            }
            Change::ReplaceHeader { name, value } => {
                let known = fields.insert(name.to_ascii_lowercase(), Some(value));
                edit.before = match known {
                    Some(value) => value.map(shown),
                    None => message.header(name).map(|value| shown(&value)),
                };
                edit.name = Some(name.clone());
                edit.after = Some(shown(value));
            }
            Change::RemoveHeader { name } => {
                let known = fields.insert(name.to_ascii_lowercase(), None);
                edit.before = match known {
                    Some(value) => value.map(shown),
                    None => message.header(name).map(|value| shown(&value)),
                };
                edit.name = Some(name.clone());
            }
        }
        found.push(edit);
    }
    found
}

/// Both texts without the lines that they begin and end with alike, but for a few.
fn around(before: &str, after: &str) -> (String, String) {
    let a: Vec<&str> = before.lines().collect();
    let b: Vec<&str> = after.lines().collect();
    let shorter = a.len().min(b.len());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let tail = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let tail = tail.min(shorter - head);
    let from = head.saturating_sub(AROUND_LINES);
    let keep = |lines: &[&str]| {
        let to = lines.len() - tail.saturating_sub(AROUND_LINES);
        lines[from..to].join("\n")
    };
    (keep(&a), keep(&b))
}

#[cfg(test)]
mod tests {
    use baton_message::Message;

    use super::*;

    fn draft(text: &str) -> EditSet {
        let bytes = format!("Subject: old\r\nContent-Type: text/plain\r\n\r\n{text}");
        EditSet::new(Message::parse(bytes.into()), false)
    }

    #[test]
    fn each_edit_is_shown_against_what_was_there_before_it() {
        let mut draft = draft("one\r\n");
        draft.begin();
        draft.set_text(0, "two\r\n").unwrap();
        draft.replace_header("Subject", "new").unwrap();
        draft.prepend_header("X-A", "1").unwrap();
        draft.commit();
        draft.begin();
        draft.set_text(0, "three\r\n").unwrap();
        draft.remove_header("subject").unwrap();
        draft.commit();
        let edits = edits(&draft);
        let pairs: Vec<_> = edits
            .iter()
            .map(|e| (e.before.as_deref(), e.after.as_deref()))
            .collect();
        assert_eq!(
            pairs,
            [
                (Some("one"), Some("two")),
                (Some("old"), Some("new")),
                (None, Some("1")),
                (Some("two"), Some("three")),
                (Some("new"), None),
            ]
        );
        assert!(
            edits[0].what.starts_with("set-text part 0"),
            "{}",
            edits[0].what
        );
    }

    #[test]
    fn only_the_lines_around_a_change_are_kept() {
        let text = |middle: &str| format!("1\n2\n3\n4\n{middle}\n6\n7\n8\n9");
        let (before, after) = around(&text("5"), &text("five"));
        assert_eq!(before, "3\n4\n5\n6\n7");
        assert_eq!(after, "3\n4\nfive\n6\n7");
        assert_eq!(around("a\nb", "a\nb\nc"), ("a\nb".into(), "a\nb\nc".into()));
        assert_eq!(around("", "x"), ("".into(), "x".into()));
        assert_eq!(around("x\nx", "x"), ("x\nx".into(), "x".into()));
    }
}
