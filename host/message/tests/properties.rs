//! Random messages and random edits: what comes out is well formed, holds the edits, and is otherwise what came in.

use baton_message::encoding::TransferEncoding;
use baton_message::lines::Shape;
use baton_message::{Edit, EditSet, Error, Message, NewField};
use bytes::Bytes;
use proptest::prelude::*;

/// A part as it is put into a message.
#[derive(Debug, Clone)]
enum Node {
    Leaf {
        kind: Kind,
        text: String,
    },
    Many {
        subtype: &'static str,
        children: Vec<Node>,
    },
    Enclosed(Box<Node>),
}

#[derive(Debug, Clone, Copy)]
struct Kind {
    media_type: &'static str,
    charset: &'static str,
    encoding: TransferEncoding,
}

fn kind() -> impl Strategy<Value = Kind> {
    let media = prop_oneof![
        Just("text/plain"),
        Just("text/html"),
        Just("application/x-data")
    ];
    let charset = prop_oneof![
        Just("utf-8"),
        Just("us-ascii"),
        Just("iso-8859-1"),
        Just("windows-1252"),
        Just("koi8-r"),
        Just("iso-2022-jp"),
        Just("gb18030"),
        Just("shift_jis"),
    ];
    let encoding = prop_oneof![
        Just(TransferEncoding::SevenBit),
        Just(TransferEncoding::EightBit),
        Just(TransferEncoding::QuotedPrintable),
        Just(TransferEncoding::Base64),
    ];
    (media, charset, encoding).prop_map(|(media_type, charset, encoding)| Kind {
        media_type,
        charset,
        encoding,
    })
}

/// Text in which nearly everything that can go wrong in a line occurs.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,40}",
        Just("\r\n".to_owned()),
        Just("--b0x".to_owned()),
        Just("\r\n--b1x--\r\n--b0x\r\n".to_owned()),
        Just("\r\n.\r\nFrom x\r\n".to_owned()),
        Just("caf\u{e9} \u{fc}".to_owned()),
        Just("\u{20ac}\u{4f60}\u{3053}\u{416}".to_owned()),
        Just("trailing \t".to_owned()),
        Just("=?utf-8?q?x?= =3D".to_owned()),
        Just("x".repeat(1200)),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = (kind(), "[a-z ]{0,30}(\r\n[a-z-]{0,20}){0,3}")
        .prop_map(|(kind, text)| Node::Leaf { kind, text });
    leaf.prop_recursive(4, 16, 4, |inner| {
        let subtype = prop_oneof![
            4 => Just("mixed"),
            2 => Just("alternative"),
            1 => Just("signed"),
            1 => Just("encrypted"),
        ];
        prop_oneof![
            4 => (subtype, proptest::collection::vec(inner.clone(), 1..4))
                .prop_map(|(subtype, children)| Node::Many { subtype, children }),
            1 => inner.prop_map(|node| Node::Enclosed(Box::new(node))),
        ]
    })
}

/// What the tree should be read as.
#[derive(Debug)]
struct Expected {
    media_type: String,
    /// Leaves only.
    text: Option<String>,
    protected: bool,
}

fn write(
    node: &Node,
    protected: bool,
    boundaries: &mut usize,
    out: &mut String,
    expected: &mut Vec<Expected>,
) {
    match node {
        Node::Leaf { kind, text } => {
            out.push_str(&format!(
                "Content-Type: {}; charset={}\r\nContent-Transfer-Encoding: {}\r\n\r\n",
                kind.media_type,
                kind.charset,
                kind.encoding.name()
            ));
            out.push_str(std::str::from_utf8(&kind.encoding.encode(text.as_bytes())).unwrap());
            expected.push(Expected {
                media_type: kind.media_type.into(),
                text: Some(text.clone()),
                protected,
            });
        }
        Node::Many { subtype, children } => {
            let boundary = format!("b{boundaries}x");
            *boundaries += 1;
            out.push_str(&format!(
                "Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n\r\npreamble\r\n"
            ));
            expected.push(Expected {
                media_type: format!("multipart/{subtype}"),
                text: None,
                protected: true,
            });
            let protected = protected || matches!(*subtype, "signed" | "encrypted");
            for child in children {
                out.push_str(&format!("--{boundary}\r\n"));
                write(child, protected, boundaries, out, expected);
                out.push_str("\r\n");
            }
            out.push_str(&format!("--{boundary}--\r\nepilogue"));
        }
        Node::Enclosed(inner) => {
            out.push_str("Content-Type: message/rfc822\r\n\r\nSubject: enclosed\r\n");
            expected.push(Expected {
                media_type: "message/rfc822".into(),
                text: None,
                protected: true,
            });
            write(inner, true, boundaries, out, expected);
        }
    }
}

fn build(node: &Node) -> (Message, Vec<Expected>) {
    let mut text = String::from(
        "Received: by one\r\nReceived: by two\r\nFrom: a@example.net\r\nSubject: start\r\nX-Many: 1\r\nX-Many: 2\r\nMIME-Version: 1.0\r\n",
    );
    let mut expected = Vec::new();
    write(node, false, &mut 0, &mut text, &mut expected);
    text.push_str("\r\n");
    (Message::parse(Bytes::from(text)), expected)
}

#[derive(Debug, Clone)]
enum Step {
    Edit(Edit),
    Begin,
    Commit,
    Rollback,
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop_oneof![
        Just("Subject"),
        Just("X-Many"),
        Just("X-New"),
        Just("From"),
        Just("Received"),
        Just("Content-Type"),
    ]
    .prop_map(str::to_owned);
    let value = "[ -~\u{e9}\u{4f60}]{0,120}";
    let edit = prop_oneof![
        4 => (0u32..12, text()).prop_map(|(part, text)| Edit::SetText { part, text: text.into() }),
        1 => (name.clone(), value).prop_map(|(name, value)| Edit::PrependHeader { name, value }),
        1 => (name.clone(), value).prop_map(|(name, value)| Edit::AppendHeader { name, value }),
        1 => (name.clone(), value).prop_map(|(name, value)| Edit::ReplaceHeader { name, value }),
        1 => name.prop_map(|name| Edit::RemoveHeader { name }),
    ];
    prop_oneof![
        6 => edit.prop_map(Step::Edit),
        1 => Just(Step::Begin),
        1 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ]
}

fn canonical(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n")
}

fn raw_part(message: &Message, part: u32) -> Bytes {
    let part = message.part(part).unwrap();
    message
        .bytes()
        .slice(part.header_range().start..part.body_range().end)
}

/// Content in no charset in particular, such as mail has: good, mislabelled, and broken.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => "[ -~]{0,30}".prop_map(String::into_bytes),
        2 => Just(b"\r\n".to_vec()),
        3 => proptest::collection::vec(0x80_u8..=0xff, 1..6),
        1 => (0x81_u8..=0xfe, 0x40_u8..=0x7e).prop_map(|(lead, trail)| vec![lead, trail]),
        1 => Just("\u{e9}\u{20ac}\u{4f60}\u{1f600}".as_bytes().to_vec()),
        1 => Just("\u{f7e9}".as_bytes().to_vec()),
        1 => Just(b"\x1b$B$\"\x1b(B".to_vec()),
        1 => Just(b"\x1b(I1\x1b(B".to_vec()),
        1 => Just(b"=3d=\r\n=C3 \r\n".to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

const LABELS: [&str; 15] = [
    "utf-8",
    "us-ascii",
    "iso-8859-1",
    "iso-8859-7",
    "windows-1252",
    "windows-874",
    "koi8-r",
    "gb18030",
    "gb2312",
    "shift_jis",
    "big5",
    "euc-kr",
    "euc-jp",
    "iso-2022-jp",
    "x-none",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_of_one_line_gives_all_others_back_byte_for_byte(
        label in proptest::sample::select(LABELS.to_vec()),
        encoding in proptest::sample::select(vec![
            TransferEncoding::SevenBit,
            TransferEncoding::EightBit,
            TransferEncoding::QuotedPrintable,
            TransferEncoding::Base64,
        ]),
        before in content(),
        after in content(),
        is_last in any::<bool>(),
    ) {
        let around = |line: &str| [&before[..], b"\r\n", line.as_bytes(), b"\r\n", &after[..]].concat();
        let mut raw = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0x\r\n\r\n--b0x\r\n\
             Content-Type: text/html; charset={label}\r\nContent-Transfer-Encoding: {}\r\n\r\n",
            encoding.name()
        )
        .into_bytes();
        raw.extend_from_slice(&encoding.encode(&around("LINK")));
        raw.extend_from_slice(if is_last { b"\r\n" } else { b"\r\n--b0x--\r\n" });
        let message = Message::parse(raw.into());
        let text = message.text(1).unwrap_or_default();
        // Where no charset explains the bytes, whoever edits must leave them alone.
        if !message.is_editable(1) || text.matches("LINK").count() != 1 || text.contains('\u{fffd}') {
            return Ok(());
        }

        let mut set = EditSet::new(message.clone(), false);
        set.set_text(1, &text.replace("LINK", "https://t.test/")).unwrap();
        let out = Message::parse(set.render(&[]).into_bytes());
        prop_assert_eq!(out.text(1), set.text(1));
        let content = message.content(1).unwrap();
        let at = content.windows(4).rposition(|four| four == b"LINK").unwrap();
        let wanted = [&content[..at], b"https://t.test/", &content[at + 4..]].concat();
        prop_assert_eq!(&out.content(1).unwrap()[..], &wanted[..]);
        let header = |message: &Message| message.bytes().slice(..message.part(1).unwrap().header_range().end);
        prop_assert_eq!(header(&out), header(&message));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_is_read_as_it_was_written(node in node()) {
        let (message, expected) = build(&node);
        let parts = message.parts();
        prop_assert_eq!(parts.len(), expected.len());
        for (part, expected) in parts.iter().zip(&expected) {
            prop_assert_eq!(part.media_type(), &expected.media_type);
            if let Some(text) = &expected.text {
                let content = message.content(part.index()).unwrap();
                let at_end = part.body_range().end == message.size();
                let same = content == text.as_bytes();
                prop_assert!(same || at_end && content.strip_suffix(b"\r\n") == Some(text.as_bytes()));
            }
            let editable = part.is_text() && !expected.protected;
            prop_assert_eq!(message.is_editable(part.index()), editable);
        }
    }

    #[test]
    fn edits_come_out_and_nothing_else_changes(node in node(), steps in proptest::collection::vec(step(), 1..25)) {
        let (message, expected) = build(&node);
        let mut set = EditSet::new(message.clone(), false);
        // The edits that count, kept beside the set, with a stack of their own.
        let mut kept: Vec<Edit> = Vec::new();
        let mut marks: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Begin => {
                    marks.push(kept.len());
                    set.begin();
                }
                Step::Commit => {
                    marks.pop();
                    set.commit();
                }
                Step::Rollback => {
                    if let Some(mark) = marks.pop() {
                        kept.truncate(mark);
                    }
                    set.rollback();
                }
                Step::Edit(edit) => {
                    let made = set.apply(edit.clone());
                    if let Edit::SetText { part, text } = &edit {
                        let known = expected.get(*part as usize);
                        let may = known.is_some_and(|part| part.text.is_some() && !part.protected && part.media_type.starts_with("text/"));
                        prop_assert_eq!(made.is_ok(), may);
                        if may {
                            let wanted = canonical(text);
                            prop_assert_eq!(set.text(*part), Ok(wanted.as_str()));
                        }
                    }
                    if made.is_ok() {
                        kept.push(edit);
                    }
                }
            }
        }
        // A set that was made of those edits alone is the same.
        let replayed = EditSet::replay(message.clone(), false, &kept).unwrap();
        prop_assert_eq!(replayed.headers(), set.headers());
        let trace = [NewField::new("Received", "by test", false).unwrap()];
        let out = set.render(&trace);
        prop_assert_eq!(replayed.render(&trace).into_bytes(), out.clone().into_bytes());
        prop_assert!(Shape::of(out.segments().iter().map(|segment| &segment[..])).is_clean());
        let out = Message::parse(out.into_bytes());
        prop_assert!(out.header_section().is_well_formed());
        prop_assert!(Shape::of([&out.bytes()[..]]).line_bytes <= 998);

        // The header is the one the set shows, below the trace field.
        let read: Vec<(String, String)> = out.header_section().fields().map(|field| (field.name().to_owned(), field.value())).collect();
        prop_assert_eq!(&read[0], &("Received".to_owned(), "by test".to_owned()));
        let mut shown = set.headers();
        for (name, value) in &read[1..] {
            if let Some(at) = shown.iter().position(|field| field == &(name.clone(), value.clone())) {
                shown.remove(at);
            } else {
                prop_assert!(name.starts_with("Content-"), "{} was not shown", name);
            }
        }
        prop_assert!(shown.iter().all(|(name, _)| name.starts_with("Content-")));

        // The tree is the same; texts are those of the set; other parts have their bytes.
        prop_assert_eq!(out.parts().len(), expected.len());
        let changed = set.changed_parts();
        for (index, expected) in (0u32..).zip(&expected) {
            prop_assert_eq!(out.part(index).unwrap().media_type(), &expected.media_type);
            if changed.contains(&index) {
                let wanted = set.text(index).unwrap();
                let text = out.text(index).unwrap();
                // At the end of the message a line end is added where it was missing.
                prop_assert!(text == wanted || (index == 0 && text.strip_suffix("\r\n") == Some(wanted)), "{:?} {:?}", text, wanted);
            } else if index != 0 && expected.text.is_some() {
                prop_assert_eq!(raw_part(&out, index), raw_part(&message, index));
            }
        }
        // Whole protected parts have their bytes too.
        for part in message.parts().iter().filter(|part| part.index() != 0 && part.protection().is_some()) {
            prop_assert_eq!(raw_part(&out, part.index()), raw_part(&message, part.index()));
        }
    }

    #[test]
    fn stored_edits_come_back(steps in proptest::collection::vec(step(), 0..20)) {
        let edits: Vec<Edit> = steps.into_iter().filter_map(|step| match step {
            Step::Edit(edit) => Some(edit),
            _ => None,
        }).collect();
        let bytes = baton_message::edit::encode_edits(&edits);
        prop_assert_eq!(baton_message::edit::decode_edits(&bytes), Ok(edits.clone()));
        for cut in 0..bytes.len() {
            if let Ok(some) = baton_message::edit::decode_edits(&bytes[..cut]) {
                prop_assert!(some.len() < edits.len() || edits.is_empty());
            }
        }
    }

    #[test]
    fn any_bytes_can_be_read_and_edited(
        bytes in proptest::collection::vec(prop_oneof![
            Just(b"Content-Type: multipart/mixed; boundary=b\r\n".to_vec()),
            Just(b"Content-Type: multipart/signed; boundary=\"b\"\r\n".to_vec()),
            Just(b"Content-Type: message/rfc822\r\n".to_vec()),
            Just(b"Content-Type: text/html; charset=koi8-r\r\n".to_vec()),
            Just(b"Content-Transfer-Encoding: base64\r\n".to_vec()),
            Just(b"--b\r\n".to_vec()),
            Just(b"--b--\r\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r\n\r\n".to_vec()),
            Just(b"Subject: x\r\n y\r\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..12),
        ], 0..30),
        text in text(),
    ) {
        let message = Message::parse(Bytes::from(bytes.concat()));
        let mut set = EditSet::new(message.clone(), false);
        for info in set.parts() {
            let part = message.part(info.index).unwrap();
            prop_assert!(part.header_range().end <= part.body_range().start);
            prop_assert!(part.body_range().end <= message.size());
            if let Some(parent) = part.parent() {
                let parent = message.part(parent).unwrap().body_range();
                prop_assert!(parent.start <= part.header_range().start && part.body_range().end <= parent.end);
            }
            match set.set_text(info.index, &text) {
                Ok(()) => prop_assert!(info.editable),
                Err(error) => prop_assert!(!info.editable && error != Error::NoSuchPart),
            }
        }
        let _ = set.prepend_header("X-Test", "v\u{e9}");
        set.urls();
        let trace = [NewField::new("Received", "by test", false).unwrap()];
        let rendered = Message::parse(set.render(&trace).into_bytes());
        prop_assert_eq!(rendered.header("received"), Some("by test".to_owned()));
        if Shape::of([&message.bytes()[..]]).is_clean() {
            prop_assert!(Shape::of([&rendered.bytes()[..]]).is_clean());
            prop_assert_eq!(rendered.parts().len(), message.parts().len());
            for part in set.changed_parts() {
                prop_assert_eq!(rendered.text(part).unwrap().trim_end(), set.text(part).unwrap().trim_end());
            }
        }
        baton_message::report::Report::read(&message);
    }
}
