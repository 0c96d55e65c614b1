use super::*;

fn hop<'a>() -> Received<'a> {
    Received {
        helo: Some("client.example"),
        peer_ip: "192.0.2.1".parse().ok(),
        peer_name: Some("host.example"),
        by: "relay.example",
        protocol: "ESMTPS",
        tls: Some("TLSv1.3"),
        id: "01ABC",
        recipient: None,
        date: "Mon, 02 Jan 2006 15:04:05 +0000",
    }
}

fn text(received: &Received<'_>) -> String {
    String::from_utf8(received.to_field().bytes().to_vec()).unwrap()
}

#[test]
fn the_field_says_from_by_with_id_and_when() {
    assert_eq!(
        text(&hop()),
        "Received: from client.example (host.example [192.0.2.1])\r\n\tby relay.example with ESMTPS (TLSv1.3) id 01ABC;\r\n\tMon, 02 Jan 2006 15:04:05 +0000\r\n"
    );
    let mailbox = Mailbox::parse("a.b@c.example").unwrap();
    let plain = Received {
        helo: None,
        peer_ip: "2001:db8::1".parse().ok(),
        peer_name: None,
        tls: None,
        recipient: Some(&mailbox),
        ..hop()
    };
    assert_eq!(
        text(&plain),
        "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby relay.example with ESMTPS id 01ABC\r\n\tfor <a.b@c.example>;\r\n\tMon, 02 Jan 2006 15:04:05 +0000\r\n"
    );
}

#[test]
fn a_message_without_a_connection_comes_from_nowhere() {
    let submitted = Received {
        peer_ip: None,
        protocol: "HTTP",
        tls: None,
        ..hop()
    };
    assert_eq!(
        text(&submitted),
        "Received: by relay.example with HTTP id 01ABC;\r\n\tMon, 02 Jan 2006 15:04:05 +0000\r\n"
    );
}

#[test]
fn a_client_cannot_write_more_than_its_name() {
    for helo in ["x (y)\r\nSubject: z", "a b", "<x>", "\u{e9}\0", ""] {
        let field = text(&Received {
            helo: Some(helo),
            peer_name: Some("n (\r\nEvil: 1"),
            ..hop()
        });
        assert!(
            field.starts_with("Received: from [192.0.2.1] (nEvil:1 [192.0.2.1])\r\n\tby "),
            "{field}"
        );
        assert_eq!(field.matches("\r\n").count(), 3);
    }
}
