//! The addresses in a field, read by mail-parser.

use mail_parser::parsers::MessageStream;

use crate::header::Field;
use crate::limits::ADDRESS_FIELD_BYTES_MAX;

impl Field<'_> {
    /// The addresses of a field that holds some, without names and comments, as they are written. None of a field that is too
    /// long or holds something else.
    pub fn addresses(&self) -> Vec<String> {
        if self.raw_value().len() > ADDRESS_FIELD_BYTES_MAX {
            return Vec::new();
        }
        // The parser wants a line end, and stops at one that no white space follows.
        let mut value = self.raw_value().to_vec();
        value.extend_from_slice(b"\r\n");
        let parsed = MessageStream::new(&value).parse_address();
        let Some(parsed) = parsed.as_address() else {
            return Vec::new();
        };
        parsed
            .iter()
            .filter_map(|one| one.address())
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::header::HeaderSection;

    fn addresses(value: &str) -> Vec<String> {
        let section = HeaderSection::parse(Bytes::from(format!("From:{value}\r\n\r\n")));
        section.first("From").expect("a field").addresses()
    }

    #[test]
    fn only_addresses_are_taken_whatever_their_names_say() {
        assert_eq!(addresses(" ann@example.net"), ["ann@example.net"]);
        assert_eq!(
            addresses(" \"eve@example.com\" (x@y) \r\n <ann@example.net>"),
            ["ann@example.net"]
        );
        assert_eq!(
            addresses(" A <a@example.net>, =?utf-8?q?B?= <b@example.org>"),
            ["a@example.net", "b@example.org"]
        );
        assert_eq!(addresses(" team: a@example.net;"), ["a@example.net"]);
        assert_eq!(addresses(" "), [""; 0]);
        assert_eq!(addresses(" nobody"), [""; 0]);
    }
}
