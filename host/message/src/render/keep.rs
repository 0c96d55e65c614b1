//! New text in the bytes of the old: a line that says what it said keeps its bytes, in whatever way they were written.
//!
//! Charsets and quoted-printable have several ways to write one text. Where a plugin changed a few lines, the others are not to
//! change because another writer would have written them otherwise.

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::charset::Charset;
use crate::encoding::{quoted_printable_decode, quoted_printable_encode_into};
use crate::header::without_line_end;
use crate::limits::LINE_BYTES_MAX;
use crate::lines::Lines;

#[cfg(test)]
mod tests;

/// `text` in place of `old`, which was read from `content`; `None` if the charset cannot hold it.
pub(super) fn charset<'a>(
    charset: Charset,
    content: &[u8],
    old: &str,
    text: &'a str,
) -> Option<Cow<'a, [u8]>> {
    let whole = charset.encode(text, content);
    if !charset.has_spellings() || charset.encode(old, content).as_deref() == Some(content) {
        return whole;
    }
    charset_by_lines(charset, content, old, text)
        .map(Cow::Owned)
        .or(whole)
}

fn charset_by_lines(charset: Charset, content: &[u8], old: &str, text: &str) -> Option<Vec<u8>> {
    if lines(content) != lines(old.as_bytes()) {
        return None;
    }
    let alignment = Alignment::of(old.as_bytes(), text.as_bytes());
    let mut units = Units::new(Lines::of(content));
    let mut old_lines = Units::new(old.split_inclusive('\n'));
    let mut out = Vec::with_capacity(content.len() + text.len() / 2);
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let origin = alignment.origin(at);
        let unit = origin
            .filter(|&origin| old_lines.get(origin) == Some(line))
            .and_then(|origin| units.get(origin));
        match unit {
            Some(unit) => out.extend_from_slice(unit),
            None => out.extend_from_slice(&charset.encode(line, content)?),
        }
    }
    (charset.decode(&out) == text).then_some(out)
}

/// `new` in place of `old`, which was decoded from `raw`, in quoted-printable.
pub(super) fn quoted_printable(raw: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let alignment = Alignment::of(old, new);
    let mut units = Units::new(LogicalLines { rest: raw });
    let mut old_lines = Units::new(Lines::of(old));
    let mut out =
        Vec::with_capacity(raw.len() + raw.len() / 4 + new.len().saturating_sub(old.len()));
    for (at, line) in Lines::of(new).enumerate() {
        let origin = alignment.origin(at);
        // Cheaper to see than by decoding, and most lines that changed are seen so.
        let origin = origin.filter(|&origin| old_lines.get(origin) == Some(line));
        let unit = origin.and_then(|origin| units.get(origin));
        match unit.filter(|unit| fits(unit) && quoted_printable_decode(unit) == line) {
            Some(unit) => out.extend_from_slice(unit),
            None => quoted_printable_encode_into(line, &mut out),
        }
    }
    out
}

fn fits(unit: &[u8]) -> bool {
    Lines::of(unit).all(|line| without_line_end(line).len() <= LINE_BYTES_MAX)
}

/// Lines of quoted-printable with those that a soft break joins to them.
struct LogicalLines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for LogicalLines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut end = 0;
        for line in Lines::of(self.rest) {
            end += line.len();
            if !line.trim_ascii_end().ends_with(b"=") {
                break;
            }
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!line.is_empty()).then_some(line)
    }
}

/// Pieces of the old bytes, asked for in order.
struct Units<I> {
    iter: I,
    next: usize,
}

impl<I: Iterator> Units<I> {
    fn new(iter: I) -> Self {
        Self { iter, next: 0 }
    }

    /// `None` also if it was asked for before.
    fn get(&mut self, at: usize) -> Option<I::Item> {
        let unit = self.iter.nth(at.checked_sub(self.next)?);
        self.next = at + 1;
        unit
    }
}

/// Which old line stands where a new one does: the same before the first change and behind the last, and in between if there
/// are as many as before.
struct Alignment {
    before: usize,
    behind: usize,
    old: usize,
    new: usize,
}

impl Alignment {
    fn of(old: &[u8], new: &[u8]) -> Self {
        let split = Lines::of;
        let (old_lines, new_lines) = (lines(old), lines(new));
        let same = |(a, b): &(&[u8], &[u8])| a == b;
        let before = split(old).zip(split(new)).take_while(same).count();
        let rest = old_lines.min(new_lines) - before;
        let from_end = split(old).rev().zip(split(new).rev());
        let behind = from_end.take(rest).take_while(same).count();
        Self {
            before,
            behind,
            old: old_lines,
            new: new_lines,
        }
    }

    fn origin(&self, at: usize) -> Option<usize> {
        if at < self.before || self.old == self.new {
            Some(at)
        } else if at >= self.new - self.behind {
            Some(at + self.old - self.new)
        } else {
            None
        }
    }
}

/// As `split_inclusive` counts them.
fn lines(text: &[u8]) -> usize {
    let open = !text.is_empty() && !text.ends_with(b"\n");
    memchr_iter(b'\n', text).count() + usize::from(open)
}
