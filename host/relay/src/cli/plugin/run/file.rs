//! A message in a file, whose lines may end as no message on the wire does. The relay works on it with CRLF; what it did not
//! change is written with the file's own bytes.

use baton_message::lines::to_crlf;
use baton_message::{Message, Rendered};
use bytes::Bytes;

#[cfg(test)]
mod tests;

pub(super) struct File {
    bytes: Bytes,
    message: Message,
    /// Where the message differs from the file: positions behind it in the message and in the file.
    steps: Vec<(usize, usize)>,
}

impl File {
    pub fn new(bytes: Bytes) -> Self {
        let message = Message::parse(to_crlf(bytes.clone()));
        let steps = steps(&bytes);
        Self {
            bytes,
            message,
            steps,
        }
    }

    /// The message as the relay would receive it.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The edited message with the file's own line ends. Lines that were written anew end in LF if all of the file's do, and the
    /// last one does not if the file's does not.
    pub fn restore(&self, rendered: &Rendered) -> Vec<u8> {
        let base = self.message.bytes();
        let base = base.as_ptr() as usize..base.as_ptr() as usize + base.len();
        let has_cr = self.bytes.contains(&b'\r');
        let mut out = Vec::with_capacity(rendered.len());
        let mut is_own = true;
        for segment in rendered.segments() {
            let at = segment.as_ptr() as usize;
            is_own = base.contains(&at);
            if is_own {
                let start = at - base.start;
                let own = self.position(start)..self.position(start + segment.len());
                out.extend_from_slice(&self.bytes[own]);
            } else if has_cr {
                out.extend_from_slice(segment);
            } else {
                out.extend(segment.iter().filter(|&&byte| byte != b'\r'));
            }
        }
        // On the wire a last line has an end; in this file it had none.
        if !is_own && !self.bytes.ends_with(b"\n") {
            let line = out.strip_suffix(b"\n").unwrap_or(&out);
            out.truncate(line.strip_suffix(b"\r").unwrap_or(line).len());
        }
        out
    }

    /// A position of the message in the file.
    fn position(&self, at: usize) -> usize {
        let behind = self.steps.partition_point(|&(message, _)| message <= at);
        match behind.checked_sub(1).map(|last| self.steps[last]) {
            Some((message, file)) => file + (at - message),
            None => at,
        }
    }
}

/// As [`to_crlf`] goes through the file.
fn steps(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut steps = Vec::new();
    let (mut at, mut longer) = (0, 0_isize);
    while let Some(found) = memchr::memchr3(b'\r', b'\n', 0, &bytes[at..]) {
        at += found;
        let (length, becomes) = match &bytes[at..] {
            [0, ..] => (1, 0),
            [b'\r', b'\n', ..] => (2, 2),
            _ => (1, 2),
        };
        at += length as usize;
        if length != becomes {
            longer += becomes - length;
            steps.push((at.saturating_add_signed(longer), at));
        }
    }
    steps
}
