//! `[[webhook]]`.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::raw::{Located, Section};
use super::read::Names;
use super::{Webhook, WebhookSecret};
use crate::event::outbox::{self, KINDS};

/// Before a secret in text.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

const HOUR: Duration = Duration::from_secs(60 * 60);

pub(super) fn webhooks(sections: Vec<Section<'_, '_>>) -> Vec<Webhook> {
    let mut names = Names::default();
    let read = |section| webhook(&section, &mut names);
    sections.into_iter().filter_map(read).collect()
}

fn webhook(section: &Section<'_, '_>, names: &mut Names) -> Option<Webhook> {
    let name = names.take(section, "webhook");
    let url = section.parsed("url", url);
    if url.is_none() && section.get("url", |_| Ok(())).is_none() {
        let hint = "add url = \"https://...\"";
        section.wrong(
            section.span(),
            "url",
            "the webhook has no address",
            Some(hint),
        );
    }
    let secret = section.parsed("secret", secret);
    let old_secret = section.parsed("old-secret", self::secret);
    let file = section
        .file("secret-file")
        .and_then(|path| match read_secret(&path) {
            Ok(secret) => Some(secret),
            Err(message) => {
                section.wrong(section.span(), "secret-file", message, None);
                None
            }
        });
    let wrong_somewhere = ["secret", "secret-file"]
        .iter()
        .any(|key| section.get(key, |_| Ok(())).is_some());
    let value = |found: Located<WebhookSecret>| found.value;
    let signing = secret.map(value).or(file);
    if signing.is_none() && !wrong_somewhere {
        let hint = "add secret = \"whsec_...\"; `echo whsec_$(openssl rand -base64 32)` makes one";
        let message = "nobody could tell the relay's events from anybody's";
        section.wrong(section.span(), "secret", message, Some(hint));
    }
    let events = section.list("events", |text| {
        let known = KINDS.iter().find(|kind| **kind == text);
        known
            .copied()
            .ok_or_else(|| format!("{text:?} is not one of {}", KINDS.join(", ")))
    });
    let account = section.text("account");
    let batch_max = section.number("batch-max", 1..=1_000);
    let batch_wait = section.duration("batch-wait", Duration::ZERO, Duration::from_secs(60));
    let timeout = section.duration(
        "timeout",
        Duration::from_millis(100),
        Duration::from_secs(120),
    );
    let retry_min = section.duration("retry-min", Duration::from_millis(10), HOUR);
    let retry_max = section.duration("retry-max", Duration::from_millis(10), 24 * HOUR);
    let give_up_after = section.duration("give-up-after", Duration::from_secs(1), 30 * 24 * HOUR);
    section.finish();
    let retry_min = retry_min.map_or(Duration::from_secs(5), |found| found.value);
    let retry_max = retry_max.map_or(Duration::from_secs(600), |found| found.value);
    Some(Webhook {
        name: name?,
        url: url?.value,
        secrets: std::iter::once(signing?)
            .chain(old_secret.map(value))
            .collect(),
        events: match events {
            Some(found) => found.into_iter().map(|one| one.value).collect(),
            None => outbox::USUAL.to_vec(),
        },
        account: account.map(|found| found.value),
        batch_max: batch_max.unwrap_or(100),
        batch_wait: batch_wait.map_or(Duration::from_millis(500), |found| found.value),
        timeout: timeout.map_or(Duration::from_secs(15), |found| found.value),
        retry_min,
        retry_max: retry_max.max(retry_min),
        give_up_after: give_up_after.map_or(3 * 24 * HOUR, |found| found.value),
    })
}

fn url(text: &str) -> Result<String, String> {
    let uri: hyper::Uri = text
        .parse()
        .map_err(|e| format!("{text:?} is not a URL: {e}"))?;
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    match uri.authority() {
        Some(authority) if has_scheme && !authority.as_str().contains('@') => Ok(text.to_owned()),
        _ => Err(format!(
            "{text:?} is not an http or https URL without a user"
        )),
    }
}

fn secret(text: &str) -> Result<WebhookSecret, String> {
    let encoded = text
        .trim()
        .strip_prefix(SECRET_PREFIX)
        .ok_or("a secret begins with \"whsec_\", and base 64 follows")?;
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| "what follows \"whsec_\" is not base 64".to_owned())?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        return Err(format!(
            "a secret has {least} to {most} bytes, and this one {}",
            bytes.len()
        ));
    }
    Ok(WebhookSecret(bytes))
}

fn read_secret(path: &Path) -> Result<WebhookSecret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    secret(&text)
}
