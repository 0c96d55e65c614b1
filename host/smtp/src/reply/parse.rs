//! Replies read from a server, a piece at a time and within bounds.
//!
//! Only CRLF ends a line, as everywhere. Text is taken as UTF-8 with what is not replaced: servers
//! explain refusals in old charsets, and losing the code over a letter would turn a permanent
//! refusal into days of retries. Control characters become spaces.

use std::fmt;

use memchr::{memchr, memchr_iter};

use super::{EnhancedStatus, Reply};
use crate::limits::{REPLY_LINE_READ_BYTES_MAX, REPLY_LINES_READ_MAX, REPLY_READ_BYTES_MAX};

/// Why what a server sent is no reply. Nothing after it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A line that does not begin with a code from 200 to 599 and a space, hyphen or line end.
    Garbage,
    /// Lines of one reply with different codes.
    Mixed,
    /// A line longer than [`REPLY_LINE_READ_BYTES_MAX`].
    LineTooLong,
    /// More than [`REPLY_LINES_READ_MAX`] lines or [`REPLY_READ_BYTES_MAX`] bytes.
    TooLong,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReplyError::Garbage => "the server sent something that is no SMTP reply",
            ReplyError::Mixed => "the server sent a reply with several codes",
            ReplyError::LineTooLong => "the server sent an endless line",
            ReplyError::TooLong => "the server sent an endless reply",
        })
    }
}

impl std::error::Error for ReplyError {}

/// Collects lines into replies.
#[derive(Debug, Default)]
pub struct Parser {
    /// A line without its end so far.
    line: Vec<u8>,
    /// What the lines of the reply under way gave.
    code: Option<u16>,
    status: Option<EnhancedStatus>,
    text: String,
    lines: usize,
    bytes: usize,
}

impl Parser {
    /// Takes bytes from the front of `input` until a reply is complete; `None` where all of it was
    /// taken and more is needed. After an error the parser is of no more use.
    pub fn parse(&mut self, input: &mut &[u8]) -> Result<Option<Reply>, ReplyError> {
        loop {
            let end = memchr(b'\n', input).map(|at| at + 1);
            let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
            if self.line.len() + piece.len() > REPLY_LINE_READ_BYTES_MAX {
                return Err(ReplyError::LineTooLong);
            }
            self.line.extend_from_slice(piece);
            *input = rest;
            if end.is_none() {
                return Ok(None);
            }
            // A bare LF is part of the line, and there it becomes a space.
            if !self.line.ends_with(b"\r\n") {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if hides_a_reply(&line) {
                return Err(ReplyError::Garbage);
            }
            if let Some(reply) = self.take_line(&line[..line.len() - 2])? {
                return Ok(Some(reply));
            }
        }
    }

    /// True where part of a reply was read.
    pub fn is_partial(&self) -> bool {
        !self.line.is_empty() || self.code.is_some()
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (code, last, text) = split_line(line)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::Mixed);
        }
        self.lines += 1;
        self.bytes += line.len();
        if self.lines > REPLY_LINES_READ_MAX || self.bytes > REPLY_READ_BYTES_MAX {
            return Err(ReplyError::TooLong);
        }
        let text = String::from_utf8_lossy(text);
        let text = self.take_status(code, &text);
        if self.code.is_some() {
            self.text.push('\n');
        }
        self.text
            .extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        self.code = Some(code);
        if !last {
            return Ok(None);
        }
        let reply = Reply::new(code, self.status, &self.text);
        *self = Parser::default();
        Ok(Some(reply))
    }

    /// The text without the status at its front, which one line gives and the others repeat
    /// (RFC 2034 section 4). A status of a class the code does not have is left in the text.
    fn take_status<'a>(&mut self, code: u16, text: &'a str) -> &'a str {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word.parse::<EnhancedStatus>() {
            Ok(status) if u16::from(status.class()) == code / 100 => {
                if *self.status.get_or_insert(status) == status {
                    rest
                } else {
                    text
                }
            }
            _ => text,
        }
    }
}

/// Code, whether the line is the last, and text.
fn split_line(line: &[u8]) -> Result<(u16, bool, &[u8]), ReplyError> {
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyError::Garbage)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(ReplyError::Garbage);
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if !(200..600).contains(&code) {
        return Err(ReplyError::Garbage);
    }
    match rest.split_first() {
        None => Ok((code, true, rest)),
        Some((b' ', text)) => Ok((code, true, text)),
        Some((b'-', text)) => Ok((code, false, text)),
        Some(_) => Err(ReplyError::Garbage),
    }
}

/// Whether what follows a bare LF is a reply of its own: read as one line, the answer to the next command would be lost,
/// and every answer after it taken for the wrong command's.
fn hides_a_reply(line: &[u8]) -> bool {
    memchr_iter(b'\n', line).any(|at| {
        matches!(
            line[at + 1..],
            [
                b'2'..=b'5',
                b'0'..=b'9',
                b'0'..=b'9',
                b' ' | b'-' | b'\r',
                ..
            ]
        )
    })
}
