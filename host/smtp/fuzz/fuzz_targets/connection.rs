//! Whatever a server sends, and however it is cut, each transaction is reported once and nothing
//! but whole lines is sent.
#![no_main]

use baton_smtp::client::{Connection, Event, Settings, Transaction};
use baton_smtp::{Domain, Mailbox, Recipient, ReversePath};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fn run(stream: &[u8], piece_bytes: usize) -> (Vec<u8>, Vec<String>) {
    let mut connection = Connection::new(Settings::new(Domain::parse("relay.test").expect("one")));
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    let (mut begun, mut reported, mut ended) = (0, 0, false);
    let mut pump = |connection: &mut Connection| {
        while let Some(event) = connection.next() {
            assert!(!ended, "{event:?} after the end");
            match event {
                Event::Send(bytes) => sent.extend_from_slice(&bytes),
                Event::StartTls => connection.tls_established(),
                Event::Report(delivery) => {
                    reported += 1;
                    assert_eq!((begun, delivery.outcomes.len()), (reported, 2));
                    events.push(format!("{delivery:?}"));
                    if begun < 3 && connection.is_idle() {
                        begun += 1;
                        connection
                            .deliver(transaction())
                            .expect("an idle connection");
                    }
                }
                Event::Ready(_) if connection.is_idle() => {
                    begun += 1;
                    connection
                        .deliver(transaction())
                        .expect("an idle connection");
                }
                Event::Closed => ended = true,
                Event::Ready(_) | Event::Failed(_) => {}
            }
        }
    };
    for piece in stream.chunks(piece_bytes) {
        connection.receive(piece);
        pump(&mut connection);
    }
    connection.end_of_stream();
    pump(&mut connection);
    assert!(ended);
    assert_eq!(begun, reported);
    (sent, events)
}

fn transaction() -> Transaction {
    let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
    Transaction {
        sender: ReversePath::Mailbox(mailbox("a@b.test")),
        parameters: Vec::new(),
        recipients: vec![
            Recipient::new(mailbox("c@d.test")),
            Recipient::new(mailbox("é@f.test")),
        ],
        message: vec![Bytes::from_static("é\r\n.\r\n".as_bytes())],
        needs_utf8: false,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, stream)) = input.split_first() else {
        return;
    };
    let (sent, _) = run(stream, usize::from(piece_bytes).max(1));
    let text = String::from_utf8(sent).expect("UTF-8").replace("\r\n", "");
    assert!(!text.chars().any(char::is_control));
});
