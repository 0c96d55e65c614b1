//! How much of a message this room is willing to understand.
//!
//! Beyond a limit the message is still relayed byte for byte; it is only no longer taken apart, or not edited. The numbers
//! are far above honest mail and low enough that the worst input costs milliseconds.

/// Fields of one header section that are indexed. Honest mail after many hops has about a hundred.
pub const HEADER_FIELDS_MAX: usize = 2_000;

/// Bytes of one header section that are indexed.
pub const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Parts of one message. Scanning stops here, and nothing of the message can be edited.
pub const PARTS_MAX: usize = 1_000;

/// Multiparts and enclosed messages within each other.
pub const DEPTH_MAX: usize = 50;

/// Bytes of a Content-Type or Content-Disposition value that is parsed.
pub const PARAMETERS_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a field whose addresses are read.
pub const ADDRESS_FIELD_BYTES_MAX: usize = 64 * 1024;

/// Parameters of such a value. RFC 2231 continuations are merged pair by pair, so that their number must be bounded.
pub const PARAMETERS_MAX: usize = 100;

/// Bytes of a multipart boundary. RFC 2046 5.1.1 says 70; some senders need more.
pub const BOUNDARY_BYTES_MAX: usize = 200;

/// Bytes of decoded text that set-text takes for one part.
pub const EDIT_TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Edits of one message by all plugins together.
pub const EDITS_MAX: usize = 1_000;

/// Bytes of text and values held by all edits of one message together.
pub const EDITS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a field name, so that the first line has room for a value.
pub const FIELD_NAME_BYTES_MAX: usize = 76;

/// Bytes of a field value before folding and encoding.
pub const FIELD_VALUE_BYTES_MAX: usize = 32 * 1024;

/// A line without its CRLF, where folding can keep to it (RFC 5322 2.1.1).
pub const LINE_BYTES_WANTED: usize = 78;

/// A line without its CRLF, always (RFC 5322 2.1.1).
pub const LINE_BYTES_MAX: usize = 998;

/// A line of quoted-printable or base64 without its CRLF (RFC 2045 6.7 and 6.8).
pub const ENCODED_LINE_BYTES_MAX: usize = 76;

/// Patterns of one search.
pub const FIND_PATTERNS_MAX: usize = 4_096;

/// Bytes of all patterns of one search.
pub const FIND_PATTERNS_BYTES_MAX: usize = 256 * 1024;

/// URLs that one message yields.
pub const URLS_MAX: usize = 10_000;

/// Bytes of a URL; a longer one is passed over.
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// Recipients that are read from one delivery report.
pub const REPORT_RECIPIENTS_MAX: usize = 1_000;

const _: () = assert!(LINE_BYTES_MAX == 998 && LINE_BYTES_WANTED == 78);
const _: () = assert!(BOUNDARY_BYTES_MAX >= 70);
