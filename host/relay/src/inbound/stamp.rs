//! What the relay writes into a message it takes: the Received field (RFC 5321 4.4), and for its own people's mail the
//! Date and Message-ID that a client forgot (RFC 6409 8). Pure.

use std::fmt::Write;
use std::net::IpAddr;

use baton_message::HeaderSection;

/// What a Received field tells.
pub struct Stamp<'a> {
    /// Argument of EHLO or HELO as given.
    pub helo: Option<&'a str>,
    /// Verified reverse name.
    pub peer_name: Option<&'a str>,
    pub peer: Option<IpAddr>,
    /// This relay.
    pub hostname: &'a str,
    /// "ESMTPS" and the like (RFC 3848).
    pub protocol: &'a str,
    /// "TLSv1.3 ..." if encrypted.
    pub tls: Option<&'a str>,
    /// The message's name.
    pub id: &'a str,
    /// Named only if there is one alone: the others' addresses are nobody's business.
    pub recipient: Option<&'a str>,
    /// RFC 5322 3.3.
    pub date: &'a str,
}

/// The field with its line end, lines within 998 bytes.
pub fn received(stamp: &Stamp<'_>) -> String {
    let mut field = String::with_capacity(320);
    field.push_str("Received:");
    match stamp.helo {
        Some(helo) => {
            field.push_str(" from ");
            push_clean(&mut field, helo);
        }
        None if stamp.peer.is_some() => field.push_str(" from unknown"),
        None => {}
    }
    if let Some(peer) = stamp.peer {
        field.push_str(" (");
        if let Some(name) = stamp.peer_name {
            push_clean(&mut field, name);
            field.push(' ');
        }
        let _ = match peer.to_canonical() {
            IpAddr::V4(v4) => write!(field, "[{v4}])"),
            IpAddr::V6(v6) => write!(field, "[IPv6:{v6}])"),
        };
    }
    let fold = if stamp.peer.is_some() { "\r\n\t" } else { " " };
    let _ = write!(
        field,
        "{fold}by {} with {} id {}",
        stamp.hostname, stamp.protocol, stamp.id
    );
    if let Some(tls) = stamp.tls {
        field.push_str("\r\n\t(");
        for c in tls
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || " ._-".contains(*c))
        {
            field.push(c);
        }
        field.push(')');
    }
    if let Some(recipient) = stamp.recipient {
        let _ = write!(field, "\r\n\tfor <{recipient}>");
    }
    let _ = write!(field, ";\r\n\t{}\r\n", stamp.date);
    field
}

/// Date and Message-ID, where the message has none; with line ends.
pub fn missing_fields(header: &HeaderSection, id: &str, hostname: &str, date: &str) -> String {
    let mut fields = String::new();
    if header.first("Date").is_none() {
        let _ = write!(fields, "Date: {date}\r\n");
    }
    if header.first("Message-ID").is_none() {
        let _ = write!(fields, "Message-ID: <{id}@{hostname}>\r\n");
    }
    fields
}

/// Whether an empty line must stand between what we write and what was received, since that has no header section.
pub fn needs_separator(header: &HeaderSection) -> bool {
    header.fields().len() == 0 && !header.has_separator()
}

/// What a client says of itself goes into the field without anything that could change the field's meaning.
fn push_clean(field: &mut String, text: &str) {
    const NAME_CHARACTERS_MAX: usize = 255;
    for c in text.chars().take(NAME_CHARACTERS_MAX) {
        field.push(if c.is_ascii_alphanumeric() || "-._:[]".contains(c) {
            c
        } else {
            '?'
        });
    }
}

#[cfg(test)]
mod tests {
    use baton_message::Message;

    use super::*;

    fn stamp<'a>() -> Stamp<'a> {
        Stamp {
            helo: Some("client.example.net"),
            peer_name: Some("host.example.net"),
            peer: "192.0.2.1".parse().ok(),
            hostname: "relay.example.org",
            protocol: "ESMTPS",
            tls: Some("TLSv1.3 TLS13_AES_256_GCM_SHA384"),
            id: "01",
            recipient: Some("joe@example.com"),
            date: "Sat, 22 Nov 2025 10:10:00 +0000",
        }
    }

    #[test]
    fn the_field_says_who_gave_what_to_whom() {
        assert_eq!(
            received(&stamp()),
            "Received: from client.example.net (host.example.net [192.0.2.1])\r\n\
             \tby relay.example.org with ESMTPS id 01\r\n\
             \t(TLSv1.3 TLS13_AES_256_GCM_SHA384)\r\n\
             \tfor <joe@example.com>;\r\n\
             \tSat, 22 Nov 2025 10:10:00 +0000\r\n"
        );
    }

    #[test]
    fn a_helo_cannot_write_into_the_field() {
        let helo = "evil) by trusted\r\nX-Spam: no;";
        let field = received(&Stamp {
            helo: Some(helo),
            ..stamp()
        });
        assert!(
            field.starts_with("Received: from evil??by?trusted??X-Spam:?no? ("),
            "{field}"
        );
    }

    #[test]
    fn only_what_is_missing_is_added() {
        let fields = |text: &'static [u8]| {
            let message = Message::parse(bytes::Bytes::from_static(text));
            missing_fields(message.header_section(), "01", "relay.example.org", "now")
        };
        assert_eq!(
            fields(b"Subject: x\r\n\r\n"),
            "Date: now\r\nMessage-ID: <01@relay.example.org>\r\n"
        );
        assert_eq!(fields(b"date: then\r\nMESSAGE-ID: <a@b>\r\n\r\n"), "");
    }

    #[test]
    fn a_message_without_a_header_section_keeps_its_first_line_as_text() {
        let needs = |text: &'static [u8]| {
            needs_separator(Message::parse(bytes::Bytes::from_static(text)).header_section())
        };
        assert!(needs(b"hello\r\n"));
        assert!(needs(b""));
        assert!(!needs(b"\r\nhello\r\n"));
        assert!(!needs(b"Subject: x\r\n\r\n"));
    }
}
