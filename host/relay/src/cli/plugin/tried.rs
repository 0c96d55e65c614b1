//! `baton plugin diff` and `promote`, and how plugins and their candidates are shown on a line.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::api::Api;
use super::{Failure, print};
use crate::event::short_digest;

#[derive(Debug, clap::Args)]
pub struct Diff {
    /// Name of the plugin.
    plugin: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: Api,
}

#[derive(Debug, clap::Args)]
pub struct Promote {
    /// Name of the plugin.
    plugin: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: Api,
}

impl Diff {
    pub fn run(self) -> Result<(), Failure> {
        let report = self.api.get(&format!("/plugins/{}/diff", self.plugin))?;
        if self.json {
            print(report);
        } else {
            print(describe(&report));
        }
        Ok(())
    }
}

impl Promote {
    pub fn run(self) -> Result<(), Failure> {
        let path = format!("/plugins/{}/promote", self.plugin);
        let done = self.api.call(Method::POST, &path, Some(json!({})))?;
        if self.json {
            print(done);
        } else {
            print(format_args!("{}: the candidate is in service", self.plugin));
        }
        Ok(())
    }
}

/// Calls, faults, times and memory of a plugin or candidate.
pub(super) fn counts(plugin: &Value) -> String {
    let calls = plugin["calls"].as_u64().unwrap_or(0);
    let mut text = format!("calls {calls}  faults {}", plugin["faults"]);
    if let (Some(half), Some(most)) = (
        plugin["p50_microseconds"].as_u64(),
        plugin["p99_microseconds"].as_u64(),
    ) {
        text += &format!("  p50 {half} µs  p99 {most} µs");
    }
    if let Some(memory) = plugin["memory_bytes"].as_u64().filter(|bytes| *bytes > 0) {
        text += &format!("  memory {} KiB", memory >> 10);
    }
    let made: Vec<_> = texts(&plugin["made_with"]).collect();
    if !made.is_empty() {
        text += &format!("  made with {}", made.join(", "));
    }
    text
}

/// A plugin's hooks; those that its configuration has no use for in parentheses.
pub(super) fn hooks(plugin: &Value) -> String {
    let called: Vec<&str> = texts(&plugin["called"]).collect();
    // That one is asked which of the others are called.
    let is_called = |hook: &str| hook == "on-load" || called.contains(&hook);
    let shown = |hook: &str| match is_called(hook) {
        true => hook.to_owned(),
        false => format!("({hook})"),
    };
    let hooks: Vec<String> = texts(&plugin["hooks"]).map(shown).collect();
    hooks.join(" ")
}

/// What is granted beyond the usual, in a few words.
pub(super) fn granted(grants: &Value) -> Option<String> {
    let mut words: Vec<String> = texts(&grants["http"])
        .map(|h| format!("http {h}"))
        .collect();
    for word in ["dns", "submit"] {
        if grants[word] == true {
            words.push(word.to_owned());
        }
    }
    words.extend(texts(&grants["secrets"]).map(|s| format!("secret {s}")));
    (!words.is_empty()).then(|| words.join(", "))
}

/// A candidate on two lines.
pub(super) fn candidate(candidate: &Value) -> String {
    let hooks: Vec<_> = texts(&candidate["hooks"]).collect();
    let first = format!(
        "  {:<22} {:<9} {:<12} {}  {}",
        "candidate",
        how(candidate),
        short_digest(text(&candidate["digest"])),
        hooks.join(" "),
        text(&candidate["reason"])
    );
    let mut second = format!("{:24} {}", "", counts(candidate));
    if candidate["compared"].as_u64() > Some(0) || candidate["dropped"].as_u64() > Some(0) {
        second += &format!(
            "  compared {}  differ {}  dropped {}",
            candidate["compared"], candidate["differ"], candidate["dropped"]
        );
    }
    format!("{}\n{second}", first.trim_end())
}

fn how(candidate: &Value) -> String {
    match candidate["share"].as_f64() {
        Some(share) => format!("canary {}%", share * 100.0),
        None => text(&candidate["state"]).to_owned(),
    }
}

/// A report for people: one line a hook, then the examples.
fn describe(report: &Value) -> String {
    let short = |value: &Value| short_digest(text(value)).to_owned();
    let mut lines = vec![
        format!(
            "{}: {} against {} in service, {} {}",
            text(&report["plugin"]),
            short(&report["candidate"]),
            short(&report["in_service"]),
            how(report),
            text(&report["reason"])
        )
        .trim_end()
        .to_owned(),
    ];
    for hook in list(&report["hooks"]) {
        let name = text(&hook["hook"]);
        if hook["compared"].as_u64() > Some(0) {
            let kinds: Vec<String> = hook["differ_in"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, count)| count.as_u64() > Some(0))
                .map(|(kind, count)| format!("{kind} {count}"))
                .collect();
            lines.push(format!(
                "{name:<12} compared {:<7} differ {:<7} {}",
                // A value of JSON does not fill a column by itself.
                hook["compared"].to_string(),
                hook["differ"].to_string(),
                kinds.join(", ")
            ));
        } else {
            lines.push(name.to_owned());
        }
        for side in ["in_service", "candidate"] {
            lines.push(format!(
                "  {:<12} {}",
                side.replace('_', " "),
                rates(&hook[side])
            ));
        }
    }
    let new: Vec<_> = texts(&report["new_hooks"]).collect();
    if !new.is_empty() {
        lines.push(format!(
            "not tried, since only the candidate has them: {}",
            new.join(" ")
        ));
    }
    if report["dropped"].as_u64() > Some(0) {
        lines.push(format!(
            "calls that were not compared for want of room: {}",
            report["dropped"]
        ));
    }
    for example in list(&report["examples"]) {
        let of = [text(&example["message"]), text(&example["session"])].join(" ");
        lines.push(format!(
            "\n{} {} {}",
            text(&example["at"]),
            text(&example["hook"]),
            of.trim()
        ));
        for one in list(&example["differences"]) {
            let what = text(&one["what"]);
            lines.extend(sides(what, "-", text(&one["before"])));
            lines.extend(sides(what, "+", text(&one["after"])));
        }
        lines.extend(texts(&example["beyond"]).map(|asked| format!("  asked beyond: {asked}")));
    }
    lines.join("\n")
}

/// One side of a difference, with its name before the first line.
pub(in crate::cli) fn sides(what: &str, sign: &str, text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or("");
    let mut all = vec![format!("  {sign} {what:<9} {first}").trim_end().to_owned()];
    all.extend(lines.map(|line| format!("  {sign} {:9} {line}", "")));
    all
}

fn rates(rates: &Value) -> String {
    let mut text = format!("calls {}  faults {}", rates["calls"], rates["faults"]);
    for (word, count) in rates["decisions"].as_object().into_iter().flatten() {
        text += &format!("  {word} {count}");
    }
    text
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).filter_map(Value::as_str)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_each_hook_its_counts_and_its_examples() {
        let report = json!({
            "plugin": "policy", "candidate": "c".repeat(64), "in_service": "d".repeat(64), "state": "shadow",
            "share": null, "reason": null,
            "hooks": [{
                "hook": "on-rcpt", "compared": 10, "differ": 1,
                "differ_in": { "decision": 1, "edits": 0 },
                "in_service": { "calls": 10, "faults": 0, "decisions": { "next": 10 } },
                "candidate": { "calls": 10, "faults": 0, "decisions": { "next": 9, "reject": 1 } },
            }],
            "new_hooks": ["on-copy"], "dropped": 2,
            "examples": [{
                "at": "now", "hook": "on-rcpt", "message": null, "session": "s1", "beyond": ["dns.texts a.test"],
                "differences": [{ "what": "decision", "before": "next", "after": "reject 550 No\nmore" }],
            }],
        });
        let text = describe(&report);
        for part in [
            "policy: cccccccccccc against dddddddddddd in service, shadow",
            "on-rcpt      compared 10      differ 1       decision 1",
            "  candidate    calls 10  faults 0  next 9  reject 1",
            "only the candidate has them: on-copy",
            "want of room: 2",
            "  - decision  next",
            "  + decision  reject 550 No",
            "  +           more",
            "asked beyond: dns.texts a.test",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
    }

    #[test]
    fn a_candidate_is_shown_with_its_share_and_what_it_came_to() {
        let shown = candidate(&json!({
            "digest": "a".repeat(64), "state": "canary", "share": 0.05, "hooks": ["on-data"], "calls": 3,
            "faults": 1, "p50_microseconds": 64, "p99_microseconds": 128, "compared": 0, "differ": 0, "dropped": 0,
        }));
        assert!(
            shown.contains("canary 5%") && shown.contains("calls 3  faults 1  p50 64 µs"),
            "{shown}"
        );
        assert_eq!(
            granted(&json!({ "http": ["a.test"], "dns": true })).unwrap(),
            "http a.test, dns"
        );
        assert_eq!(granted(&json!({ "http": [] })), None);
    }
}
