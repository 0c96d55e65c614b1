//! Changes in the text of a part: links become tracked ones, markers go, the pixel comes. Nothing else moves by a byte.

use std::ops::Range;

use crate::html::{Attribute, Token, Tokens};
use crate::link::{self, Link};
use crate::splice::Splices;

#[cfg(test)]
mod tests;

/// Writes the tracked form of a target, or says that the link stays.
pub type Track<'a> = dyn FnMut(&str, &mut String) -> bool + 'a;

/// Attributes of a link by which authors ask to leave it alone, in this project's words and those of other services. The value
/// decides where the second field says so; else the attribute's presence does, unless its value denies it.
const MARKERS: [(&str, bool); 8] = [
    ("data-baton-track", true),
    ("clicktracking", true),
    ("data-msys-clicktrack", true),
    ("disable-tracking", false),
    ("mc:disable-tracking", false),
    ("ses:no-track", false),
    ("data-pm-no-track", false),
    ("notrack", false),
];

/// The document with tracked links, without markers, and with the pixel before the end of its body. Nothing where nothing
/// changes.
pub fn html(html: &str, track: &mut Track<'_>, pixel: Option<&str>) -> Option<String> {
    let mut splices = Splices::default();
    let mut ends = Ends::default();
    let mut tokens = Tokens::new(html, 0..html.len());
    while let Some(token) = tokens.next() {
        match token {
            Token::Start { name } => {
                if tokens.is(&name, "a") || tokens.is(&name, "area") {
                    element(html, &tokens, track, &mut splices);
                }
            }
            Token::End { name, whole } => ends.note(&tokens, &name, whole.start),
            Token::Comment { text } => {
                if let Some(piece) = conditional(html, text) {
                    conditional_links(html, piece, track, &mut splices);
                }
            }
        }
    }
    let at = ends
        .pixel_at()
        .or((!tokens.ended_open()).then_some(html.len()));
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

/// What Outlook reads as markup within a comment `<!--[if mso]> .. <![endif]-->`; nothing for other comments.
fn conditional(html: &str, comment: Range<usize>) -> Option<Range<usize>> {
    let text = &html[comment.clone()];
    let start = text.len() - text.trim_start().len();
    let is_conditional = text.get(start..start + 3)?.eq_ignore_ascii_case("[if");
    let condition = text.find("]>")?;
    is_conditional.then(|| comment.start + condition + 2..comment.end)
}

/// There, shapes of VML are links too.
fn conditional_links(
    html: &str,
    piece: Range<usize>,
    track: &mut Track<'_>,
    splices: &mut Splices,
) {
    let mut tokens = Tokens::new(html, piece);
    while let Some(token) = tokens.next() {
        let Token::Start { name } = token else {
            continue;
        };
        let is_vml = html[name.clone()]
            .get(..2)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("v:"));
        if is_vml || tokens.is(&name, "a") || tokens.is(&name, "area") {
            element(html, &tokens, track, splices);
        }
    }
}

/// Of several attributes of one name the first counts, as for browsers.
fn element(html: &str, tokens: &Tokens<'_>, track: &mut Track<'_>, splices: &mut Splices) {
    let attributes = tokens.attributes();
    let off = attributes
        .iter()
        .any(|attribute| asks_to_stay(html, tokens, attribute));
    let href = attributes
        .iter()
        .position(|attribute| tokens.is(&attribute.name, "href"));
    for (position, attribute) in attributes.iter().enumerate() {
        if marker(tokens, attribute).is_some() {
            splices.remove(with_space_before(html, attribute));
        } else if Some(position) == href {
            match link::read(&html[attribute.value.clone()]) {
                Link::Target(target) if !off => {
                    splices.replace(attribute.value.clone(), |into| track(&target, into));
                }
                Link::Marked(marker) => {
                    let start = attribute.value.start;
                    splices.remove(start + marker.start..start + marker.end);
                }
                _ => {}
            }
        }
    }
}

fn marker(tokens: &Tokens<'_>, attribute: &Attribute) -> Option<bool> {
    let found = MARKERS
        .iter()
        .find(|(name, _)| tokens.is(&attribute.name, name))?;
    Some(found.1)
}

fn asks_to_stay(html: &str, tokens: &Tokens<'_>, attribute: &Attribute) -> bool {
    let Some(by_value) = marker(tokens, attribute) else {
        return false;
    };
    let value = html[attribute.value.clone()].trim();
    let denies = ["off", "no", "false", "0"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word));
    denies == by_value
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
        const MARKED: [&str; 2] = ["http+notrack://", "https+notrack://"];
        if within_word {
            continue;
        }
        if let Some(marked) = MARKED.iter().find(|marked| is_link(marked)) {
            let end = start + marked.len() - "://".len();
            splices.remove(end - "+notrack".len()..end);
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
