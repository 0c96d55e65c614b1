//! Changes in the text of a part: links become tracked ones, markers go, the pixel comes. Nothing else moves by a byte.

use std::ops::Range;

use crate::html::{Attribute, Token, Tokens};
use crate::link::{self, Link};
use crate::marker;
use crate::splice::Splices;

#[cfg(test)]
mod tests;

/// Writes the tracked form of a target, or says that the link stays.
pub type Track<'a> = dyn FnMut(&str, &mut String) -> bool + 'a;

/// The document with tracked links, without markers, and with the pixel before the end of its body. Nothing where nothing
/// changes.
pub fn html(html: &str, track: &mut Track<'_>, pixel: Option<&str>) -> Option<String> {
    let mut splices = Splices::default();
    let mut ends = Ends::default();
    let mut conditions = 0_u32;
    let mut tokens = Tokens::new(html, 0..html.len());
    while let Some(token) = tokens.next() {
        match token {
            Token::Start { name } => {
                if is_link(&tokens, &name) || (conditions > 0 && is_vml(html, &name)) {
                    element(html, &tokens, track, &mut splices);
                }
            }
            Token::End { name, whole } => ends.note(&tokens, &name, whole.start),
            Token::Comment { text } | Token::Declaration { text } => match condition(html, text) {
                Some(Condition::Hidden(piece)) => hidden_links(html, piece, track, &mut splices),
                Some(Condition::Opens) => conditions += 1,
                Some(Condition::Closes) => conditions = conditions.saturating_sub(1),
                None => {}
            },
        }
    }
    let at = ends
        .pixel_at()
        .or_else(|| (!tokens.ended_open()).then(|| html.trim_end_matches(['\r', '\n']).len()));
    if let (Some(pixel), Some(at)) = (pixel, at) {
        splices.insert(at, pixel);
    }
    splices.apply(html)
}

/// Where the document's end tags stand.
#[derive(Default)]
struct Ends {
    body: Option<usize>,
    html: Option<usize>,
}

impl Ends {
    fn note(&mut self, tokens: &Tokens<'_>, name: &Range<usize>, at: usize) {
        if tokens.is(name, "body") {
            self.body = Some(at);
        } else if tokens.is(name, "html") {
            self.html = Some(at);
        }
    }

    fn pixel_at(&self) -> Option<usize> {
        self.body.or(self.html)
    }
}

/// What a comment or declaration says to Outlook.
enum Condition {
    /// `<!--[if mso]> .. <![endif]-->`: what is in the comment is markup for it.
    Hidden(Range<usize>),
    /// `<![if mso]>` or `<!--[if mso]><!-->`: what follows is markup for it and for others.
    Opens,
    /// `<![endif]>` or `<!--<![endif]-->`.
    Closes,
}

/// Nothing for other comments.
fn condition(html: &str, text: Range<usize>) -> Option<Condition> {
    let inner = &html[text.clone()];
    let has = |at: usize, word: &str| {
        let part = inner.as_bytes().get(at..at + word.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    let start = inner.len() - inner.trim_start().len();
    if has(start, "[if") {
        let Some(end) = inner.find("]>") else {
            return Some(Condition::Opens);
        };
        let is_hidden =
            memchr::memchr_iter(b'[', &inner.as_bytes()[end..]).any(|at| has(end + at, "[endif]"));
        return Some(if is_hidden {
            Condition::Hidden(text.start + end + 2..text.end)
        } else {
            Condition::Opens
        });
    }
    let is_end = has(start, "[endif]") || has(start, "<![endif]");
    is_end.then_some(Condition::Closes)
}

/// Where in a comment that Outlook reads, links are looked for.
fn hidden_links(html: &str, piece: Range<usize>, track: &mut Track<'_>, splices: &mut Splices) {
    let mut tokens = Tokens::new(html, piece);
    while let Some(token) = tokens.next() {
        if let Token::Start { name } = token
            && (is_link(&tokens, &name) || is_vml(html, &name))
        {
            element(html, &tokens, track, splices);
        }
    }
}

fn is_link(tokens: &Tokens<'_>, name: &Range<usize>) -> bool {
    tokens.is(name, "a") || tokens.is(name, "area")
}

/// A shape of Outlook's vector language, which can be a link as a whole.
fn is_vml(html: &str, name: &Range<usize>) -> bool {
    let prefix = html[name.clone()].get(..2);
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("v:"))
}

/// Of several attributes of one name the first counts, as for browsers.
fn element(html: &str, tokens: &Tokens<'_>, track: &mut Track<'_>, splices: &mut Splices) {
    let attributes = tokens.attributes();
    let marker = |attribute: &Attribute| {
        marker::attribute(
            &html[attribute.name.clone()],
            &html[attribute.value.clone()],
        )
    };
    let mut is_marked = false;
    let mut stays = false;
    for asks in attributes.iter().filter_map(marker) {
        is_marked = true;
        stays |= asks;
    }
    let href = attributes
        .iter()
        .position(|attribute| tokens.is(&attribute.name, "href"));
    if !is_marked {
        if let Some(href) = href {
            value(html, &attributes[href].value, stays, track, splices);
        }
        return;
    }
    for (position, attribute) in attributes.iter().enumerate() {
        if marker(attribute).is_some() {
            splices.remove(with_space_before(html, attribute));
        } else if Some(position) == href {
            value(html, &attribute.value, stays, track, splices);
        }
    }
}

/// The value of the attribute that makes the element a link.
fn value(html: &str, at: &Range<usize>, stays: bool, track: &mut Track<'_>, splices: &mut Splices) {
    match link::read(&html[at.clone()]) {
        Link::Target(target) if !stays => {
            splices.replace(at.clone(), |into| track(&target, into));
        }
        Link::Marked(marker) => {
            splices.remove(at.start + marker.start..at.start + marker.end);
        }
        _ => {}
    }
}

/// The attribute goes with the white space before it, unless that alone parts its neighbours.
fn with_space_before(html: &str, attribute: &Attribute) -> Range<usize> {
    let before = html[..attribute.whole.start].trim_end_matches([' ', '\t', '\r', '\n', '\x0c']);
    let after = html.as_bytes().get(attribute.whole.end);
    if matches!(after, Some(b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' | b'>')) {
        before.len()..attribute.whole.end
    } else {
        attribute.whole.clone()
    }
}

/// Plain text with tracked links: what begins with a scheme, up to white space or the punctuation that ends a sentence.
pub fn plain(text: &str, track: &mut Track<'_>) -> Option<String> {
    let mut splices = Splices::default();
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'h', b'H', &text.as_bytes()[at..]) {
        let start = at + found;
        at = start + 1;
        let within_word = text[..start].ends_with(|c: char| c.is_alphanumeric());
        let is_link = |scheme: &str| {
            let word = text.as_bytes().get(start..start + scheme.len());
            word.is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes()))
        };
        if within_word {
            continue;
        }
        if let Some(marked) = marker::at_url(text, start) {
            splices.remove(marked);
            at = start + url_length(&text[start..]);
        } else if is_link("http://") || is_link("https://") {
            let url = start..start + url_length(&text[start..]);
            at = url.end;
            // A text has no character references: the URL stands as it is.
            if link::is_trackable(&text[url.clone()]) {
                splices.replace(url.clone(), |into| track(&text[url], into));
            }
        }
    }
    splices.apply(text)
}

fn url_length(text: &str) -> usize {
    let is_end =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`');
    let mut url = &text[..text.find(is_end).unwrap_or(text.len())];
    let mut open = [('(', ')'), ('[', ']'), ('{', '}')].map(|(open, close)| {
        let count = |bracket| url.matches(bracket).count();
        (close, count(close).saturating_sub(count(open)))
    });
    while let Some(last) = url.chars().next_back() {
        let closes = open.iter_mut().find(|(close, _)| *close == last);
        match closes {
            // A bracket that was not opened within the URL belongs to the text around it.
            Some((_, unopened)) if *unopened > 0 => *unopened -= 1,
            None if matches!(
                last,
                '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '|'
            ) => {}
            _ => break,
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url.len()
}
