//! Whatever a plugin does with edits: the message stays well formed, untouched bytes are identical, signed parts untouched.

use baton_hooks::Verdict;
use baton_message::{Edit, EditSet, Message};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::house::{Site, envelope};

/// Every kind of part there is: text in several encodings, signed, encrypted, attached, enclosed.
const BODY: &str = "preamble\r\n--o\r\nContent-Type: text/plain\r\n\r\nplain text, two\r\nlines\r\n--o\r\n\
    Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    <p>caf=E9 <a href=3D\"https://example.net/\">x</a></p>\r\n--o\r\n\
    Content-Type: multipart/signed; boundary=s; micalg=pgp-sha256; protocol=\"application/pgp-signature\"\r\n\r\n--s\r\n\
    Content-Type: text/plain\r\n\r\nsigned words  \r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nabc\r\n--s--\r\n\
    --o\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--o\r\n\
    Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--o\r\n\
    Content-Type: message/rfc822\r\n\r\nFrom: c@example.net\r\nSubject: inner\r\n\r\ninner text\r\n--o--\r\nepilogue\r\n";

fn message(act: &str) -> String {
    format!(
        "Received: from a.example\r\n by b.example; Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: Ann <a@example.net>\r\n\
         To: b@example.org\r\nX-One: first\r\nX-One: second\r\n\tfolded\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\nX-Act: {act}\r\n\r\n{BODY}"
    )
}

/// Fields as they stand, folds included.
fn fields(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut fields: Vec<String> = Vec::new();
    for line in head.split("\r\n") {
        match fields.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push_str("\r\n");
                last.push_str(line);
            }
            _ => fields.push(line.to_owned()),
        }
    }
    fields
}

fn name_of(field: &str) -> String {
    field
        .split(':')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z <>=\"/.]{0,60}",
        Just("line\\r\\nInjected: yes".to_owned()),
        Just("\\r\\n.\\r\\n--o--\\r\\n".to_owned()),
        Just("bare\\ncr\\r".to_owned()),
        Just("ünï – 漢字 😀".to_owned()),
        "x{900,1200}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("X-One".to_owned()),
        Just("X-New".to_owned()),
        Just("Subject".to_owned()),
        Just("From".to_owned()),
        Just("Received".to_owned()),
        Just("DKIM-Signature".to_owned()),
        Just("Content-Type".to_owned()),
        Just("MIME-Version".to_owned()),
        Just("X-Bad:".to_owned()),
        Just("X-Ü".to_owned()),
    ]
}

fn command() -> impl Strategy<Value = String> {
    prop_oneof![
        (0u32..12, text()).prop_map(|(part, text)| format!("set-text {part} {text}")),
        (name(), text()).prop_map(|(name, text)| format!("prepend {name} {text}")),
        (name(), text()).prop_map(|(name, text)| format!("append {name} {text}")),
        (name(), text()).prop_map(|(name, text)| format!("replace {name} {text}")),
        name().prop_map(|name| format!("remove {name}")),
        Just("err it did not mean it".to_owned()),
        Just("trap".to_owned()),
    ]
}

/// What must hold of the message before and after.
fn hold(original: &[u8], draft: &EditSet) -> Result<(), TestCaseError> {
    let rendered = draft.render(&[]).into_bytes();
    let edits: Vec<&Edit> = draft
        .applied()
        .iter()
        .map(|applied| &applied.edit)
        .collect();
    if edits.is_empty() {
        prop_assert_eq!(&rendered[..], original);
        return Ok(());
    }
    // Lines end with CRLF, and nowhere else is a CR or LF.
    let text: Vec<u8> = rendered.to_vec();
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'\n' {
            prop_assert!(at > 0 && text[at - 1] == b'\r', "a bare LF");
        }
        if *byte == b'\r' {
            prop_assert_eq!(text.get(at + 1), Some(&b'\n'), "a bare CR");
        }
    }
    let (before, after) = (
        Message::parse(original.to_vec().into()),
        Message::parse(rendered),
    );
    prop_assert!(after.header_section().is_well_formed());
    let kinds = |message: &Message| -> Vec<String> {
        message
            .parts()
            .iter()
            .map(|part| part.media_type().to_owned())
            .collect()
    };
    prop_assert_eq!(kinds(&before), kinds(&after), "the structure");
    let set: Vec<u32> = edits
        .iter()
        .filter_map(|edit| match edit {
            Edit::SetText { part, .. } => Some(*part),
            _ => None,
        })
        .collect();
    for (a, b) in before.parts().iter().zip(after.parts()) {
        let at = a.index();
        if set.contains(&at) {
            prop_assert!(before.is_editable(at));
            continue;
        }
        let leaf = !a.is_multipart() && !a.is_enclosed_message();
        let signed = a.media_type() == "multipart/signed";
        if leaf || signed {
            let (before, after) = (
                &before.bytes()[a.body_range()],
                &after.bytes()[b.body_range()],
            );
            prop_assert_eq!(before, after, "part {} was not edited", at);
        }
        if at > 0 && leaf {
            let (before, after) = (
                &before.bytes()[a.header_range()],
                &after.bytes()[b.header_range()],
            );
            prop_assert_eq!(before, after, "fields of part {}", at);
        }
    }
    let touched: Vec<String> = edits
        .iter()
        .filter_map(|edit| match edit {
            Edit::SetText { .. } => None,
            Edit::PrependHeader { name, .. }
            | Edit::AppendHeader { name, .. }
            | Edit::ReplaceHeader { name, .. }
            | Edit::RemoveHeader { name } => Some(name.to_ascii_lowercase()),
        })
        .collect();
    for kept in ["received", "dkim-signature", "content-type", "mime-version"] {
        prop_assert!(
            !touched.iter().any(|name| name == kept),
            "{kept} is not a plugin's"
        );
    }
    let rest = |bytes: &[u8]| -> Vec<String> {
        let mut all = fields(bytes);
        all.retain(|field| !touched.contains(&name_of(field)));
        all
    };
    prop_assert_eq!(
        rest(before.bytes()),
        rest(after.bytes()),
        "fields that were not edited"
    );
    Ok(())
}

#[test]
fn whatever_a_plugin_edits_the_rest_is_as_it_came() {
    let site = Site::actor(|_| {});
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let commands = proptest::collection::vec(command(), 1..8);
    let ran = TestRunner::new(config).run(&commands, |commands| {
        let original = message(&commands.join(";"));
        let mut sitting = site.session("").transaction();
        let parsed = Message::parse(original.clone().into());
        sitting.set_draft(EditSet::new(parsed, false));
        let verdict = runtime.block_on(sitting.on_data(&envelope()));
        let faulted = commands.iter().any(|c| c == "trap" || c.starts_with("err"));
        prop_assert_eq!(matches!(verdict, Verdict::Defer(_)), faulted);
        let draft = sitting.draft().unwrap();
        if faulted {
            prop_assert!(draft.is_empty(), "half an edit is left");
        }
        hold(original.as_bytes(), draft)
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
