//! Somebody else's verifier of signatures: dkimpy (Debian's python3-dkim and python3-nacl, or pip's dkimpy and PyNaCl).
//! `BATON_PYTHON` names a Python that has it; where none has, a test says so loudly, and on CI that is a failure.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Prints for each message the results of its signatures, from the top down.
const SCRIPT: &str = r#"
import base64, json, sys
import dkim
records, messages = json.load(sys.stdin)
def ask(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    text = records.get(name.rstrip("."))
    return text.encode() if text is not None else None
out = []
for message in messages:
    message = base64.b64decode(message)
    results = []
    head = message.split(b"\r\n\r\n", 1)[0]
    count = sum(line.lower().startswith(b"dkim-signature:") for line in head.split(b"\r\n"))
    for nth in range(count):
        try:
            good = dkim.DKIM(message, minkey=1024).verify(idx=nth, dnsfunc=ask)
            results.append("pass" if good else "fail")
        except dkim.DKIMException as error:
            results.append(str(error))
    out.append(results)
print(json.dumps(out))
"#;

pub struct Verifier {
    python: String,
}

impl Verifier {
    /// None where there is none, which is told.
    pub fn find() -> Option<Verifier> {
        let python = std::env::var("BATON_PYTHON").unwrap_or_else(|_| "python3".into());
        let works = Command::new(&python)
            .args(["-c", "import dkim, nacl"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if works {
            return Some(Verifier { python });
        }
        assert!(
            std::env::var_os("BATON_PEERS_REQUIRED").is_none(),
            "{python} has no dkimpy with PyNaCl"
        );
        eprintln!(
            "SKIPPED: {python} has no dkimpy with PyNaCl to verify signatures with; set BATON_PYTHON"
        );
        None
    }

    /// For each message, what is said of each of its signatures: "pass", or something else.
    pub fn verify(
        &self,
        messages: &[&[u8]],
        records: &BTreeMap<String, String>,
    ) -> Vec<Vec<String>> {
        let messages: Vec<String> = messages.iter().map(|m| STANDARD.encode(m)).collect();
        let mut child = Command::new(&self.python)
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let input = json!([records, messages]).to_string();
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("an end");
        assert!(output.status.success(), "the verifier fell over");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Verifier {
    /// The message with somebody else's signature on top.
    pub fn sign(&self, message: &[u8], domain: &str, selector: &str, key_file: &str) -> Vec<u8> {
        const SCRIPT: &str = r#"
import sys, subprocess, dkim
domain, selector, file = (a.encode() for a in sys.argv[1:4])
message = sys.stdin.buffer.read()
key = subprocess.run(["openssl", "rsa", "-in", file, "-traditional"], capture_output=True, check=True).stdout
sys.stdout.buffer.write(dkim.sign(message, selector, domain, key, canonicalize=(b"relaxed", b"relaxed")) + message)
"#;
        self.run(SCRIPT, &[domain, selector, key_file], message)
    }

    /// What is said of a chain of seals (ARC).
    pub fn chain(&self, message: &[u8], records: &BTreeMap<String, String>) -> String {
        const SCRIPT: &str = r#"
import json, sys, dkim
records = json.loads(sys.argv[1])
def ask(name, timeout=5):
    text = records.get((name.decode() if isinstance(name, bytes) else name).rstrip("."))
    return text.encode() if text is not None else None
cv, results, why = dkim.arc_verify(sys.stdin.buffer.read(), dnsfunc=ask)
print((cv or b"none").decode() if cv == b"pass" else f"{cv}: {why}", end="")
"#;
        let records = json!(records).to_string();
        let said = self.run(SCRIPT, &[&records], message);
        String::from_utf8_lossy(&said).into_owned()
    }

    fn run(&self, script: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new(&self.python)
            .args([&["-c", script], arguments].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("an end");
        assert!(output.status.success(), "the script fell over");
        output.stdout
    }
}

/// How many signatures a message carries.
pub fn signatures(message: &[u8]) -> usize {
    let head = message
        .split(|byte| *byte == b'\n')
        .take_while(|line| !line.trim_ascii().is_empty());
    head.filter(|line| line.to_ascii_lowercase().starts_with(b"dkim-signature:"))
        .count()
}
