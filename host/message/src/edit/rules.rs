//! Which fields a plugin may touch, and how often one may stand.

use super::EditSet;
use crate::error::Error;

/// RFC 5322 3.6: fields of which a message has at most one.
pub(super) fn check_single(set: &EditSet, name: &str) -> Result<(), Error> {
    const SINGLE: [&str; 11] = [
        "Date",
        "From",
        "Sender",
        "Reply-To",
        "To",
        "Cc",
        "Bcc",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Subject",
    ];
    let single = SINGLE.iter().any(|known| name.eq_ignore_ascii_case(known));
    if single && set.header_count(name) > 0 {
        return Err(Error::invalid(format!(
            "{name} may occur only once and is there already; replace it"
        )));
    }
    Ok(())
}

/// Fields that plugins neither write nor remove.
pub(super) fn protected_field(name: &str) -> Option<&'static str> {
    const STRUCTURE: [&str; 3] = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"];
    const TRACE: [&str; 2] = ["Received", "Return-Path"];
    const SIGNATURES: [&str; 4] = [
        "DKIM-Signature",
        "ARC-Seal",
        "ARC-Message-Signature",
        "ARC-Authentication-Results",
    ];
    let is_in = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    if is_in(&STRUCTURE) {
        Some("the field holds the structure of the message")
    } else if is_in(&TRACE) {
        Some("trace fields are the relay's")
    } else if is_in(&SIGNATURES) {
        Some("the field is a signature")
    } else {
        None
    }
}
