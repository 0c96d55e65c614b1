//! Any bytes as a message: the tree is a tree, and everything in it can be read.
#![no_main]

use baton_message::Message;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let message = Message::parse(Bytes::copy_from_slice(data));
    for part in message.parts() {
        let index = part.index();
        assert!(part.header_range().end <= part.body_range().start);
        assert!(part.body_range().end <= data.len());
        if let Some(parent) = part.parent() {
            assert!(parent < index);
            let parent = message.part(parent).unwrap().body_range();
            assert!(parent.start <= part.header_range().start);
            assert!(part.body_range().end <= parent.end);
        }
        let content = message.content(index).unwrap();
        assert_eq!(message.part_size(index), Ok(content.len()));
        let _ = message.text(index);
        let _ = message.part_header(index);
    }
});
