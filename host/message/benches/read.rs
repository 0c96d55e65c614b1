//! What it costs to read, edit and render a message of 10 KiB: `cargo bench -p baton-message`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use baton_message::{EditSet, Message, NewField};
use bytes::Bytes;

fn sample() -> Bytes {
    let mut text = String::new();
    for hop in 0..4 {
        text.push_str(&format!(
            "Received: from host{hop}.example.net (host{hop}.example.net [192.0.2.{hop}])\r\n\tby relay.example.net with ESMTPS id 01ABCDEF{hop};\r\n\tMon, 02 Jan 2006 15:04:05 +0000\r\n"
        ));
    }
    text.push_str(
        "From: Some One <one@example.net>\r\nTo: two@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from us\r\n\
Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <1@example.net>\r\nList-Unsubscribe: <https://example.net/u>\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_alt\"\r\n\r\n--=_alt\r\n\
Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
    );
    while text.len() < 4_000 {
        text.push_str(
            "A line of the text of this message, as long as lines are: https://example.net/\r\n",
        );
    }
    text.push_str("--=_alt\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    while text.len() < 10_200 {
        text.push_str("<p>A line with a link: <a href=3D\"https://example.net/path?x=3D1\">here</a>=\r\n and caf=C3=A9</p>\r\n");
    }
    text.push_str("--=_alt--\r\n");
    text.into()
}

/// The best of many short rounds: what the work costs when nobody else wants the core.
fn measure(what: &str, mut run: impl FnMut()) {
    let rounds = (0..300).map(|_| {
        let start = Instant::now();
        for _ in 0..50 {
            run();
        }
        start.elapsed() / 50
    });
    let best = rounds.min().unwrap_or(Duration::ZERO);
    println!("{what:<44} {:>8.2} microseconds", best.as_secs_f64() * 1e6);
}

fn main() {
    let bytes = sample();
    let html = {
        let message = Message::parse(bytes.clone());
        message
            .text(2)
            .unwrap()
            .replace("https://example.net/path", "https://t.example/abc")
    };
    let trace = [NewField::new("Received", "from a by b; now", false).unwrap()];
    println!("message of {} bytes", bytes.len());
    measure("header section, one field, Received count", || {
        let message = Message::parse(bytes.clone());
        black_box((message.header("Subject"), message.received_count()));
    });
    measure("tree of parts", || {
        let message = Message::parse(bytes.clone());
        black_box(message.parts().len());
    });
    measure("every part as a record", || {
        let message = Message::parse(bytes.clone());
        black_box(message.part_infos());
    });
    measure("text of all parts", || {
        let message = Message::parse(bytes.clone());
        let _ = black_box(message.text(1));
        let _ = black_box(message.text(2));
    });
    measure("mail-parser, for comparison", || {
        black_box(
            mail_parser::MessageParser::default()
                .parse(&bytes[..])
                .map(|m| m.parts.len()),
        );
    });
    let message = Message::parse(bytes.clone());
    measure("URLs, text decoded", || {
        black_box(EditSet::new(message.clone(), false).urls());
    });
    measure("find of 5 patterns, text decoded", || {
        let set = EditSet::new(message.clone(), false);
        black_box(
            set.find(&["viagra", "casino", "winner", "example.net", "lottery"])
                .unwrap(),
        );
    });
    measure("render with trace field only", || {
        black_box(message.render(&trace).into_bytes());
    });
    measure("read, set HTML and a header, render", || {
        let mut set = EditSet::new(Message::parse(bytes.clone()), false);
        set.begin();
        set.set_text(2, &html).unwrap();
        set.append_header("X-Tracked", "yes").unwrap();
        set.commit();
        black_box(set.render(&trace).into_bytes());
    });
}
