//! Searches over decoded text, so that a message need not enter a plugin to be searched.

use std::borrow::Cow;
use std::collections::HashSet;

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, StartKind};

use crate::error::Error;
use crate::limits::{FIND_PATTERNS_BYTES_MAX, FIND_PATTERNS_MAX, URL_BYTES_MAX, URLS_MAX};

#[cfg(test)]
mod tests;

/// Positions in `patterns` of those that occur in one of the texts, in order.
pub(crate) fn find<'a, P: AsRef<str>>(
    texts: impl Iterator<Item = &'a str>,
    patterns: &[P],
) -> Result<Vec<u32>, Error> {
    if patterns.len() > FIND_PATTERNS_MAX {
        return Err(Error::TooLarge("4096 patterns of one search"));
    }
    let total: usize = patterns.iter().map(|pattern| pattern.as_ref().len()).sum();
    if total > FIND_PATTERNS_BYTES_MAX {
        return Err(Error::TooLarge("256 KiB of patterns of one search"));
    }
    // An empty pattern would match everywhere and hide the others.
    let wanted: Vec<usize> = (0..patterns.len())
        .filter(|&at| !patterns[at].as_ref().is_empty())
        .collect();
    let mut found = vec![false; patterns.len()];
    let wanted_patterns = || wanted.iter().map(|&at| patterns[at].as_ref());
    let too_large = |_| Error::TooLarge("what one search can hold");
    // A DFA takes long to build and little per byte.
    if total <= DFA_PATTERNS_BYTES_MAX {
        let mut builder = DFA::builder();
        builder
            .ascii_case_insensitive(true)
            .start_kind(StartKind::Unanchored);
        let machine = builder.build(wanted_patterns()).map_err(too_large)?;
        walk(&machine, texts, |hit| found[wanted[hit]] = true)?;
    } else {
        let mut builder = NFA::builder();
        builder.ascii_case_insensitive(true);
        let machine = builder.build(wanted_patterns()).map_err(too_large)?;
        walk(&machine, texts, |hit| found[wanted[hit]] = true)?;
    }
    Ok((0..patterns.len() as u32)
        .filter(|&at| found[at as usize])
        .collect())
}

const DFA_PATTERNS_BYTES_MAX: usize = 1024;

/// Tells every pattern that occurs. A state is asked for its matches once, so that patterns within patterns cost no time
/// per occurrence.
fn walk<'a>(
    machine: &impl Automaton,
    texts: impl Iterator<Item = &'a str>,
    mut hit: impl FnMut(usize),
) -> Result<(), Error> {
    let start = machine
        .start_state(Anchored::No)
        .map_err(|_| Error::TooLarge("what one search can hold"))?;
    let mut seen = HashSet::new();
    for text in texts {
        let mut state = start;
        for &byte in text.as_bytes() {
            state = machine.next_state(Anchored::No, state, byte);
            if machine.is_special(state) && machine.is_match(state) && seen.insert(state) {
                for at in 0..machine.match_len(state) {
                    hit(machine.match_pattern(state, at).as_usize());
                }
            }
        }
    }
    Ok(())
}

/// Absolute http and https URLs, in order, repeated ones too. In HTML, `&amp;` is read as "&".
pub(crate) fn urls<'a>(texts: impl Iterator<Item = (bool, &'a str)>) -> Vec<String> {
    let mut found = Vec::new();
    for (html, text) in texts {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(mark) = memchr::memmem::find(&bytes[at..], b"://") {
            let mark = at + mark;
            at = mark + 3;
            let Some(scheme) = scheme_before(text, mark) else {
                continue;
            };
            let rest = &text[at..];
            let length = rest.find(ends_url).unwrap_or(rest.len());
            at += length;
            if scheme.len() + 3 + length > URL_BYTES_MAX {
                continue;
            }
            let tail = match html {
                true => Cow::Owned(unescape(&rest[..length])),
                false => Cow::Borrowed(trim_punctuation(&rest[..length])),
            };
            if tail.is_empty() {
                continue;
            }
            if found.len() == URLS_MAX {
                return found;
            }
            found.push(format!("{scheme}://{tail}"));
        }
    }
    found
}

fn scheme_before(text: &str, mark: usize) -> Option<&str> {
    let head = &text.as_bytes()[..mark];
    let length = [5usize, 4].into_iter().find(|&length| {
        let start = mark.checked_sub(length);
        start.is_some_and(|start| {
            let name: &[u8] = if length == 5 { b"https" } else { b"http" };
            head[start..].eq_ignore_ascii_case(name)
        })
    })?;
    let start = mark - length;
    let letter_before = start > 0 && head[start - 1].is_ascii_alphanumeric();
    (!letter_before).then(|| &text[start..mark])
}

fn ends_url(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '<' | '>' | '"' | '\'' | '`' | '{' | '}' | '|' | '^' | '\\'
        )
}

/// Marks that end a sentence and not the URL; a closing bracket only if it was not opened in it.
fn trim_punctuation(mut url: &str) -> &str {
    let count = |c: char| url.matches(c).count();
    let mut round = count(')').saturating_sub(count('('));
    let mut square = count(']').saturating_sub(count('['));
    loop {
        let drop = match url.chars().next_back() {
            Some('.' | ',' | ';' | ':' | '!' | '?' | '*' | '_') => true,
            Some(')') if round > 0 => {
                round -= 1;
                true
            }
            Some(']') if square > 0 => {
                square -= 1;
                true
            }
            _ => false,
        };
        if !drop {
            return url;
        }
        url = &url[..url.len() - 1];
    }
}

fn unescape(url: &str) -> String {
    if !url.contains('&') {
        return url.to_owned();
    }
    url.replace("&amp;", "&")
        .replace("&AMP;", "&")
        .replace("&#38;", "&")
        .replace("&#x26;", "&")
        .replace("&#X26;", "&")
}

/// True if a line begins a PGP message, signed text, signature or key (RFC 9580 6.2).
pub(crate) fn has_pgp_block(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"-----BEGIN PGP ").is_some()
}
