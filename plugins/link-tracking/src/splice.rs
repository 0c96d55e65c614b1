//! A text with replacements by position. All other bytes stay, and the new text is built in one go.

use std::ops::Range;

/// More than any real document has; a hostile one is sent with the rest of it unchanged.
const SPLICES_MAX: usize = 20_000;

/// Replacements in the order of their positions.
#[derive(Default)]
pub struct Splices {
    list: Vec<(Range<usize>, Range<usize>)>,
    inserted: String,
}

impl Splices {
    /// Replaces that range by what the function writes, unless it says no.
    pub fn replace(&mut self, range: Range<usize>, write: impl FnOnce(&mut String) -> bool) {
        if self.list.len() >= SPLICES_MAX {
            return;
        }
        let start = self.inserted.len();
        if write(&mut self.inserted) {
            self.list.push((range, start..self.inserted.len()));
        } else {
            self.inserted.truncate(start);
        }
    }

    /// Removes that range.
    pub fn remove(&mut self, range: Range<usize>) {
        self.replace(range, |_| true);
    }

    /// Inserts the text before that position, which may lie before earlier replacements but within none.
    pub fn insert(&mut self, at: usize, text: &str) {
        let start = self.inserted.len();
        self.inserted.push_str(text);
        let place = self.list.partition_point(|(range, _)| range.start < at);
        self.list
            .insert(place, (at..at, start..self.inserted.len()));
    }

    /// The new text; nothing where nothing changed.
    pub fn apply(&self, text: &str) -> Option<String> {
        if self.list.is_empty() {
            return None;
        }
        let mut output = String::with_capacity(text.len() + self.inserted.len());
        let mut at = 0;
        for (range, inserted) in &self.list {
            output.push_str(&text[at..range.start]);
            output.push_str(&self.inserted[inserted.clone()]);
            at = range.end;
        }
        output.push_str(&text[at..]);
        Some(output)
    }
}
