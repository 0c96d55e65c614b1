//! The message of the running hook. It is the relay's own: nothing is copied until asked for, and an edit is checked as it is
//! made and applied when the hook returns. A hook that fails leaves no edit behind.
//!
//! ```
//! # use baton_sdk::prelude::*;
//! # let relay = testing::Relay::new().message("Subject: hi\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n");
//! # fn edit() -> Result<()> {
//! for part in message::parts().filter(|part| part.is_html() && part.editable) {
//!     let html = part.text()?;
//!     part.set_text(&html.replace("Hello", "Good morning"))?;
//! }
//! message::prepend_header("X-Greeted", "yes")?;
//! # Ok(())
//! # }
//! # edit().unwrap();
//! # assert_eq!(relay.text(0), "<p>Good morning</p>\r\n");
//! ```

pub use crate::bindings::baton::relay::message::{Error, Field, Part};
use crate::host::message as host;

/// The relay's id of the message.
pub fn id() -> String {
    host::id()
}

/// Bytes of the message as received.
pub fn size() -> u32 {
    host::size()
}

/// The first field of that name, unfolded and decoded (RFC 2047).
pub fn header(name: &str) -> Option<String> {
    host::header(name)
}

/// Every field, in order.
pub fn headers() -> impl Iterator<Item = Field> {
    host::headers().into_iter()
}

/// Every part, the containing one before those inside it. The first is the message's own body.
pub fn parts() -> impl Iterator<Item = Part> {
    host::parts().into_iter()
}

/// Bytes of the message as received, piece by piece.
pub fn raw() -> impl Iterator<Item = Result<Vec<u8>, Error>> {
    pieces(size(), host::raw)
}

/// Bytes of the message as received, from `offset` on, `length` of them or as many as there are.
pub fn raw_range(offset: u32, length: u32) -> Result<Vec<u8>, Error> {
    host::raw(offset, length)
}

/// Which of the patterns occur in the decoded text of the text parts, as positions in `patterns`. The relay searches, without
/// regard to ASCII case, and the message does not enter the plugin.
pub fn find<S: AsRef<str>>(patterns: &[S]) -> Vec<usize> {
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| pattern.as_ref().to_owned())
        .collect();
    host::find(&patterns)
        .into_iter()
        .map(|position| position as usize)
        .collect()
}

/// Absolute http and https URLs in text and HTML parts, in order.
pub fn urls() -> Vec<String> {
    host::urls()
}

/// Adds a field at the top, below the relay's own trace fields. The relay folds and encodes.
pub fn prepend_header(name: &str, value: &str) -> Result<(), Error> {
    host::prepend_header(name, value)
}

/// Adds a field at the end of the header section.
pub fn append_header(name: &str, value: &str) -> Result<(), Error> {
    host::append_header(name, value)
}

/// Replaces the first field of that name and removes further ones, or adds one if there is none.
pub fn replace_header(name: &str, value: &str) -> Result<(), Error> {
    host::replace_header(name, value)
}

/// Removes every field of that name; how many there were.
pub fn remove_header(name: &str) -> Result<u32, Error> {
    host::remove_header(name)
}

impl Part {
    /// True for `text/plain`.
    pub fn is_plain(&self) -> bool {
        self.media_type == "text/plain"
    }

    /// True for `text/html`.
    pub fn is_html(&self) -> bool {
        self.media_type == "text/html"
    }

    /// True where the part says that it is an attachment, or has a file name and does not say that it is inline.
    pub fn is_attachment(&self) -> bool {
        match self.disposition.as_deref() {
            Some("inline") => false,
            Some(_) => true,
            None => self.filename.is_some(),
        }
    }

    /// Text of a `text/*` part, transfer encoding and charset decoded, edits of earlier plugins included.
    pub fn text(&self) -> Result<String, Error> {
        host::text(self.index)
    }

    /// Replaces the decoded text; the relay encodes it in the part's charset and transfer encoding.
    pub fn set_text(&self, text: &str) -> Result<(), Error> {
        host::set_text(self.index, text)
    }

    /// Decoded bytes, piece by piece.
    pub fn content(&self) -> impl Iterator<Item = Result<Vec<u8>, Error>> {
        let index = self.index;
        pieces(self.size, move |offset, length| {
            host::content(index, offset, length)
        })
    }

    /// Decoded bytes from `offset` on, `length` of them or as many as there are.
    pub fn read(&self, offset: u32, length: u32) -> Result<Vec<u8>, Error> {
        host::content(self.index, offset, length)
    }

    /// SHA-256 of the decoded bytes, in hex. The relay computes it.
    pub fn digest(&self) -> Result<String, Error> {
        host::digest(self.index)
    }
}

const PIECE_BYTES: u32 = 64 * 1024;

fn pieces(
    total: u32,
    read: impl Fn(u32, u32) -> Result<Vec<u8>, Error>,
) -> impl Iterator<Item = Result<Vec<u8>, Error>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if offset >= total {
            return None;
        }
        let piece = read(offset, PIECE_BYTES.min(total - offset));
        offset = match &piece {
            Ok(bytes) if !bytes.is_empty() => offset.saturating_add(bytes.len() as u32),
            _ => total,
        };
        Some(piece)
    })
}
