//! All that one hook call came to, and where two of them differ.

use std::sync::Arc;

use baton_message::edit::Edit;

use crate::desk::{Desk, clip};
use crate::limits;
use crate::question::Answer;
use crate::record::CallRecord;

/// What a call came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    /// With everything that belongs to it, for people and to be compared; `fault` where there is none.
    pub decision: String,
    /// What went wrong: a word that is compared, and a text that is not.
    pub fault: Option<(String, String)>,
    pub edits: Vec<Edit>,
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    pub scores: Vec<(Arc<str>, f64)>,
}

/// One thing in which two calls differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `decision`, `edits`, `tags`, `scores` or `fault`.
    pub what: &'static str,
    /// On the side of the version in service, or of the record.
    pub before: String,
    /// On the side of the candidate.
    pub after: String,
}

impl Said {
    /// What this call left at the desk.
    pub fn of(
        desk: &Desk,
        edits_before: usize,
        answer: Option<&Answer>,
        record: &CallRecord,
    ) -> Said {
        let edits = desk.draft.as_ref().map_or(&[][..], |draft| draft.applied());
        let edits = edits.get(edits_before..).unwrap_or_default();
        let mut tags = record.tags.clone();
        tags.sort();
        Said {
            decision: answer.map_or_else(|| "fault".into(), Answer::detail),
            fault: record
                .fault
                .as_ref()
                .map(|fault| (fault.kind().to_owned(), fault.to_string())),
            edits: edits.iter().map(|applied| applied.edit.clone()).collect(),
            tags,
            scores: record
                .scores
                .iter()
                .map(|score| (score.symbol.clone(), score.points))
                .collect(),
        }
    }

    /// Where the other differs. In a `loose` comparison texts of edits may differ: their words were redacted.
    pub fn differences(&self, other: &Said, loose: bool) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut note = |what, before: String, after: String| {
            let cut = |text: String| clip(&text, limits::TRIAL_TEXT_BYTES_MAX).to_owned();
            found.push(Difference {
                what,
                before: cut(before),
                after: cut(after),
            });
        };
        let kind = |said: &Said| said.fault.as_ref().map(|(kind, _)| kind.clone());
        if kind(self) != kind(other) {
            let text = |said: &Said| {
                said.fault
                    .as_ref()
                    .map_or_else(|| "none".into(), |(_, text)| text.clone())
            };
            note("fault", text(self), text(other));
        }
        if self.decision != other.decision {
            note("decision", self.decision.clone(), other.decision.clone());
        }
        let same_edits = if loose {
            let kinds = |said: &Said| said.edits.iter().map(target).collect::<Vec<_>>();
            kinds(self) == kinds(other)
        } else {
            self.edits == other.edits
        };
        if !same_edits {
            let (before, after) = shown_edits(&self.edits, &other.edits);
            note("edits", before, after);
        }
        if self.tags != other.tags {
            let text = |said: &Said| {
                let tags: Vec<_> = said.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
                tags.join(" ")
            };
            note("tags", text(self), text(other));
        }
        let same_scores = self.scores.len() == other.scores.len()
            && self
                .scores
                .iter()
                .zip(&other.scores)
                .all(|((a, x), (b, y))| a == b && (x - y).abs() < 1e-9);
        if !same_scores {
            let text = |said: &Said| {
                let scores: Vec<_> = said
                    .scores
                    .iter()
                    .map(|(symbol, points)| format!("{symbol} {points}"))
                    .collect();
                scores.join(", ")
            };
            note("scores", text(self), text(other));
        }
        found
    }
}

/// What an edit is about, without its text.
fn target(edit: &Edit) -> String {
    match edit {
        Edit::SetText { part, .. } => format!("set-text part {part}"),
        Edit::PrependHeader { name, .. } => format!("prepend-header {name}"),
        Edit::AppendHeader { name, .. } => format!("append-header {name}"),
        Edit::ReplaceHeader { name, .. } => format!("replace-header {name}"),
        Edit::RemoveHeader { name } => format!("remove-header {name}"),
    }
}

fn value(edit: &Edit) -> &str {
    match edit {
        Edit::SetText { text, .. } => text,
        Edit::PrependHeader { value, .. }
        | Edit::AppendHeader { value, .. }
        | Edit::ReplaceHeader { value, .. } => value,
        Edit::RemoveHeader { .. } => "",
    }
}

/// The first edit in which two lists differ, each with the first line in which its text differs.
fn shown_edits(before: &[Edit], after: &[Edit]) -> (String, String) {
    let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (a, b) = (before.get(same), after.get(same));
    let line = match (a, b) {
        (Some(a), Some(b)) => {
            let lines = value(a).lines().zip(value(b).lines());
            lines.take_while(|(a, b)| a == b).count()
        }
        _ => 0,
    };
    let show = |edit: Option<&Edit>, count: usize| {
        let more = match count.saturating_sub(same + 1) {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        edit.map_or_else(
            || "none".to_owned(),
            |edit| {
                let text = value(edit).lines().nth(line).unwrap_or_default().trim();
                format!("{}: {}{more}", target(edit), clip(text, 200))
            },
        )
    };
    (show(a, before.len()), show(b, after.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(decision: &str) -> Said {
        Said {
            decision: decision.into(),
            ..Said::default()
        }
    }

    fn set_text(text: &str) -> Edit {
        Edit::SetText {
            part: 1,
            text: text.into(),
        }
    }

    #[test]
    fn what_is_the_same_has_no_differences_and_each_thing_is_named() {
        let before = Said {
            edits: vec![set_text("one\r\ntwo\r\n")],
            tags: vec![("k".into(), "v".into())],
            scores: vec![("S".into(), 1.0)],
            ..said("next")
        };
        assert_eq!(before.differences(&before.clone(), false), []);
        let after = Said {
            fault: Some(("cpu".into(), "too long".into())),
            edits: vec![set_text("one\r\n2\r\n")],
            ..said("fault")
        };
        let found = before.differences(&after, false);
        let what: Vec<_> = found.iter().map(|one| one.what).collect();
        assert_eq!(what, ["fault", "decision", "edits", "tags", "scores"]);
        assert_eq!(found[2].before, "set-text part 1: two");
        assert_eq!(found[2].after, "set-text part 1: 2");
        assert_eq!((&*found[3].before, &*found[3].after), ("k=v", ""));
    }

    #[test]
    fn texts_of_redacted_edits_may_differ_and_their_targets_may_not() {
        let with = |edit| Said {
            edits: vec![edit],
            ..said("next")
        };
        let one = with(set_text("a"));
        assert_eq!(one.differences(&with(set_text("b")), true), []);
        assert_eq!(one.differences(&with(set_text("b")), false).len(), 1);
        let removed = Edit::RemoveHeader { name: "X".into() };
        assert_eq!(one.differences(&with(removed), true).len(), 1);
    }

    #[test]
    fn two_texts_of_one_fault_are_the_same_fault() {
        let with = |text: &str| Said {
            fault: Some(("trap".into(), text.into())),
            ..said("fault")
        };
        assert_eq!(with("in a").differences(&with("in b"), false), []);
    }
}
