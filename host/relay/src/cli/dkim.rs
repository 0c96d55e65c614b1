//! `baton dkim`: keys for signatures, and what the DNS says of them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use baton_sign::{Key, generate, record};
use serde_json::{Value, json};

use super::{Failure, print, runtime};
use crate::config::{Config, DkimKey};
use crate::dns::Resolver;
use crate::signing::published;

#[derive(Debug, clap::Subcommand)]
pub enum Dkim {
    /// Make a key, and print what to publish and to configure.
    New(New),
    /// Print the records of the configured keys, as zone files have them.
    Show(Show),
    /// Compare the configured keys with what is published. Exit codes: 0 all can be verified; 1 some cannot.
    Check(Check),
}

#[derive(Debug, clap::Args)]
pub struct New {
    /// The domain in From that the key signs for.
    #[arg(long)]
    domain: String,
    /// Name of the key. The default is the year and month.
    #[arg(long)]
    selector: Option<String>,
    /// Make an Ed25519 key instead of RSA. Few verifiers know it: let one of RSA sign as well.
    #[arg(long)]
    ed25519: bool,
    /// Make an RSA key of so many bits.
    #[arg(
        long,
        value_name = "BITS",
        default_value_t = 2048,
        conflicts_with = "ed25519"
    )]
    rsa: usize,
    /// Folder of the key.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Show {
    /// The configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Check {
    /// The configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Dkim {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Dkim::New(new) => new.run(),
            Dkim::Show(show) => show.run(),
            Dkim::Check(check) => check.run(),
        }
    }
}

impl New {
    fn run(self) -> Result<(), Failure> {
        let host_name = |text: &str| crate::config::host_name(text).map_err(Failure::usage);
        let domain = host_name(&self.domain)?;
        let kind = if self.ed25519 { "ed" } else { "" };
        let month = crate::clock::now().rfc3339()[..7].replace('-', "");
        let selector = host_name(&self.selector.unwrap_or(format!("b{month}{kind}")))?;
        let pem = match self.ed25519 {
            true => generate::ed25519().map_err(Failure::failed)?,
            false => generate::rsa(self.rsa).map_err(Failure::usage)?,
        };
        let key = Key::from_pem(pem.as_bytes()).map_err(Failure::failed)?;
        let file = self.out.join(format!("{domain}.{selector}.pem"));
        write(&file, pem.as_bytes())?;
        let (name, text) = (record::name(&selector, &domain), key.record());
        let shown = file.display().to_string();
        if self.json {
            print(json!({
                "file": shown, "domain": domain, "selector": selector, "algorithm": key.algorithm().name(),
                "record": { "name": name, "type": "TXT", "text": text },
            }));
            return Ok(());
        }
        print(format_args!(
            "The key is in {shown}. Publish this record:\n\n{name}. IN TXT {}\n\n\
             and then add to the configuration:\n\n[[dkim.key]]\ndomain = {domain:?}\nselector = {selector:?}\nfile = {shown:?}",
            record::quoted(&text)
        ));
        Ok(())
    }
}

/// A new file that nobody else can read; one that is there is left alone.
fn write(file: &Path, pem: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format_args!("cannot write {}: {error}", file.display()));
    let mut options = std::fs::OpenOptions::new();
    let mut opened = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    opened.write_all(pem).map_err(failed)?;
    opened.sync_all().map_err(failed)
}

fn load(file: &Path) -> Result<(Config, Vec<(DkimKey, Key)>), Failure> {
    let config = Config::load(file).map_err(Failure::usage)?;
    let mut keys = Vec::new();
    for key in &config.dkim.keys {
        let read = Key::read(&key.file).map_err(Failure::usage)?;
        keys.push((key.clone(), read));
    }
    if keys.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} names no key: add [[dkim.key]]; `baton dkim new` makes one",
            file.display()
        )));
    }
    Ok((config, keys))
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let (_, keys) = load(&self.config)?;
        let records = keys
            .iter()
            .map(|(at, key)| (record::name(&at.selector, &at.domain), key.record()));
        if self.json {
            let list =
                records.map(|(name, text)| json!({ "name": name, "type": "TXT", "text": text }));
            print(Value::Array(list.collect()));
            return Ok(());
        }
        for (name, text) in records {
            print(format_args!("{name}. IN TXT {}", record::quoted(&text)));
        }
        Ok(())
    }
}

impl Check {
    fn run(self) -> Result<(), Failure> {
        let (config, keys) = load(&self.config)?;
        let found = runtime()?.block_on(async {
            let resolver = Resolver::new(&config.dns).map_err(Failure::failed)?;
            let mut found = Vec::new();
            for (at, key) in &keys {
                found.push((at, published(&resolver, at, key).await));
            }
            Ok(found)
        })?;
        let bad = found.iter().filter(|(_, result)| result.is_err()).count();
        if self.json {
            let list = found.iter().map(|(at, result)| {
                json!({
                    "domain": at.domain, "selector": at.selector, "ok": result.is_ok(),
                    "message": result.as_ref().map_or_else(String::clone, String::clone),
                })
            });
            print(Value::Array(list.collect()));
        } else {
            for (at, result) in &found {
                let (Ok(message) | Err(message)) = result;
                let word = if result.is_ok() { "ok" } else { "WRONG" };
                print(format_args!(
                    "{word:5} {}: {message}",
                    record::name(&at.selector, &at.domain)
                ));
            }
        }
        match bad {
            0 => Ok(()),
            count => Err(Failure::failed(format_args!(
                "{count} of {} keys cannot be verified by others; `baton dkim show` prints the records",
                found.len()
            ))),
        }
    }
}
