//! DATA on its way out.

use bytes::{Bytes, BytesMut};

use super::{Checker, TextFault};
use crate::limits::STUFFED_SLICES_MAX;

static DOT: &[u8] = b".";
static END: &[u8] = b".\r\n";
static CRLF_END: &[u8] = b"\r\n.\r\n";

/// A message as DATA sends it: dots doubled where they begin a line, and the final CRLF `.` CRLF, with
/// a CRLF added to a message that ends without one. Refused where the message holds what SMTP cannot
/// carry, so that no bare CR or LF is ever sent.
///
/// The slices are those of the message; only where many lines begin with a dot are they copied into
/// one.
pub fn stuff(message: &[Bytes]) -> Result<Vec<Bytes>, TextFault> {
    let mut out = Vec::with_capacity(message.len() + 1);
    let mut dots = 0;
    let mut checker = Checker::default();
    // The next byte begins a line.
    let mut line_start = true;
    for slice in message.iter().filter(|slice| !slice.is_empty()) {
        let mut run = 0;
        let mut dot_at = |at: usize| {
            if slice.get(at) == Some(&b'.') {
                if run < at {
                    out.push(slice.slice(run..at));
                }
                out.push(Bytes::from_static(DOT));
                run = at;
                dots += 1;
            }
        };
        if line_start {
            dot_at(0);
        }
        checker = checker.slice(slice, dot_at)?;
        out.push(slice.slice(run..));
        // The text was checked, so an LF has its CR.
        line_start = slice.last() == Some(&b'\n');
    }
    checker.end()?;
    out.push(Bytes::from_static(if line_start { END } else { CRLF_END }));
    Ok(if dots > STUFFED_SLICES_MAX {
        vec![join(&out)]
    } else {
        out
    })
}

fn join(slices: &[Bytes]) -> Bytes {
    let mut joined = BytesMut::with_capacity(slices.iter().map(Bytes::len).sum());
    for slice in slices {
        joined.extend_from_slice(slice);
    }
    joined.freeze()
}
