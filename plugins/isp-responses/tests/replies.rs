//! Precision and recall by reason over the replies that the project wrote, the held-out third apart.

use isp_responses::reason::Disposition;
use isp_responses::translate::{Reply, Translator};
use std::collections::BTreeMap;

struct Example {
    reason: String,
    hard: bool,
    text: String,
    held_out: bool,
}

fn examples() -> Vec<Example> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/isp");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with("replies") {
            continue;
        }
        let corpus = std::fs::read_to_string(&path).expect("a readable file");
        // What was looked at while tuning says so in its first line.
        let whole = corpus.starts_with("# Tuned on as a whole");
        for line in corpus
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let mut fields = line.splitn(3, '|');
            let reason = fields.next().expect("reason").to_string();
            let hard = fields.next() == Some("h");
            let text = fields
                .next()
                .unwrap_or_else(|| panic!("three fields: {line}"))
                .replace("\\n", "\n");
            all.push(Example {
                reason,
                hard,
                held_out: !whole && held_out(&text),
                text,
            });
        }
    }
    all
}

/// FNV-1a: the split must not change from one release of Rust to the next.
fn held_out(text: &str) -> bool {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    });
    (hash >> 7) % 3 == 0
}

#[derive(Default)]
struct Tally {
    right: u32,
    wanted: u32,
    given: u32,
}

fn measure(examples: &[Example], show: bool) -> (f64, f64) {
    let translator = Translator::default();
    let mut table: BTreeMap<String, Tally> = BTreeMap::new();
    let (mut right, mut disposition) = (0u32, 0u32);
    for example in examples {
        let found = translator.translate(&Reply {
            text: &example.text,
            ..Reply::default()
        });
        let name = found.reason.name();
        table.entry(example.reason.clone()).or_default().wanted += 1;
        table.entry(name.to_string()).or_default().given += 1;
        if name == example.reason {
            right += 1;
            table.entry(name.to_string()).or_default().right += 1;
        } else if show {
            println!(
                "wanted {} found {name} ({}): {}",
                example.reason,
                found.rule,
                example.text.replace('\n', "/")
            );
        }
        if (found.disposition == Disposition::Hard) == example.hard {
            disposition += 1;
        } else if show {
            println!(
                "hard {} found {:?} {name} ({}): {}",
                example.hard, found.disposition, found.rule, example.text
            );
        }
    }
    println!(
        "{:24} {:>6} {:>9} {:>6}",
        "reason", "wanted", "precision", "recall"
    );
    for (reason, tally) in &table {
        let part = |of: u32| {
            if of == 0 {
                "-".to_string()
            } else {
                format!("{:.0} %", 100.0 * f64::from(tally.right) / f64::from(of))
            }
        };
        println!(
            "{reason:24} {:>6} {:>9} {:>6}",
            tally.wanted,
            part(tally.given),
            part(tally.wanted)
        );
    }
    let share = |n: u32| f64::from(n) / examples.len() as f64;
    println!(
        "{} examples: reason {:.1} %, hard or not {:.1} %",
        examples.len(),
        100.0 * share(right),
        100.0 * share(disposition)
    );
    (share(right), share(disposition))
}

#[test]
fn replies_that_rules_were_tuned_on_are_understood() {
    let tuned: Vec<Example> = examples().into_iter().filter(|e| !e.held_out).collect();
    let (reason, hard) = measure(&tuned, true);
    assert!(reason >= 0.98, "{reason}");
    assert!(hard >= 0.97, "{hard}");
}

#[test]
fn replies_that_were_held_out_are_understood() {
    let held: Vec<Example> = examples().into_iter().filter(|e| e.held_out).collect();
    let (reason, hard) = measure(&held, std::env::var_os("SHOW_HELD_OUT").is_some());
    assert!(reason >= 0.88, "{reason}");
    assert!(hard >= 0.95, "{hard}");
}

#[test]
fn what_is_returned_to_its_sender_is_not_held_against_the_sender() {
    for (text, reason) in [
        (
            "recipient's mailbox is full, message returned to sender.",
            "mailbox-full",
        ),
        ("552 Mailbox full, returning to the sender", "mailbox-full"),
        ("user unknown, message returned to sender", "user-unknown"),
        (
            "Delivery failed, message has been sent back to its sender: no such user here",
            "user-unknown",
        ),
        (
            "550 account disabled, message bounced back to sender",
            "mailbox-disabled",
        ),
        (
            "Empfänger unbekannt, Nachricht geht an den Absender zurück",
            "user-unknown",
        ),
        (
            "Usuario desconocido, mensaje devuelto al remitente",
            "user-unknown",
        ),
        (
            "Utente sconosciuto, messaggio restituito al mittente",
            "user-unknown",
        ),
        ("用户不存在，邮件退回发件人", "user-unknown"),
        (
            "550 Sender address rejected, message returned to sender",
            "sender-rejected",
        ),
        (
            "Remitente rechazado, mensaje devuelto al remitente",
            "sender-rejected",
        ),
    ] {
        assert_eq!(reason_of(text), reason, "{text}");
    }
}

#[test]
fn access_that_is_denied_to_a_sender_is_no_reputation() {
    for (text, reason) in [
        (
            "553 5.1.8 <a@example.com>: Sender address rejected: Access denied",
            "sender-rejected",
        ),
        (
            "550 5.1.8 Sender not found, access denied",
            "sender-rejected",
        ),
        (
            "550 5.1.8 Access denied, bad outbound sender AS(42001)",
            "bad-reputation",
        ),
    ] {
        assert_eq!(reason_of(text), reason, "{text}");
    }
}

fn reason_of(text: &str) -> &'static str {
    let found = Translator::default().translate(&Reply {
        text,
        ..Reply::default()
    });
    found.reason.name()
}
