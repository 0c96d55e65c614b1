//! One part: what its own fields say of it.

use std::ops::Range;

use crate::encoding::TransferEncoding;
use crate::header::HeaderSection;
use crate::limits::BOUNDARY_BYTES_MAX;
use crate::params::Parameterised;

pub(super) const BROKEN_HEADER: &str = "the header section is not well formed";
pub(super) const AMBIGUOUS: &str = "the structure can be read in two ways";
const SIGNED: &str = "the content is signed";
const ENCRYPTED: &str = "the content is encrypted";

/// One part of a message; the first is the message itself.
#[derive(Debug, Clone)]
pub struct Part {
    index: u32,
    pub(super) parent: Option<u32>,
    header: Range<usize>,
    pub(super) body: Range<usize>,
    pub(super) media_type: String,
    charset: Option<String>,
    disposition: Option<String>,
    filename: Option<String>,
    encoding: TransferEncoding,
    pub(super) protection: Option<&'static str>,
    boundary: Option<Vec<u8>>,
}

impl Part {
    /// Position in depth-first order; 0 is the message itself.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The multipart or enclosed message this part belongs to.
    pub fn parent(&self) -> Option<u32> {
        self.parent
    }

    /// Bytes of the part's fields, without the empty line.
    pub fn header_range(&self) -> Range<usize> {
        self.header.clone()
    }

    /// Bytes of the encoded content. The line end before a delimiter belongs to the delimiter.
    pub fn body_range(&self) -> Range<usize> {
        self.body.clone()
    }

    /// type/subtype in lower case; text/plain where nothing is declared.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The charset as it is declared.
    pub fn charset(&self) -> Option<&str> {
        self.charset.as_deref()
    }

    /// "inline", "attachment" or another, in lower case.
    pub fn disposition(&self) -> Option<&str> {
        self.disposition.as_deref()
    }

    /// From Content-Disposition, else the name of Content-Type.
    pub fn filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// How the content is written.
    pub fn transfer_encoding(&self) -> TransferEncoding {
        self.encoding
    }

    /// Why the part must not be edited, as far as the structure tells.
    pub fn protection(&self) -> Option<&'static str> {
        self.protection
    }

    /// Multiparts only.
    pub(crate) fn boundary(&self) -> Option<&[u8]> {
        self.boundary.as_deref()
    }

    /// True for text/*.
    pub fn is_text(&self) -> bool {
        self.media_type.starts_with("text/")
    }

    /// True for multipart/*.
    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    /// An enclosed message whose fields can be read in place.
    pub fn is_enclosed_message(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "message/rfc822" | "message/global"
        ) && self.encoding.is_identity()
    }
}

/// A part from its fields, with the boundary if it is a multipart that has one.
pub(super) fn read_part(
    header: &HeaderSection,
    parent: Option<usize>,
    index: usize,
    default_type: &str,
) -> (Part, Option<Vec<u8>>) {
    let content_type = header.first("Content-Type");
    let parsed = content_type.and_then(|field| Parameterised::parse(field.raw_value()));
    let media_type = match (&parsed, content_type) {
        (None, None) => default_type.to_owned(),
        (Some(parsed), _) => media_type(parsed),
        (None, Some(_)) => "application/octet-stream".to_owned(),
    };
    let disposition = header
        .first("Content-Disposition")
        .and_then(|field| Parameterised::parse(field.raw_value()));
    let encoding = header
        .first("Content-Transfer-Encoding")
        .map_or(TransferEncoding::SevenBit, |field| {
            TransferEncoding::from_value(&field.unfolded())
        });
    let attribute = |of: &Option<Parameterised>, name: &str| {
        of.as_ref()
            .and_then(|parsed| parsed.attribute(name))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let boundary = attribute(&parsed, "boundary")
        .map(|boundary| boundary.trim_end().as_bytes().to_vec())
        .filter(|boundary| !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES_MAX)
        .filter(|_| media_type.starts_with("multipart/"));
    let protection = protection(header, &media_type, parsed.as_ref(), boundary.is_some());
    let part = Part {
        index: index as u32,
        parent: parent.map(|parent| parent as u32),
        header: header.range(),
        body: header.body()..header.body(),
        charset: attribute(&parsed, "charset").map(|label| label.trim().to_owned()),
        filename: attribute(&disposition, "filename").or_else(|| attribute(&parsed, "name")),
        disposition: disposition.map(|disposition| disposition.main),
        media_type,
        encoding,
        protection,
        boundary: boundary.clone(),
    };
    (part, boundary)
}

fn media_type(parsed: &Parameterised) -> String {
    match &parsed.sub {
        Some(sub) if !sub.is_empty() && !parsed.main.is_empty() => format!("{}/{sub}", parsed.main),
        // The old form of Sun's mail tool, read as text everywhere.
        _ if parsed.main == "text" => "text/plain".to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// RFC 2045 5.1, and the slash.
fn is_type_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"[]?=".contains(&byte)
}

/// What the part's own fields forbid.
fn protection(
    header: &HeaderSection,
    media_type: &str,
    parsed: Option<&Parameterised>,
    has_boundary: bool,
) -> Option<&'static str> {
    let twice = |name: &str| header.count(name) > 1;
    let attribute_twice = |name: &str| parsed.is_some_and(|parsed| parsed.occurrences(name) > 1);
    let sub = media_type.split_once('/').map_or("", |(_, sub)| sub);
    let pgp = media_type.starts_with("application/")
        && (sub.starts_with("pgp") || sub.starts_with("x-pgp"));
    let encrypted = matches!(
        media_type,
        "multipart/encrypted" | "application/pkcs7-mime" | "application/x-pkcs7-mime"
    );
    if media_type == "multipart/signed" {
        Some(SIGNED)
    } else if encrypted || pgp {
        Some(ENCRYPTED)
    } else if !media_type.bytes().all(is_type_byte)
        || twice("Content-Type")
        || twice("Content-Transfer-Encoding")
        || attribute_twice("boundary")
        || attribute_twice("charset")
    {
        Some(AMBIGUOUS)
    } else if !header.is_well_formed() {
        Some(BROKEN_HEADER)
    } else if media_type.starts_with("multipart/") && !has_boundary {
        Some(AMBIGUOUS)
    } else {
        None
    }
}
