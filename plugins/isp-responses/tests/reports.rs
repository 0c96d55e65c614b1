//! What is found in the messages that the project wrote: bounces of many programs, and messages that are none.

use isp_responses::reason::Disposition;
use isp_responses::report::{self, Finding};
use isp_responses::translate::Translator;

struct Example {
    name: String,
    /// Kind, then for each recipient address, reason and whether the address is dead.
    kind: String,
    wanted: Vec<(String, String, bool)>,
    message: String,
}

fn examples() -> Vec<Example> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/isp");
    let mut corpus = String::new();
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("messages") {
            corpus += &std::fs::read_to_string(&path).expect("a readable file");
        }
    }
    corpus
        .split("=====8<===== ")
        .filter(|piece| !piece.trim().is_empty())
        .map(|piece| {
            let (head, message) = piece.split_once('\n').expect("a head line");
            let mut words = head.splitn(3, ' ');
            let name = words.next().unwrap_or_default().to_string();
            let kind = words.next().unwrap_or_default().to_string();
            let wanted = words
                .next()
                .unwrap_or_default()
                .split(';')
                .filter(|w| !w.trim().is_empty())
                .map(|w| {
                    let fields: Vec<&str> = w.split_whitespace().collect();
                    (
                        fields[0].to_string(),
                        fields[1].to_string(),
                        fields[2] == "h",
                    )
                })
                .collect();
            Example {
                name,
                kind,
                wanted,
                message: message.to_string(),
            }
        })
        .collect()
}

fn found(example: &Example) -> Vec<Finding> {
    report::read(
        &Translator::default(),
        example.message.replace('\n', "\r\n").as_bytes(),
    )
}

#[test]
fn bounces_of_many_programs_name_recipient_reason_and_whether_it_is_dead() {
    let (mut total, mut right_recipient, mut right_reason, mut right_hard) =
        (0u32, 0u32, 0u32, 0u32);
    for example in examples().iter().filter(|e| !e.wanted.is_empty()) {
        let found = found(example);
        if found.len() != example.wanted.len() {
            println!("{}: {} findings", example.name, found.len());
        }
        for (recipient, reason, hard) in &example.wanted {
            total += 1;
            let Some(finding) = found
                .iter()
                .find(|f| f.recipient.as_deref() == Some(recipient))
            else {
                println!("{}: no finding for {recipient}: {found:?}", example.name);
                continue;
            };
            if finding.kind.name() != example.kind {
                println!("{}: kind {}", example.name, finding.kind.name());
                continue;
            }
            right_recipient += 1;
            let name = finding.translation.as_ref().map_or("", |t| t.reason.name());
            let dead = finding
                .translation
                .as_ref()
                .is_some_and(|t| t.disposition == Disposition::Hard);
            if reason == "*" || reason == name {
                right_reason += 1;
            } else {
                println!("{}: wanted {reason} found {:?}", example.name, finding);
            }
            if dead == *hard {
                right_hard += 1;
            } else {
                println!(
                    "{}: hard {hard} found {:?}",
                    example.name, finding.translation
                );
            }
        }
    }
    println!(
        "{total} recipients: found {right_recipient}, reason {right_reason}, hard or not {right_hard}"
    );
    let share = |n: u32| f64::from(n) / f64::from(total);
    assert!(
        share(right_recipient) >= 0.97 && share(right_reason) >= 0.95 && share(right_hard) >= 0.97
    );
}

#[test]
fn a_message_that_reports_nothing_is_never_called_a_bounce() {
    for example in examples().iter().filter(|e| e.kind == "none") {
        let found = found(example);
        assert!(found.is_empty(), "{}: {found:?}", example.name);
    }
}

#[test]
fn a_report_that_names_nobody_still_has_its_kind() {
    for example in examples()
        .iter()
        .filter(|e| e.wanted.is_empty() && e.kind != "none")
    {
        let found = found(example);
        assert!(
            found.iter().any(|f| f.kind.name() == example.kind),
            "{}: {found:?}",
            example.name
        );
    }
}

#[test]
fn the_plural_of_a_label_takes_no_letter_from_the_address() {
    for label in [
        "Recipient:",
        "Recipients:",
        "Recipient(s):",
        "Address(es):",
        "Addresses:",
        "Failed recipient :",
        "Failed to deliver to",
        "Empfänger :",
        "User =",
        "To:",
    ] {
        for address in ["s@example.net", "sara@example.net", "es.s@example.net"] {
            for quoted in [
                address.to_string(),
                format!("'{address}'"),
                format!("<{address}>"),
            ] {
                let message = format!(
                    "From: MAILER-DAEMON@example.org\r\nTo: news@example.com\r\nSubject: Undeliverable mail\r\n\
                     Content-Type: text/plain; charset=utf-8\r\n\r\n{label} {quoted}\r\nReason: user unknown\r\n"
                );
                let found = report::read(&Translator::default(), message.as_bytes());
                let recipients: Vec<_> = found.iter().map(|f| f.recipient.as_deref()).collect();
                assert_eq!(recipients, [Some(address)], "{label} {quoted}");
            }
        }
    }
}

#[test]
fn a_complaint_tells_its_type_and_the_message() {
    let all = examples();
    let arf = all.iter().find(|e| e.name == "arf").expect("the example");
    let found = found(arf);
    assert_eq!(found[0].feedback_type.as_deref(), Some("abuse"));
    assert_eq!(
        found[0].original_recipient.as_deref(),
        Some("cam@example.net")
    );
    assert_eq!(
        found[0].original_message_id.as_deref(),
        Some("<m10@example.org>")
    );
}
