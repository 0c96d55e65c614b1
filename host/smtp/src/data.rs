//! The text of a message on the wire: DATA decoded, DATA encoded, and what may never pass.
//!
//! # What ends a message
//!
//! CRLF `.` CRLF, and nothing else. A bare CR, a bare LF or a NUL anywhere makes the message
//! unacceptable, since the next server might read its lines differently than we do. How it is
//! refused depends on what can be known:
//!
//! - The line that holds only a dot has a doubtful end on either side (`LF . LF`, `CRLF . LF`,
//!   `LF . CRLF`, `CR . CR` and so on): the client may believe that its message ended there, and what
//!   follows may be commands to it and text to us. The true end cannot be known, so the
//!   connection is closed at once, with 521 5.5.2.
//! - Anywhere else both sides agree on the end. The message is read to CRLF `.` CRLF without being
//!   kept, and refused there with 550 5.6.0; the session goes on.
//!
//! Nothing after a doubtful end is ever run as a command, and nothing with a doubtful line end is
//! ever accepted, which is all that smuggling needs to fail.

use memchr::memchr3_iter;

/// Why a message cannot pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextFault {
    /// A CR that no LF follows, an LF that no CR precedes.
    BareLineEnd,
    /// A NUL (RFC 5322 4.1).
    Nul,
    /// A line longer than the listener takes.
    LineTooLong,
}

/// The first thing in a message that SMTP cannot carry. For messages that did not come by SMTP.
pub fn check(message: &[u8]) -> Result<(), TextFault> {
    let mut carriage_return = None;
    for at in memchr3_iter(b'\r', b'\n', 0, message) {
        let after_cr = at
            .checked_sub(1)
            .is_some_and(|before| carriage_return == Some(before));
        match message[at] {
            0 => return Err(TextFault::Nul),
            b'\r' if message.get(at + 1) != Some(&b'\n') => return Err(TextFault::BareLineEnd),
            b'\r' => carriage_return = Some(at),
            _ if !after_cr => return Err(TextFault::BareLineEnd),
            _ => {}
        }
    }
    Ok(())
}
