//! Which parts of a message are the text that its reader sees, and their text.

use baton_sdk::message::Part;
use baton_sdk::prelude::*;

use crate::TEXT_BYTES_MAX;

/// Whether the part is text that the reader sees as the message: no attachment, nothing within a forwarded message, nothing that
/// a signature covers.
pub fn is_body(part: &Part, all: &[Part]) -> bool {
    part.editable
        && (part.is_html() || part.is_plain())
        && shows(part, all)
        && ancestors(part, all)
            .all(|above| !above.media_type.starts_with("message/") && shows(above, all))
}

/// From the part's parent up to the message.
fn ancestors<'a>(part: &'a Part, all: &'a [Part]) -> impl Iterator<Item = &'a Part> {
    let parent = |part: &Part| {
        // A parent stands before its children: there is no circle.
        let index = part.parent.filter(|&parent| parent < part.index)?;
        all.get(index as usize)
    };
    std::iter::successors(parent(part), move |part| parent(part))
}

/// Whether a part is shown where it stands, as its own fields and its place say.
fn shows(part: &Part, all: &[Part]) -> bool {
    let is_inline = matches!(part.disposition.as_deref(), None | Some("" | "inline"));
    match part.parent.and_then(|parent| all.get(parent as usize)) {
        None => is_inline,
        Some(parent) => match parent.media_type.as_str() {
            // One of these is the text, whatever name a file would get that it is saved in.
            "multipart/alternative" => is_inline,
            // The first is the text, and what stands behind it belongs to it: images, frames (RFC 2387 3).
            "multipart/related" => is_inline && (part.is_plain() || is_root(part, all)),
            // Beside the text, what has a file's name is a file: some mail programs call every attachment inline.
            _ => is_inline && part.filename.is_none(),
        },
    }
}

fn is_root(part: &Part, all: &[Part]) -> bool {
    let may_be_root = |part: &&Part| part.is_html() || part.media_type.starts_with("multipart/");
    let mut siblings = all.iter().filter(|other| other.parent == part.parent);
    siblings
        .find(may_be_root)
        .is_some_and(|first| first.index == part.index)
}

/// The text of a part, unless it is too long, or holds bytes that its charset does not know: those could not be written back as
/// they were.
pub fn text(part: &Part) -> Result<Option<String>> {
    if part.size > TEXT_BYTES_MAX {
        log::info(format!(
            "part {} is left alone: {} bytes of text are too many",
            part.index, part.size
        ));
        return Ok(None);
    }
    let text = match part.text() {
        Ok(text) => text,
        Err(error) => {
            log::info(format!("part {} is left alone: {error}", part.index));
            return Ok(None);
        }
    };
    if text.contains('\u{fffd}') && !is_utf8(part)? {
        log::info(format!(
            "part {} is left alone: some bytes are not in its charset",
            part.index
        ));
        return Ok(None);
    }
    Ok(Some(text))
}

/// What the relay will not have changed, for a reason of its own, is sent as it was: mail goes before tracking.
pub fn set_text(part: &Part, text: &str) {
    if let Err(error) = part.set_text(text) {
        log::warn(format!("part {} is left alone: {error}", part.index));
    }
}

/// Whether a replacement character in the text may be the author's own.
fn is_utf8(part: &Part) -> Result<bool> {
    let mut bytes = Vec::new();
    for piece in part.content() {
        bytes.extend(piece?);
    }
    Ok(std::str::from_utf8(&bytes).is_ok())
}
