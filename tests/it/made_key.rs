//! A DKIM key as `baton dkim new` makes it, and the record it says to publish.

use std::path::Path;

use baton_tests::relay::run;
use serde_json::Value;

pub struct MadeKey {
    /// The path of the key.
    pub file: String,
    /// Where the record is published.
    pub name: String,
    /// What the record says.
    pub text: String,
    /// The section of the configuration that names the key.
    pub section: String,
}

impl MadeKey {
    /// `more` are further arguments, such as `--ed25519`.
    pub fn new(folder: &Path, domain: &str, selector: &str, more: &[&str]) -> MadeKey {
        let out = folder.display().to_string();
        let arguments = [
            "dkim",
            "new",
            "--json",
            "--domain",
            domain,
            "--selector",
            selector,
            "--out",
            &out,
        ];
        let output = run(&[&arguments[..], more].concat());
        assert!(output.status.success(), "{output:?}");
        let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let file = text(&made["file"]);
        MadeKey {
            section: format!(
                "\n[[dkim.key]]\ndomain = \"{domain}\"\nselector = \"{selector}\"\nfile = \"{file}\"\n"
            ),
            file,
            name: text(&made["record"]["name"]),
            text: text(&made["record"]["text"]),
        }
    }
}
