//! What signatures cost: `cargo run --release -p baton-sign --example signatures`. Prints microseconds per message with RSA-2048, with
//! Ed25519 and with both, for bodies of three sizes, on one thread.

use std::sync::Arc;
use std::time::Instant;

use baton_sign::{Coverage, DomainKey, Key, Keyring, generate, sign};
use bytes::Bytes;

fn main() {
    let pems = [
        generate::rsa(2048).expect("a key"),
        generate::ed25519().expect("a key"),
    ];
    let key = |nth: usize| DomainKey {
        domain: "example.net".into(),
        selector: format!("s{nth}").into(),
        from: 0,
        key: Arc::new(Key::from_pem(pems[nth].as_bytes()).expect("valid")),
    };
    let rings = [
        ("rsa", Keyring::new(vec![key(0)], None, None)),
        ("ed25519", Keyring::new(vec![key(1)], None, None)),
        ("both", Keyring::new(vec![key(0), key(1)], None, None)),
    ];
    for kib in [1, 10, 1024] {
        let line = "A line of a newsletter, with some words and blanks in it, as they are.\r\n";
        let head = "From: Ann <ann@example.net>\r\nTo: bob@example.org\r\nSubject: News\r\nDate: x\r\n\r\n";
        let body = line.repeat(kib * 1024 / line.len());
        let message = [Bytes::from(format!("{head}{body}"))];
        for (name, ring) in &rings {
            let rounds = if kib > 100 { 100 } else { 1000 };
            let began = Instant::now();
            for now in 0..rounds {
                let coverage = Coverage::default();
                sign(&message, ring, &coverage, |_| true, now).expect("signed");
            }
            let each = began.elapsed().as_micros() as f64 / rounds as f64;
            println!("{kib:5} KiB {name:8} {each:8.1} us");
        }
    }
}
