//! `baton plugin run`: one hook of one plugin, in this process, with nothing around it.

mod file;
mod words;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use baton_hooks::golden::Case;
use baton_hooks::{
    Attempt, Bundled, Hook, PluginSettings, PluginState, Plugins, Session, Settings, Sitting, Stage,
};
use baton_message::lines::to_crlf;
use baton_message::{EditSet, Message};
use baton_smtp::{Envelope, Mailbox, Recipient, ReversePath};
use bytes::Bytes;

use super::{Component, find};
use crate::cli::{Failure, print};
use crate::config::Config;
use file::File;

#[derive(Debug, clap::Args)]
pub struct Run {
    /// Name of a bundled plugin, or a file.
    plugin: String,
    /// Such as on-data. on-mail, on-rcpt, on-data, on-copy and on-report take --eml, on-reply takes --replies, and every hook takes
    /// --case.
    #[arg(long, value_name = "HOOK")]
    hook: String,
    /// What the hook is told, as in a golden test without its "hook" (docs/golden-tests.md), "-" for standard input. What came of
    /// the call goes to standard output as JSON.
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// The message, for on-data, on-copy and on-report.
    #[arg(long, value_name = "FILE")]
    eml: Option<PathBuf>,
    /// Replies as lines of JSON, for on-reply; "-" for standard input. Each has "text", and may have "code", "status",
    /// "stage", "host", "domain" and "recipient". Every line gets one line of output, "null" where it cannot be read.
    #[arg(long, value_name = "FILE")]
    replies: Option<PathBuf>,
    /// A configuration with [plugins.NAME], or a file with that section's keys alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Envelope sender; where absent, the From field.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Envelope recipients; where absent, those of the To field.
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// Where the plugin's pages would be reached.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8025")]
    public_url: String,
}

impl Run {
    pub fn run(self) -> Result<(), Failure> {
        let hook = Hook::from_name(&self.hook)
            .ok_or_else(|| Failure::usage(format_args!("{:?} is no hook", self.hook)))?;
        let component = find(&self.plugin)?;
        let settings = match &self.config {
            Some(path) => {
                let section = Config::load_plugin(path, &component.name).map_err(Failure::usage)?;
                PluginSettings::from(&section)
            }
            None => PluginSettings::default(),
        };
        crate::cli::runtime()?.block_on(self.ask(hook, component, settings))
    }

    async fn ask(
        &self,
        hook: Hook,
        component: Component,
        settings: PluginSettings,
    ) -> Result<(), Failure> {
        let plugins = start(component, settings, &self.public_url)?;
        let loaded = plugins.list();
        let info = loaded
            .first()
            .ok_or_else(|| Failure::failed("the plugin was not loaded"))?;
        if let PluginState::Refused { reason } = &info.state {
            return Err(Failure::failed(reason));
        }
        if !info.hooks.contains(hook) {
            let hooks: Vec<_> = info.hooks.iter().map(|hook| hook.name()).collect();
            let text = format_args!(
                "{} has no {}; it has {}",
                info.name,
                hook.name(),
                hooks.join(" ")
            );
            return Err(Failure::usage(text));
        }
        if let Some(path) = &self.case {
            return self.case(hook, path, &plugins).await;
        }
        match hook {
            Hook::Mail | Hook::Rcpt | Hook::Data | Hook::Copy => self.receive(hook, &plugins).await,
            Hook::Reply => self.replies(&plugins).await,
            Hook::Report => self.report(&plugins).await,
            _ => Err(Failure::usage(format_args!(
                "{} is told more than a message; give --case with what it is told",
                hook.name()
            ))),
        }
    }

    /// Any hook, told what a golden test would tell it.
    async fn case(&self, hook: Hook, path: &Path, plugins: &Plugins) -> Result<(), Failure> {
        let text = if path.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin().lock())
        } else {
            std::fs::read_to_string(path)
        };
        let text = text.map_err(|e| Failure::failed(format_args!("{}: {e}", path.display())))?;
        let wrong =
            |e: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {e}", path.display()));
        let mut told: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).map_err(|e| wrong(&e))?;
        told.insert("hook".into(), hook.name().into());
        let case =
            Case::parse(&serde_json::Value::Object(told).to_string()).map_err(|e| wrong(&e))?;
        let seen = case.ask(plugins.generation()).await;
        print(&seen.value);
        match seen.record.and_then(|record| record.fault) {
            Some(fault) => Err(Failure::failed(format_args!("the plugin faulted: {fault}"))),
            None => Ok(()),
        }
    }

    async fn receive(&self, hook: Hook, plugins: &Plugins) -> Result<(), Failure> {
        let file = File::new(self.message()?);
        let envelope = self.envelope(file.message())?;
        let mut sitting = sitting(plugins);
        sitting.set_draft(EditSet::new(file.message().clone(), envelope.smtputf8()));
        let first = envelope.recipients[0].clone();
        let verdict = match hook {
            Hook::Mail => sitting.on_mail(&envelope).await.to_string(),
            Hook::Rcpt => words::recipient(&sitting.on_rcpt(&envelope, &first).await),
            _ => {
                let mut passes = true;
                let mut verdict = String::from("next");
                if hook == Hook::Data {
                    let decided = sitting.on_data(&envelope).await;
                    passes = decided.passes();
                    verdict = decided.to_string();
                }
                if passes {
                    let copy = sitting.on_copy(&envelope, &first).await;
                    if let Some(draft) = copy.draft {
                        sitting.set_draft(draft);
                    }
                    if !copy.verdict.passes() || hook == Hook::Copy {
                        verdict = copy.verdict.to_string();
                    }
                }
                verdict
            }
        };
        let faulted = words::tell(&mut sitting);
        eprintln!("decision: {verdict}");
        for hold in sitting.holds() {
            eprintln!("hold: {}", hold.reason);
        }
        if matches!(hook, Hook::Data | Hook::Copy)
            && let Some(draft) = sitting.draft()
        {
            use std::io::Write;
            std::io::stdout()
                .lock()
                .write_all(&file.restore(&draft.render(&[])))
                .map_err(Failure::failed)?;
        }
        if faulted {
            Err(Failure::failed("the plugin faulted"))
        } else {
            Ok(())
        }
    }

    async fn replies(&self, plugins: &Plugins) -> Result<(), Failure> {
        let path = self
            .replies
            .as_ref()
            .ok_or_else(|| Failure::usage("on-reply needs --replies"))?;
        let reader: Box<dyn BufRead> = if path.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            let file = std::fs::File::open(path)
                .map_err(|e| Failure::failed(format_args!("{}: {e}", path.display())))?;
            Box::new(std::io::BufReader::new(file))
        };
        let (mut faulted, mut unread) = (false, 0u64);
        // Bytes and not text: a log may hold a remote host's Latin-1.
        for (number, line) in (1u64..).zip(reader.split(b'\n')) {
            let line = line.map_err(Failure::failed)?;
            let asked = words::reply(&String::from_utf8_lossy(&line));
            let at = format_args!("{}:{number}", path.display());
            // One line out for every line in, whatever it holds, so that the two can be laid side by side.
            let asked = match asked {
                Ok(asked) => asked,
                Err(mistake) => {
                    eprintln!("{at}: {mistake}");
                    unread += 1;
                    print(serde_json::Value::Null);
                    continue;
                }
            };
            for doubt in &asked.doubts {
                eprintln!("{at}: {doubt}");
            }
            // Each reply belongs to an attempt of its own, and so to a fresh instance.
            let mut sitting = sitting(plugins);
            let found = sitting
                .on_reply(&asked.attempt, asked.stage, &asked.reply)
                .await;
            faulted |= words::tell_quietly(&mut sitting);
            print(
                found
                    .as_ref()
                    .map_or(serde_json::Value::Null, words::translation),
            );
        }
        if faulted {
            Err(Failure::failed("the plugin faulted"))
        } else if unread > 0 {
            Err(Failure::failed(format_args!(
                "{unread} lines are no replies; \"null\" stands in their place"
            )))
        } else {
            Ok(())
        }
    }

    async fn report(&self, plugins: &Plugins) -> Result<(), Failure> {
        // As it came: bounces are not always well formed.
        let message = Message::parse(to_crlf(self.message()?));
        let mut sitting = sitting(plugins);
        sitting.set_draft(EditSet::new(message, false));
        let reports = sitting.on_report().await;
        let faulted = words::tell_quietly(&mut sitting);
        let (told, rest): (Vec<_>, Vec<_>) =
            reports.iter().partition(|found| words::is_told(found));
        for found in rest {
            eprintln!("no bounce: {}", words::in_short(found));
        }
        let told: serde_json::Value = told.into_iter().map(words::report).collect();
        print(told);
        if faulted {
            Err(Failure::failed("the plugin faulted"))
        } else {
            Ok(())
        }
    }

    fn message(&self) -> Result<Bytes, Failure> {
        let path = self
            .eml
            .as_ref()
            .ok_or_else(|| Failure::usage("this hook needs --eml"))?;
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)
                .map_err(Failure::failed)?;
            return Ok(bytes.into());
        }
        std::fs::read(path)
            .map(Bytes::from)
            .map_err(|e| Failure::failed(format_args!("{}: {e}", path.display())))
    }

    /// What is given, else what the fields say, else somebody.
    fn envelope(&self, message: &Message) -> Result<Envelope, Failure> {
        let first = |name: &str| {
            message
                .header(name)
                .and_then(|text| words::addresses(&text).into_iter().next())
        };
        let from = match &self.from {
            Some(text) => text.parse().map_err(Failure::usage)?,
            None => first("From").map_or(ReversePath::Null, ReversePath::Mailbox),
        };
        let mut envelope = Envelope::new(from);
        for text in &self.to {
            let mailbox = Mailbox::parse(text).map_err(Failure::usage)?;
            envelope.recipients.push(Recipient::new(mailbox));
        }
        if self.to.is_empty() {
            let found = message
                .header("To")
                .map(|text| words::addresses(&text))
                .unwrap_or_default();
            envelope.recipients = found.into_iter().map(Recipient::new).collect();
        }
        if envelope.recipients.is_empty() {
            envelope.recipients.push(Recipient::new(words::somebody()));
        }
        Ok(envelope)
    }
}

fn start(
    component: Component,
    settings: PluginSettings,
    public_url: &str,
) -> Result<Plugins, Failure> {
    let mut all = Settings::new(super::cache_dir());
    // An author runs what does not pass yet.
    all.own_tests = false;
    let name: Arc<str> = component.name.as_str().into();
    // The command ends before anybody would miss the memory.
    let bytes: &'static [u8] = component.bytes.leak();
    all.bundled = vec![Bundled { name, bytes }];
    all.plugins.insert(component.name, settings);
    all.public_url = Some(public_url.trim_end_matches('/').into());
    Plugins::start(all, super::services()).map_err(Failure::failed)
}

fn sitting(plugins: &Plugins) -> Sitting {
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let session = Session::new("session", "run", address);
    let mut sitting = Sitting::session(plugins.generation(), Arc::new(session)).transaction();
    sitting.set_message_id("message".into());
    sitting
}

/// A reply as a line of the input tells it.
struct Asked {
    attempt: Attempt,
    stage: Stage,
    reply: baton_hooks::RemoteReply,
    /// What was given, but could not be used.
    doubts: Vec<String>,
}

/// An attempt of which nothing is known but whom it was for and where.
fn attempt(recipient: Mailbox, host: Option<String>) -> Attempt {
    Attempt {
        message: "message".into(),
        sender: ReversePath::Null,
        account: None,
        site: recipient.domain().as_str().into(),
        recipient,
        host: host.map(Arc::from),
        egress: None,
        number: 1,
        age: Duration::ZERO,
    }
}
