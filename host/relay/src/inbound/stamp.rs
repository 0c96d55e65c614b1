//! What the relay writes into a message it takes: the Received field (RFC 5321 4.4), and for its own people's mail the
//! Date and Message-ID that a client forgot (RFC 6409 8). Pure.

use baton_message::received::Received;
use baton_message::{EditSet, NewField};

/// The fields that go on top of a message, which plugins have edited already. Only who may send to the world gets help
/// with what is missing: other people's mail is not ours to complete.
pub fn fields(received: &Received<'_>, draft: &EditSet, is_submission: bool) -> Vec<NewField> {
    let mut fields = vec![received.to_field()];
    if is_submission {
        let id = format!("<{}@{}>", received.id, received.by);
        for (name, value) in [("Date", received.date), ("Message-ID", id.as_str())] {
            if draft.header_count(name) == 0 {
                // The values are ours, and always fit.
                fields.extend(NewField::new(name, value, false));
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use baton_message::Message;
    use bytes::Bytes;

    use super::*;

    fn stamped(text: &'static [u8], is_submission: bool) -> String {
        let received = Received {
            helo: Some("client.example.net"),
            peer_ip: "192.0.2.1".parse().ok(),
            peer_name: None,
            by: "relay.example.org",
            protocol: "ESMTP",
            tls: None,
            id: "01",
            recipient: None,
            date: "Sat, 22 Nov 2025 10:10:00 +0000",
        };
        let draft = EditSet::new(Message::parse(Bytes::from_static(text)), false);
        let rendered = draft.render(&fields(&received, &draft, is_submission));
        String::from_utf8(rendered.into_bytes().to_vec()).expect("text")
    }

    #[test]
    fn what_a_client_of_ours_forgot_is_added_below_the_trace_field() {
        let message = stamped(b"Subject: x\r\n\r\ntext\r\n", true);
        assert!(
            message.starts_with("Received: from client.example.net ([192.0.2.1])"),
            "{message}"
        );
        let rest = "\r\nDate: Sat, 22 Nov 2025 10:10:00 +0000\r\nMessage-ID: <01@relay.example.org>\r\n\
                    Subject: x\r\n\r\ntext\r\n";
        assert!(message.ends_with(rest), "{message}");
    }

    #[test]
    fn what_is_there_stays_and_strangers_get_no_help() {
        let whole = stamped(b"date: then\r\nMESSAGE-ID: <a@b>\r\n\r\n", true);
        assert_eq!(whole.matches("10:10:00").count(), 1, "{whole}");
        let theirs = stamped(b"Subject: x\r\n\r\n", false);
        assert!(
            !theirs.contains("Message-ID") && !theirs.contains("\r\nDate"),
            "{theirs}"
        );
    }

    #[test]
    fn a_message_without_a_header_section_keeps_its_first_line_as_text() {
        assert!(stamped(b"hello\r\n", false).ends_with("+0000\r\n\r\nhello\r\n"));
    }
}
