//! `baton doctor`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Failure, print, runtime};
use crate::config::{Config, host_name};
use crate::dns::Resolver;
use crate::doctor::{Finding, Verdict, examine};
use crate::outbound::sts::Sts;
use crate::services::http::HttpClient;
use crate::tls::ClientTls;

/// Lists that many receivers ask.
const LISTS: [&str; 3] = [
    "zen.spamhaus.org",
    "bl.spamcop.net",
    "b.barracudacentral.org",
];

#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// A block list to ask instead of the usual ones; several are allowed.
    #[arg(long, value_name = "ZONE", value_parser = host_name)]
    block_list: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub fn run(self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(Failure::usage)?;
        let lists = match self.block_list.is_empty() {
            true => LISTS.map(str::to_owned).to_vec(),
            false => self.block_list,
        };
        let findings = runtime()?.block_on(async {
            let resolver = Resolver::new(&config.dns).map_err(Failure::failed)?;
            let http = HttpClient {
                resolver: resolver.clone(),
                tls: ClientTls::new(config.delivery.ca_file.as_deref()).map_err(Failure::failed)?,
                families: config.delivery.families,
            };
            let port = config.delivery.mta_sts_port;
            let policies = Sts::open(resolver.clone(), http, port, &config.state);
            Ok(examine(&config, &resolver, &policies, &lists).await)
        })?;
        if self.json {
            print(Value::Array(findings.iter().map(as_json).collect()));
        } else {
            for finding in &findings {
                print_line(finding);
            }
        }
        let wrong = findings.iter().filter(|one| one.verdict == Verdict::Wrong);
        match wrong.count() {
            0 => Ok(()),
            1 => Err(Failure::failed("1 thing is wrong")),
            count => Err(Failure::failed(format_args!("{count} things are wrong"))),
        }
    }
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "check": finding.check, "subject": finding.subject, "verdict": finding.verdict.name(),
        "message": finding.message, "fix": finding.fix,
    })
}

fn print_line(finding: &Finding) {
    let word = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Skipped => "skipped",
        Verdict::Warning => "warning",
        Verdict::Wrong => "WRONG",
    };
    let Finding {
        check,
        subject,
        message,
        ..
    } = finding;
    print(format_args!("{word:8}{check:12} {subject}: {message}"));
    if let Some(fix) = &finding.fix {
        print(format_args!("{:21}-> {fix}", ""));
    }
}
