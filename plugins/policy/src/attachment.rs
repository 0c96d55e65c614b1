//! What may be attached, by name, media type and size.

use baton_sdk::prelude::*;

use crate::action::{Action, Finding};
use crate::zip;

/// `[plugins.policy.attachments]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Attachments {
    /// Without the dot, in lower case.
    extensions: Vec<String>,
    /// `invoice.pdf.exe`: a forbidden extension behind a harmless one, however long the list of `extensions` is.
    double_extensions: bool,
    /// `application/x-msdownload`, or `application/*`.
    media_types: Vec<String>,
    /// Extensions that may not be inside a ZIP archive.
    in_archives: Vec<String>,
    encrypted_archives: Action,
    /// Bytes of one attachment, decoded.
    bytes_max: Option<u32>,
    action: Action,
}

impl Default for Attachments {
    fn default() -> Self {
        Self {
            extensions: Vec::new(),
            double_extensions: false,
            media_types: Vec::new(),
            in_archives: Vec::new(),
            encrypted_archives: Action::Off,
            bytes_max: None,
            action: Action::Reject,
        }
    }
}

/// What starts something when it is opened.
const PROGRAMS: [&str; 26] = [
    "apk", "app", "bat", "cmd", "com", "cpl", "dll", "exe", "hta", "iso", "jar", "js", "jse",
    "lnk", "msi", "msp", "pif", "ps1", "reg", "scr", "sh", "vbe", "vbs", "wsf", "wsh", "xll",
];

impl Attachments {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        for extension in self.extensions.iter().chain(&self.in_archives) {
            let is_good = !extension.is_empty()
                && !extension.contains('.')
                && *extension == extension.to_lowercase();
            if !is_good {
                return Err(format!(
                    "`{extension}` is no extension in lower case, without its dot"
                ));
            }
        }
        for media_type in &self.media_types {
            if !media_type.contains('/') || *media_type != media_type.to_ascii_lowercase() {
                return Err(format!(
                    "`{media_type}` is no media type in lower case, such as application/zip"
                ));
            }
        }
        Ok(())
    }

    /// Whether nothing is looked for.
    pub fn is_idle(&self) -> bool {
        self.extensions.is_empty()
            && !self.double_extensions
            && self.media_types.is_empty()
            && self.in_archives.is_empty()
            && self.encrypted_archives == Action::Off
            && self.bytes_max.is_none()
    }

    /// The first thing that is wrong with an attachment.
    pub fn finding(&self) -> Option<Finding> {
        if self.is_idle() {
            return None;
        }
        message::parts().find_map(|part| self.judge(&part))
    }

    fn judge(&self, part: &message::Part) -> Option<Finding> {
        let media_type = part.media_type.as_str();
        if media_type.starts_with("multipart/") {
            return None;
        }
        let name = part.filename.as_deref().unwrap_or_default();
        let found = |rule: &str, text: String| {
            let finding = Finding::new(rule, self.action, text)
                .with("name", name)
                .with("media-type", media_type)
                .with("bytes", part.size.to_string());
            Some(finding)
        };
        let extensions = extensions(name);
        let last = extensions.last().map_or("", String::as_str);
        if self.extensions.iter().any(|known| known == last) {
            return found(
                "extension",
                format!("Attachments of the kind .{last} are not accepted: {name}"),
            );
        }
        if self.double_extensions && extensions.len() > 1 && PROGRAMS.contains(&last) {
            return found(
                "double-extension",
                format!("The attachment {name} is a program that looks like a document"),
            );
        }
        let forbidden = |known: &String| match known.strip_suffix("/*") {
            Some(kind) => media_type.split('/').next() == Some(kind),
            None => known == media_type,
        };
        if self.media_types.iter().any(forbidden) {
            return found(
                "media-type",
                format!("Attachments of the type {media_type} are not accepted"),
            );
        }
        if let Some(most) = self.bytes_max
            && part.is_attachment()
            && part.size > most
        {
            let (size, most) = (part.size.div_ceil(1024), most / 1024);
            return found(
                "attachment-size",
                format!("The attachment {name} has {size} KiB; {most} KiB are accepted"),
            );
        }
        let looks_inside = !self.in_archives.is_empty() || self.encrypted_archives != Action::Off;
        if looks_inside && (last == "zip" || media_type.contains("zip")) {
            return self.judge_archive(part, name);
        }
        None
    }

    fn judge_archive(&self, part: &message::Part, name: &str) -> Option<Finding> {
        let contents = zip::contents(part)?;
        for inside in &contents.names {
            let last = extensions(inside).pop().unwrap_or_default();
            if self.in_archives.contains(&last) {
                let text = format!(
                    "The archive {name} holds {inside}; files of the kind .{last} are not accepted"
                );
                let finding = Finding::new("in-archive", self.action, text);
                return Some(finding.with("name", name).with("inside", inside.clone()));
            }
        }
        let is_forbidden = contents.is_encrypted && self.encrypted_archives != Action::Off;
        is_forbidden.then(|| {
            let text = format!("The archive {name} is encrypted, so that nobody can look into it");
            Finding::new("encrypted-archive", self.encrypted_archives, text).with("name", name)
        })
    }
}

/// What stands behind the dots of a file's name, in lower case; trailing dots and spaces are as nothing to some systems.
fn extensions(name: &str) -> Vec<String> {
    let name = name.trim_end_matches(['.', ' ']);
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.split('.')
        .skip(1)
        .map(|piece| piece.trim().to_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_sdk::serde_json::json;

    fn rule(
        config: baton_sdk::serde_json::Value,
        name: &str,
        media_type: &str,
        body: &[u8],
    ) -> Option<String> {
        let mut text = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: {media_type}\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
        )
        .into_bytes();
        text.extend_from_slice(body);
        text.extend_from_slice(b"\r\n--b--\r\n");
        let _relay = testing::Relay::new().message(text);
        let rules: Attachments = baton_sdk::serde_json::from_value(config).expect("rules");
        rules.check().expect("good rules");
        rules.finding().map(|finding| finding.rule)
    }

    #[test]
    fn attachments_are_judged_by_name_type_and_size() {
        let config = || json!({ "extensions": ["exe", "docm"], "double-extensions": true, "media-types": ["application/x-msdownload", "video/*"], "bytes-max": 2048 });
        for (name, media_type, expected) in [
            ("a.pdf", "application/pdf", None),
            ("A.EXE", "application/octet-stream", Some("extension")),
            ("a.exe. ", "application/octet-stream", Some("extension")),
            (
                "invoice.pdf.scr",
                "application/octet-stream",
                Some("double-extension"),
            ),
            ("v2.0.pdf", "application/pdf", None),
            ("a", "application/x-msdownload", Some("media-type")),
            ("a.mp4", "video/mp4", Some("media-type")),
        ] {
            assert_eq!(
                rule(config(), name, media_type, b"x").as_deref(),
                expected,
                "{name}"
            );
        }
        let large = rule(config(), "a.pdf", "application/pdf", &[b'x'; 3000]);
        assert_eq!(large.as_deref(), Some("attachment-size"));
        assert_eq!(rule(json!({}), "a.exe", "video/mp4", b"x"), None);
    }

    #[test]
    fn archives_are_judged_by_what_they_hold() {
        let config = || json!({ "in-archives": ["js"], "encrypted-archives": "hold" });
        let inside = |names: &[&str], is_encrypted| {
            let bytes = zip::tests::archive(names, is_encrypted);
            rule(config(), "a.zip", "application/zip", &bytes)
        };
        assert_eq!(
            inside(&["a.txt", "dir/x.JS"], false).as_deref(),
            Some("in-archive")
        );
        assert_eq!(inside(&["a.txt"], false), None);
        assert_eq!(
            inside(&["a.txt"], true).as_deref(),
            Some("encrypted-archive")
        );
        assert_eq!(
            rule(config(), "a.zip", "application/zip", b"no archive"),
            None
        );
    }

    #[test]
    fn wrong_rules_are_named() {
        for (config, words) in [
            (json!({ "extensions": [".exe"] }), "without its dot"),
            (json!({ "media-types": ["zip"] }), "no media type"),
        ] {
            let rules: Attachments = baton_sdk::serde_json::from_value(config).expect("rules");
            assert!(rules.check().expect_err("a mistake").contains(words));
        }
    }
}
