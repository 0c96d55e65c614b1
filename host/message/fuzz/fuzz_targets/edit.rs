//! A message, a zero byte, and edits: what comes out is clean and shows the edits.
#![no_main]

use baton_message::lines::Shape;
use baton_message::{EditSet, Message, NewField};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut pieces = data.split(|&byte| byte == 0);
    let base = pieces.next().unwrap_or_default();
    let message = Message::parse(Bytes::copy_from_slice(base));
    let mut set = EditSet::new(message.clone(), base.len() % 2 == 0);
    for (at, piece) in pieces.enumerate() {
        let text = String::from_utf8_lossy(piece);
        let (name, value) = text.split_once(':').unwrap_or(("X-Fuzz", &text));
        match at % 7 {
            0 | 1 => {
                for info in message.part_infos() {
                    assert_eq!(set.set_text(info.index, &text).is_ok(), info.editable);
                }
            }
            2 => drop(set.prepend_header(name, value)),
            3 => drop(set.append_header(name, value)),
            4 => drop(set.replace_header(name, value)),
            5 => drop(set.remove_header(name)),
            _ => {
                set.begin();
                drop(set.replace_header("X-Dropped", value));
                set.rollback();
            }
        }
    }
    let trace = [NewField::new("Received", "by fuzz", false).unwrap()];
    let out = Message::parse(set.render(&trace).into_bytes());
    assert_eq!(out.header("Received").as_deref(), Some("by fuzz"));
    if Shape::of([base]).is_clean() {
        assert!(Shape::of([&out.bytes()[..]]).is_clean());
        assert_eq!(out.parts().len(), message.parts().len());
        for part in set.changed_parts() {
            assert_eq!(
                out.text(part).unwrap().trim_end(),
                set.text(part).unwrap().trim_end()
            );
        }
    }
});
