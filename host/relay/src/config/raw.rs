//! Reads TOML and never stops at the first mistake: each getter notes what is wrong, with line and hint, and goes on.
//!
//! A [`Section`] remembers which keys it was asked for, so that the ones nobody asked for are reported as unknown, with
//! the nearest known key as a hint. The same memory tells a test which keys the example configuration must show.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::units;

/// Where something stands in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// The beginning.
impl Default for Place {
    fn default() -> Place {
        Place { line: 1, column: 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// "listener[1].address"; empty for mistakes of syntax.
    pub key: String,
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// Collects mistakes while a text is read.
pub(super) struct Reader<'a> {
    text: &'a str,
    base: &'a Path,
    problems: RefCell<Vec<Problem>>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, base: &'a Path) -> Reader<'a> {
        Reader {
            text,
            base,
            problems: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// Parses the syntax, noting every mistake that the parser finds.
    pub fn parse(&self) -> DeTable<'a> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.note(span, String::new(), error.message().to_owned(), None);
        }
        table.into_inner()
    }

    pub fn root<'s>(&'s self, table: &'s DeTable<'a>) -> Section<'s, 'a> {
        Section {
            reader: self,
            path: String::new(),
            pattern: String::new(),
            table: Some(table),
            span: 0..0,
            asked: RefCell::default(),
        }
    }

    pub fn note(&self, span: Range<usize>, key: String, message: String, hint: Option<String>) {
        self.problems.borrow_mut().push(Problem {
            place: self.place(&span),
            key,
            message,
            hint,
        });
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = &self.text[..span.start.min(self.text.len())];
        Place {
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or("").chars().count() + 1,
        }
    }

    /// In the order of lines.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.place);
        problems.dedup();
        problems
    }

    /// Every key that was asked for, as "listener[].address".
    #[cfg(test)]
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}

/// A table that is being read; one that is absent answers like an empty one.
pub(super) struct Section<'s, 'a> {
    reader: &'s Reader<'a>,
    /// "listener[1]."
    path: String,
    /// "listener[]."
    pattern: String,
    table: Option<&'s DeTable<'a>>,
    span: Range<usize>,
    asked: RefCell<Vec<String>>,
}

impl<'s, 'a> Section<'s, 'a> {
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where it begins.
    pub fn place(&self) -> Place {
        self.reader.place(&self.span)
    }

    /// Nothing is written in it, or it is not there.
    pub fn is_empty(&self) -> bool {
        self.table.is_none_or(|table| table.is_empty())
    }

    /// Notes a mistake about this section as a whole, or about one of its keys.
    pub fn wrong(
        &self,
        span: Range<usize>,
        key: &str,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        let key = format!("{}{key}", self.path);
        let key = key.trim_end_matches('.').to_owned();
        self.reader
            .note(span, key, message.into(), hint.map(str::to_owned));
    }

    fn ask(&self, key: &str) -> Option<&'s toml::Spanned<DeValue<'a>>> {
        self.reader
            .asked
            .borrow_mut()
            .insert(format!("{}{key}", self.pattern));
        self.asked.borrow_mut().push(key.to_owned());
        self.table?.get(key)
    }

    /// A value through a function whose error is a sentence.
    pub fn get<T>(
        &self,
        key: &str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<Located<T>> {
        let found = self.ask(key)?;
        match read(found.get_ref()) {
            Ok(value) => Some(Located {
                value,
                span: found.span(),
            }),
            Err(message) => {
                self.wrong(found.span(), key, message, None);
                None
            }
        }
    }

    pub fn text(&self, key: &str) -> Option<Located<String>> {
        self.get(key, |value| text(value).map(str::to_owned))
    }

    /// A text through a parser whose error is a sentence.
    pub fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Located<T>> {
        self.get(key, |value| parse(text(value)?))
    }

    pub fn flag(&self, key: &str) -> Option<Located<bool>> {
        self.get(key, |value| match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(mismatch("true or false", other)),
        })
    }

    /// A whole number within a range.
    pub fn number<T>(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<T>
    where
        T: TryFrom<u64>,
    {
        let found = self.get(key, |value| {
            let number = integer(value)?;
            u64::try_from(number)
                .ok()
                .filter(|number| range.contains(number))
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| {
                    format!(
                        "{number} is not between {} and {}",
                        range.start(),
                        range.end()
                    )
                })
        })?;
        Some(found.value)
    }

    /// "30s" and the like, or whole seconds.
    pub fn duration(&self, key: &str, min: Duration, max: Duration) -> Option<Located<Duration>> {
        self.get(key, |value| duration(value, min, max))
    }

    /// "25MiB" and the like, or whole bytes.
    pub fn size(&self, key: &str, min: u64) -> Option<u64> {
        let found = self.get(key, |value| {
            let size = match value {
                DeValue::String(text) => units::size(text)?,
                other => u64::try_from(integer(other)?)
                    .map_err(|_| "a size cannot be negative".to_owned())?,
            };
            if size < min {
                Err(format!("{size} bytes is too little; at least {min}"))
            } else {
                Ok(size)
            }
        })?;
        Some(found.value)
    }

    pub fn address(&self, key: &str) -> Option<Located<SocketAddr>> {
        self.parsed(key, |text| {
            text.parse().map_err(|_| {
                format!("{text:?} is not an address with a port; write for example \"127.0.0.1:2525\" or \"[::]:25\"")
            })
        })
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let found = self.get(key, |value| {
            let text = text(value)?;
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value)
                .ok_or_else(|| {
                    let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                    format!("{text:?} is not one of {}", known.join(", "))
                })
        })?;
        Some(found.value)
    }

    /// A list of texts, each through a parser whose error is a sentence; mistakes in several are all noted.
    pub fn list<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<Located<T>>> {
        self.items(key, |value| parse(text(value)?))
    }

    /// A list through a function; mistakes in several items are all noted.
    pub fn items<T>(
        &self,
        key: &str,
        read: impl Fn(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<Vec<Located<T>>> {
        let found = self.ask(key)?;
        let DeValue::Array(items) = found.get_ref() else {
            self.wrong(
                found.span(),
                key,
                mismatch("a list", found.get_ref()),
                Some("write it in [ ]"),
            );
            return None;
        };
        let mut values = Vec::new();
        for item in items.iter() {
            match read(item.get_ref()) {
                Ok(value) => values.push(Located {
                    value,
                    span: item.span(),
                }),
                Err(message) => self.wrong(item.span(), key, message, None),
            }
        }
        Some(values)
    }

    /// A path, relative to the folder of the configuration.
    pub fn path(&self, key: &str) -> Option<Located<PathBuf>> {
        let found = self.text(key)?;
        if found.value.is_empty() {
            self.wrong(found.span, key, "the path is empty", None);
            return None;
        }
        Some(Located {
            value: self.reader.base.join(&found.value),
            span: found.span,
        })
    }

    /// A path of a file that must be there.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        let found = self.path(key)?;
        match std::fs::File::open(&found.value).and_then(|file| file.metadata()) {
            Ok(meta) if meta.is_file() => Some(found.value),
            Ok(_) => {
                self.wrong(
                    found.span,
                    key,
                    format!("{} is not a file", found.value.display()),
                    None,
                );
                None
            }
            Err(e) => {
                let message = format!("cannot read {}: {e}", found.value.display());
                let hint = "relative paths begin at the folder of this configuration";
                self.wrong(found.span, key, message, Some(hint));
                None
            }
        }
    }

    /// A table of its own: `[key]`.
    pub fn section(&self, key: &str) -> Section<'s, 'a> {
        let found = self.ask(key);
        let table = found.and_then(|found| match found.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                self.wrong(
                    found.span(),
                    key,
                    mismatch("a table", other),
                    Some(&format!("write [{key}]")),
                );
                None
            }
        });
        self.below(
            key,
            &format!("{key}."),
            table,
            found.map_or(self.span(), |f| f.span()),
        )
    }

    /// A list of tables: `[[key]]`.
    pub fn sections(&self, key: &str) -> Vec<Section<'s, 'a>> {
        let Some(found) = self.ask(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = found.get_ref() else {
            let hint = format!("write [[{key}]]");
            self.wrong(
                found.span(),
                key,
                mismatch("a list of tables", found.get_ref()),
                Some(&hint),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let name = format!("{key}[{index}]");
                    sections.push(self.below(
                        &name,
                        &format!("{key}[]."),
                        Some(table),
                        item.span(),
                    ));
                }
                other => self.wrong(item.span(), key, mismatch("a table", other), None),
            }
        }
        sections
    }

    /// The tables in this one that were not asked for, by name; others are left to [`Section::finish`].
    pub fn named_sections(&self) -> Vec<(Located<String>, Section<'s, 'a>)> {
        let mut sections = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            let DeValue::Table(table) = value.get_ref() else {
                continue;
            };
            if self.asked.borrow().iter().any(|asked| asked == name) {
                continue;
            }
            self.asked.borrow_mut().push(name.to_owned());
            let section = self.below(name, "NAME.", Some(table), key.span());
            sections.push((
                Located {
                    value: name.to_owned(),
                    span: key.span(),
                },
                section,
            ));
        }
        sections
    }

    /// The pairs nobody asked for, for whoever takes them as they are.
    pub fn rest(&self) -> Vec<(String, Range<usize>, &'s DeValue<'a>)> {
        let mut rest = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if !self.asked.borrow().iter().any(|asked| asked == name) {
                rest.push((name.to_owned(), value.span(), value.get_ref()));
            }
        }
        rest
    }

    fn below(
        &self,
        name: &str,
        pattern: &str,
        table: Option<&'s DeTable<'a>>,
        span: Range<usize>,
    ) -> Section<'s, 'a> {
        Section {
            reader: self.reader,
            path: format!("{}{name}.", self.path),
            pattern: format!("{}{pattern}", self.pattern),
            table,
            span,
            asked: RefCell::default(),
        }
    }

    /// Notes the keys that nobody asked for.
    pub fn finish(&self) {
        let known = self.asked.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if known.iter().any(|asked| asked == name) {
                continue;
            }
            let hint = nearest(name, &known).map(|near| format!("did you mean {near:?}?"));
            self.wrong(key.span(), name, "unknown key", hint.as_deref());
        }
    }
}

fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value
        .as_str()
        .ok_or_else(|| mismatch("a text in quotes", value))
}

fn integer(value: &DeValue<'_>) -> Result<i64, String> {
    let DeValue::Integer(number) = value else {
        return Err(mismatch("a whole number", value));
    };
    i64::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| format!("{} is too large a number", number.as_str()))
}

/// A duration within bounds; for [`Section::items`] too.
pub(super) fn duration(
    value: &DeValue<'_>,
    min: Duration,
    max: Duration,
) -> Result<Duration, String> {
    let duration = match value {
        DeValue::String(text) => units::duration(text)?,
        other => Duration::from_secs(
            u64::try_from(integer(other)?)
                .map_err(|_| "a duration cannot be negative".to_owned())?,
        ),
    };
    if duration < min || duration > max {
        return Err(format!("{duration:?} is not between {min:?} and {max:?}"));
    }
    Ok(duration)
}

fn mismatch(expected: &str, found: &DeValue<'_>) -> String {
    let article = if matches!(found, DeValue::Integer(_) | DeValue::Array(_)) {
        "an"
    } else {
        "a"
    };
    format!("expected {expected}, found {article} {}", found.type_str())
}

/// The known key that is closest to what was written, if any is close.
fn nearest<'k>(written: &str, known: &'k [String]) -> Option<&'k str> {
    let plain = |key: &str| key.replace(['_', ' '], "-").to_ascii_lowercase();
    let written = plain(written);
    known
        .iter()
        .map(|key| (distance(&written, &plain(key)), key.as_str()))
        .filter(|(distance, key)| *distance <= 1 + key.len() / 4)
        .min()
        .map(|(_, key)| key)
}

/// Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let cost = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
