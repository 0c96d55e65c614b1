//! `baton record`: hook calls of a running relay, in a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Failure;
use super::api::Api;

#[derive(Debug, clap::Args)]
pub struct Record {
    /// The file, "-" for standard output. It holds mail: only its owner can read it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Share of the sessions, such as 5%.
    #[arg(long, value_name = "SHARE", default_value = "100%", value_parser = percent)]
    share: f64,
    /// Only sessions of this listener.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Only sessions with this sender: an address or a domain.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Only sessions with this recipient: an address or a domain.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// End after so many sessions.
    #[arg(long, value_name = "NUMBER")]
    sessions: Option<u32>,
    /// End after so many seconds.
    #[arg(long, value_name = "NUMBER")]
    seconds: Option<u64>,
    /// What is replaced, always alike: addresses (local parts and the names beside them), bodies (letters and digits, of
    /// subjects too).
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    redact: Vec<What>,
    #[command(flatten)]
    api: Api,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Addresses,
    Bodies,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("a share is written as 5%".into()),
    }
}

impl Record {
    pub fn run(self) -> Result<(), Failure> {
        let mut out = self.open()?;
        let seconds = self.seconds.map(Duration::from_secs);
        let end = async move {
            let time = async move {
                match seconds {
                    Some(seconds) => tokio::time::sleep(seconds).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let mut lines = 0u64;
        let take = |bytes: &[u8]| {
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            out.write_all(bytes)
        };
        self.api.stream(&self.path(), take, end)?;
        out.flush().map_err(Failure::failed)?;
        eprintln!("{lines} lines");
        Ok(())
    }

    fn open(&self) -> Result<Box<dyn Write>, Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(Box::new(std::io::stdout()));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&self.file)
            .map_err(|e| Failure::failed(format_args!("{}: {e}", self.file.display())))?;
        Ok(Box::new(file))
    }

    fn path(&self) -> String {
        let mut path = format!("/record?share={}", self.share);
        for (key, value) in [
            ("listener", &self.listener),
            ("sender", &self.from),
            ("recipient", &self.to),
        ] {
            if let Some(value) = value {
                let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
                path += &format!("&{key}={value}");
            }
        }
        if let Some(sessions) = self.sessions {
            path += &format!("&sessions={sessions}");
        }
        for (what, key) in [
            (What::Addresses, "redact_addresses"),
            (What::Bodies, "redact_bodies"),
        ] {
            if self.redact.contains(&what) {
                path += &format!("&{key}=true");
            }
        }
        path
    }
}
