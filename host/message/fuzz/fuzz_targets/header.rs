//! Any bytes as a header section, and any text as a new field.
#![no_main]

use baton_message::lines::Shape;
use baton_message::{HeaderSection, NewField};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let section = HeaderSection::parse(Bytes::copy_from_slice(data));
    assert!(section.range().end <= section.body() && section.body() <= data.len());
    for field in section.fields() {
        let value = field.value();
        assert!(!value.contains(['\r', '\n', '\0']));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for name in ["Subject", "From", "Message-ID"] {
        for utf8 in [false, true] {
            let Ok(field) = NewField::new(name, text, utf8) else {
                continue;
            };
            let shape = Shape::of([&field.bytes()[..]]);
            assert!(shape.is_clean() && shape.line_bytes <= 998);
            assert!(utf8 || field.bytes().is_ascii());
            if name == "Subject" {
                assert_eq!(field.as_field().value(), text.trim_matches([' ', '\t']));
            }
        }
    }
});
