//! `baton queue` and `baton message`: the queue of a running relay, through its API.

use axum::http::Method;
use serde_json::{Value, json};

use super::api::Api;
use super::{Failure, print};

#[derive(Debug, clap::Subcommand)]
pub enum Queue {
    /// List what waits, oldest first.
    List {
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        api: Api,
    },
    /// Show a message with its recipients, hooks and attempts.
    Show(Message),
    /// Try now what is deferred.
    Retry(Target),
    /// Keep until it is released.
    Hold {
        /// Why, for the others.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Let go what is held.
    Release(Target),
    /// Drop for good. Nobody is told.
    Remove(Target),
}

/// What to act on.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// Ids of messages, or of single recipients as ID.NUMBER.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: Api,
}

#[derive(Debug, clap::Args)]
pub struct Message {
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: Api,
}

impl Queue {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Queue::List { limit, json, api } => list(&api, limit, json),
            Queue::Show(message) => message.run(),
            Queue::Retry(target) => target.act("retry", None),
            Queue::Hold { reason, target } => target.act("hold", reason.as_deref()),
            Queue::Release(target) => target.act("release", None),
            Queue::Remove(target) => target.act("remove", None),
        }
    }
}

fn list(api: &Api, limit: u32, as_json: bool) -> Result<(), Failure> {
    let entries = api.get(&format!("/queue?limit={limit}"))?;
    if as_json {
        print(entries);
        return Ok(());
    }
    for entry in entries.as_array().into_iter().flatten() {
        let why = [text(&entry["why"]), text(&entry["reply"])].join(" ");
        let line = format!(
            "{:<30} {:<9} {:<25} {:>3}  {}  {}",
            text(&entry["entry"]),
            text(&entry["state"]),
            text(&entry["due"]),
            entry["attempts"],
            text(&entry["address"]),
            why.trim(),
        );
        print(line.trim_end());
    }
    Ok(())
}

impl Target {
    fn act(self, action: &str, reason: Option<&str>) -> Result<(), Failure> {
        let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        for id in &self.ids {
            let path = format!("/queue/{}/{action}", id.replacen('.', "/", 1));
            let done = self.api.call(Method::POST, &path, Some(body.clone()))?;
            if self.json {
                print(json!({ "id": id, "changed": done["changed"] }));
            } else {
                print(format_args!("{id}: {action} {}", done["changed"]));
            }
        }
        Ok(())
    }
}

impl Message {
    pub fn run(self) -> Result<(), Failure> {
        let message = self.api.get(&format!("/messages/{}", self.id))?;
        if self.json {
            print(message);
        } else {
            print(describe(&message));
        }
        Ok(())
    }
}

/// A message on a few lines.
fn describe(message: &Value) -> String {
    let mut lines = vec![
        format!("{}  {}", text(&message["id"]), text(&message["state"])),
        format!(
            "received {}  from <{}>",
            text(&message["received"]),
            text(&message["from"])
        ),
        format!("subject  {}", text(&message["subject"])),
    ];
    for one in list_of(&message["recipients_detail"]) {
        let rest = [text(&one["due"]), text(&one["why"]), text(&one["reply"])].join(" ");
        let line = format!(
            "  {} {}  {}",
            text(&one["state"]),
            text(&one["address"]),
            rest.trim()
        );
        lines.push(line.trim_end().to_owned());
    }
    for step in list_of(&message["trace"]) {
        let decision = step["fault"].as_str().unwrap_or(text(&step["decision"]));
        let (hook, plugin) = (text(&step["hook"]), text(&step["plugin"]));
        lines.push(format!(
            "  {hook} {plugin}: {decision} ({} µs)",
            step["microseconds"]
        ));
        lines.extend(list_of(&step["edits"]).map(|edit| format!("    {}", text(&edit["what"]))));
    }
    for step in list_of(&message["attempts"]) {
        let (site, host) = (text(&step["site"]), text(&step["host"]));
        lines.push(format!("  attempt {} {site} {host}", step["number"]));
        for one in list_of(&step["outcomes"]) {
            let (outcome, recipient) = (text(&one["outcome"]), text(&one["recipient"]));
            lines.push(format!(
                "    {outcome} {recipient}: {}",
                text(&one["reply"])
            ));
        }
    }
    lines.join("\n")
}

fn list_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_described_with_its_recipients_hooks_and_attempts() {
        let reply = "450 busy";
        let message = json!({
            "id": "01", "state": "deferred", "received": "now", "from": "a@example.net", "subject": "Hi",
            "recipients_detail": [
                { "state": "deferred", "address": "b@example.org", "due": "soon", "reply": reply },
            ],
            "trace": [{
                "hook": "on-data", "plugin": "p", "decision": "next", "microseconds": 9,
                "edits": [{ "what": "set-text" }],
            }],
            "attempts": [{
                "number": 1, "site": "example.org", "host": "mx",
                "outcomes": [{ "outcome": "deferred", "recipient": "b@example.org", "reply": reply }],
            }],
        });
        let text = describe(&message);
        for part in [
            "01  deferred",
            "deferred b@example.org  soon  450 busy",
            "on-data p: next (9 µs)",
            "    set-text",
            "attempt 1 example.org mx",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
}
