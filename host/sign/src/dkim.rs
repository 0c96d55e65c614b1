//! The signatures of a message: what they cover, and the fields that carry them.
//!
//! A signature names a field once more than the message has it, where one more would change what people see: then nobody
//! can put a second From or Subject on top of a message that is signed (RFC 6376 8.15). Whole bodies are signed, never a
//! first part of them (`l=`).

use baton_message::HeaderSection;
use baton_smtp::Mailbox;
use bytes::Bytes;
use mail_auth::common::crypto::{HashContext, HashImpl, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::Signature;
use memchr::memmem;

use crate::canon;
use crate::keyring::{DomainKey, Keyring};

#[cfg(test)]
mod tests;

/// Fields that one more of would deceive somebody: also their absence is signed.
const SEALED: [&str; 13] = [
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
];

/// Fields that are sealed where the message has them. A mailing list may add them to one that has not.
const COVERED: [&str; 15] = [
    "Sender",
    "Resent-Date",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
    "Auto-Submitted",
];

/// What signatures cover beside the usual fields.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Names of fields that are sealed where the message has them.
    pub further: Vec<String>,
    /// Seconds that a signature is valid for (`x=`); for ever if 0.
    pub valid_seconds: u64,
}

/// Why a message has no signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsigned {
    /// There is no key for its author's domain.
    NoKey,
    /// It has no From field, or several: readers differ about who wrote it.
    Froms(usize),
    /// The sender may not write in the name of this author.
    NotTheirs(String),
    /// The header section is not one that everybody reads alike.
    Malformed,
    /// The key does not sign.
    Key(String),
}

impl std::fmt::Display for Unsigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unsigned::NoKey => f.write_str("there is no key for the author's domain"),
            Unsigned::Froms(count) => write!(f, "the message has {count} From fields"),
            Unsigned::NotTheirs(author) => write!(f, "the account may not send as {author}"),
            Unsigned::Malformed => f.write_str("the header section is malformed"),
            Unsigned::Key(error) => write!(f, "the key does not sign: {error}"),
        }
    }
}

/// The signatures of a message given in pieces that follow each other, as fields for its top. `may_write_as` says of each
/// author whether whoever sent the message may use that address; otherwise no key signs that is related to the author's
/// domain. The same message, keys and time (seconds since 1970) give the same bytes.
///
/// # Errors
/// Why there is no signature.
pub fn sign(
    message: &[Bytes],
    ring: &Keyring,
    coverage: &Coverage,
    may_write_as: impl Fn(&Mailbox) -> bool,
    now: u64,
) -> Result<Bytes, Unsigned> {
    let (section, body) = split(message);
    if !section.is_well_formed() {
        return Err(Unsigned::Malformed);
    }
    let keys = keys(&section, ring, may_write_as, now)?;
    let fields = covered(&section, coverage);
    let mut hashed = Vec::with_capacity(2048);
    for (name, values) in &fields {
        // From the bottom up, as verifiers look for them (RFC 6376 5.4.2).
        for value in values.iter().rev() {
            canon::field(name, value, &mut hashed);
        }
    }
    let body_hash = hash(&body);
    let names: Vec<String> = fields
        .iter()
        .flat_map(|(name, values)| std::iter::repeat_n((*name).to_owned(), values.len() + 1))
        .collect();
    let mut out = Vec::with_capacity(1024 * keys.len());
    for key in keys {
        let mut signature = Signature {
            d: key.domain.to_string(),
            s: key.selector.to_string(),
            h: names.clone(),
            bh: body_hash.clone(),
            t: now,
            x: match coverage.valid_seconds {
                0 => 0,
                seconds => now + seconds,
            },
            ..key.key.template()
        };
        let mut hashed = hashed.clone();
        signature.write(&mut hashed, false);
        let signed = key.key.sign(&hashed);
        signature.b = signed.map_err(|error| Unsigned::Key(error.to_string()))?;
        signature.write_header(&mut out);
    }
    Ok(out.into())
}

fn keys<'ring>(
    section: &HeaderSection,
    ring: &'ring Keyring,
    may_write_as: impl Fn(&Mailbox) -> bool,
    now: u64,
) -> Result<Vec<&'ring DomainKey>, Unsigned> {
    let count = section.count("From");
    let from = section.first("From").filter(|_| count == 1);
    let from = from.ok_or(Unsigned::Froms(count))?;
    let authors: Vec<Mailbox> = from
        .addresses()
        .iter()
        .filter_map(|address| Mailbox::parse(address).ok())
        .collect();
    let domains: Vec<&str> = authors.iter().map(|a| a.domain().as_str()).collect();
    let mut chosen = ring.choose(&domains, now);
    let stranger = authors.iter().find(|author| !may_write_as(author));
    if stranger.is_some() {
        chosen = ring.choose(&[], now);
        chosen.retain(|key| domains.iter().all(|domain| !related(domain, &key.domain)));
    }
    match (chosen.is_empty(), stranger) {
        (false, _) => Ok(chosen),
        (true, Some(author)) => Err(Unsigned::NotTheirs(author.to_string())),
        (true, None) => Err(Unsigned::NoKey),
    }
}

/// Whether DMARC could take one for aligned with the other: they end alike. Wider than the list of public suffixes.
fn related(one: &str, other: &str) -> bool {
    let end = |domain: &str| {
        let mut labels = domain.rsplit('.');
        (
            labels.next().map(str::to_owned),
            labels.next().map(str::to_owned),
        )
    };
    end(one) == end(other)
}

type Fields<'a> = Vec<(&'a str, Vec<&'a [u8]>)>;

/// The names that are signed, each with the values it has, from the top down.
fn covered<'a>(section: &'a HeaderSection, coverage: &'a Coverage) -> Fields<'a> {
    let further = coverage.further.iter().map(String::as_str);
    let mut fields: Fields<'a> = SEALED
        .iter()
        .chain(&COVERED)
        .copied()
        .chain(further)
        .map(|name| (name, Vec::new()))
        .collect();
    for field in section.fields() {
        if let Some((_, values)) = fields.iter_mut().find(|(name, _)| field.is(name)) {
            values.push(field.raw_value());
        }
    }
    let mut nth = 0;
    fields.retain(|(_, values)| {
        nth += 1;
        nth <= SEALED.len() || !values.is_empty()
    });
    fields
}

/// The names of all fields that are covered.
pub(crate) fn covered_names() -> impl Iterator<Item = &'static str> {
    SEALED.iter().chain(&COVERED).copied()
}

fn hash(body: &[Bytes]) -> Vec<u8> {
    let mut canonical = canon::Body::new(Sha256::hasher());
    for piece in body {
        canonical.write(piece);
    }
    canonical.finish().complete().as_ref().to_vec()
}

/// The header section, joined, and the pieces of the body.
fn split(message: &[Bytes]) -> (HeaderSection, Vec<Bytes>) {
    const END: &[u8] = b"\r\n\r\n";
    let mut head: Vec<u8> = Vec::new();
    for (nth, piece) in message.iter().enumerate() {
        // The end may lie across two pieces.
        let seam = head.len().saturating_sub(END.len() - 1);
        if let Some(kept) = head.get(seam..)
            && !kept.is_empty()
        {
            let joint = [kept, &piece[..piece.len().min(END.len() - 1)]].concat();
            if let Some(at) = memmem::find(&joint, END) {
                let end = seam + at + END.len();
                let taken = end - head.len();
                head.extend_from_slice(&piece[..taken]);
                return whole(head, piece.slice(taken..), &message[nth + 1..]);
            }
        }
        if let Some(at) = memmem::find(piece, END) {
            let end = at + END.len();
            head.extend_from_slice(&piece[..end]);
            return whole(head, piece.slice(end..), &message[nth + 1..]);
        }
        head.extend_from_slice(piece);
    }
    (HeaderSection::parse(head.into()), Vec::new())
}

fn whole(head: Vec<u8>, first: Bytes, rest: &[Bytes]) -> (HeaderSection, Vec<Bytes>) {
    let mut body = vec![first];
    body.extend(rest.iter().cloned());
    (HeaderSection::parse(head.into()), body)
}
