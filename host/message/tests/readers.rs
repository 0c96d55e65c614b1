//! Other people's programs: messages that mail-builder wrote are read here as mail-parser reads them.

use baton_message::Message;
use bytes::Bytes;
use mail_builder::MessageBuilder;
use mail_builder::mime::MimePart;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

fn part() -> impl Strategy<Value = MimePart<'static>> {
    let text = "[ -~\u{e9}\u{4f60}]{1,60}(\n[ -~\u{e9}\u{4f60}]{1,100}){0,4}";
    let leaf = prop_oneof![
        text.prop_map(|text| MimePart::new("text/plain", text)),
        text.prop_map(|text| MimePart::new("text/html", text).inline()),
        (
            "[a-z\u{e9}]{1,30}",
            proptest::collection::vec(any::<u8>(), 0..200)
        )
            .prop_map(|(name, data)| MimePart::new("image/png", data).attachment(name)),
    ];
    leaf.prop_recursive(4, 12, 4, |inner| {
        let subtype = prop_oneof![
            Just("multipart/mixed"),
            Just("multipart/related"),
            Just("multipart/alternative")
        ];
        (subtype, proptest::collection::vec(inner, 1..4))
            .prop_map(|(subtype, parts)| MimePart::new(subtype, parts))
    })
}

fn media_type(part: &mail_parser::MessagePart<'_>) -> String {
    let content_type = part.content_type().unwrap();
    format!(
        "{}/{}",
        content_type.ctype(),
        content_type.subtype().unwrap_or_default()
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_readers_see_the_same_parts(body in part(), subject in "[ -~\u{e9}\u{4f60}]{1,100}") {
        let written = MessageBuilder::new()
            .from(("A", "a@example.net"))
            .subject(subject)
            .body(body)
            .write_to_vec()
            .unwrap();
        let theirs = MessageParser::default().parse(&written).unwrap();
        let ours = Message::parse(Bytes::from(written.clone()));
        prop_assert_eq!(ours.parts().len(), theirs.parts.len());
        for (our, their) in ours.parts().iter().zip(&theirs.parts) {
            prop_assert_eq!(our.media_type(), media_type(their));
            prop_assert_eq!(our.body_range().start, their.offset_body as usize);
            prop_assert_eq!(our.filename(), their.attachment_name());
            let index = our.index();
            match &their.body {
                PartType::Text(text) | PartType::Html(text) => prop_assert_eq!(ours.text(index), Ok(text.as_ref())),
                PartType::Binary(data) | PartType::InlineBinary(data) => {
                    prop_assert_eq!(&ours.content(index).unwrap()[..], data.as_ref());
                }
                PartType::Message(_) | PartType::Multipart(_) => prop_assert!(our.is_multipart()),
            }
        }
    }
}
