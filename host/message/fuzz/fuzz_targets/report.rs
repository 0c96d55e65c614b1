//! Any bytes as a delivery status, a complaint, or a message that carries one.
#![no_main]

use baton_message::Message;
use baton_message::report::Report;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    Report::read(&Message::parse(Bytes::copy_from_slice(data)));
    for kind in ["delivery-status", "feedback-report"] {
        let head = format!("Content-Type: message/{kind}\r\n\r\n");
        Report::read(&Message::parse([head.as_bytes(), data].concat().into()));
    }
});
