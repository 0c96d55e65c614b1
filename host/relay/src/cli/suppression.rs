//! `baton suppression`: the list of addresses that nothing is sent to, of a running relay, through its API.

use std::io::Read;
use std::path::PathBuf;

use axum::http::Method;
use serde_json::{Value, json};

use super::api::Api;
use super::{Failure, print};

#[derive(Debug, clap::Subcommand)]
pub enum Suppression {
    /// List addresses that nothing is sent to.
    List {
        /// Only this account's list.
        #[arg(long)]
        account: Option<String>,
        /// Only for this cause: bounce, soft-bounce, complaint, unsubscribe, manual.
        #[arg(long)]
        cause: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        api: Api,
    },
    /// Send nothing more to an address.
    Add {
        address: String,
        /// For this account's mail; without it for everybody's.
        #[arg(long)]
        account: Option<String>,
        /// Why, for the others.
        #[arg(long)]
        reason: Option<String>,
        /// For so many days; without it for ever.
        #[arg(long)]
        days: Option<u32>,
        #[command(flatten)]
        api: Api,
    },
    /// Send to an address again.
    Remove {
        address: String,
        /// From this account's list; without it from everybody's.
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        api: Api,
    },
    /// Write the whole list to standard output.
    Export {
        #[arg(long, default_value = "csv", value_parser = ["csv", "json"])]
        format: String,
        /// Only this account's list.
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        api: Api,
    },
    /// Put the rows of a file on the list: what `export` writes, or an address a line. All of them or none.
    Import {
        /// A file, or - for standard input. A name that ends in .json is JSON, everything else CSV.
        file: PathBuf,
        /// For this account's mail, where a row does not say.
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        api: Api,
    },
}

impl Suppression {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Suppression::List {
                account,
                cause,
                limit,
                json,
                api,
            } => {
                let query = query(&[
                    ("account", account),
                    ("cause", cause),
                    ("limit", Some(limit.to_string())),
                ]);
                list(&api.get(&format!("/suppression{query}"))?, json);
                Ok(())
            }
            Suppression::Add {
                address,
                account,
                reason,
                days,
                api,
            } => {
                let mut new = json!({ "address": address });
                if let Some(account) = account {
                    new["account"] = account.into();
                }
                if let Some(reason) = reason {
                    new["reason"] = reason.into();
                }
                if let Some(days) = days {
                    new["expires_seconds"] = (u64::from(days) * 86_400).into();
                }
                api.call(Method::POST, "/suppression", Some(new))
                    .map(|_| ())
            }
            Suppression::Remove {
                address,
                account,
                api,
            } => {
                let path = format!(
                    "/suppression/{}{}",
                    escaped(&address),
                    query(&[("account", account)])
                );
                api.call(Method::DELETE, &path, None).map(|_| ())
            }
            Suppression::Export {
                format,
                account,
                api,
            } => {
                let query = query(&[("format", Some(format)), ("account", account)]);
                let text = api.text(Method::GET, &format!("/suppression/export{query}"), None)?;
                print(text.trim_end());
                Ok(())
            }
            Suppression::Import { file, account, api } => import(&file, account, &api),
        }
    }
}

fn import(file: &PathBuf, account: Option<String>, api: &Api) -> Result<(), Failure> {
    let mut text = String::new();
    let shown = file.display();
    let done = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(file).map(|read| text = read),
    };
    done.map_err(|error| Failure::failed(format_args!("{shown}: {error}")))?;
    let is_json = file.extension().is_some_and(|end| end == "json");
    let kind = if is_json {
        "application/json"
    } else {
        "text/csv"
    };
    let path = format!("/suppression/import{}", query(&[("account", account)]));
    let answer = api.text(Method::POST, &path, Some((kind, text)))?;
    let answer: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
    print(format_args!("imported {}", answer["imported"]));
    Ok(())
}

fn list(rows: &Value, as_json: bool) {
    if as_json {
        return print(rows);
    }
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    for row in rows.as_array().into_iter().flatten() {
        let line = format!(
            "{:<40} {:<16} {:<12} {:<25} {}",
            text(&row["address"]),
            row["account"].as_str().unwrap_or("-"),
            text(&row["cause"]),
            text(&row["created"]),
            text(&row["reason"]),
        );
        print(line.trim_end());
    }
}

/// The part of a URL behind the path.
fn query(pairs: &[(&str, Option<String>)]) -> String {
    let given = pairs
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", escaped(value.as_ref()?))));
    let given: Vec<String> = given.collect();
    match given.is_empty() {
        true => String::new(),
        false => format!("?{}", given.join("&")),
    }
}

fn escaped(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().fold(String::new(), |mut out, byte| {
        match plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_url_is_escaped() {
        let pairs = [("account", Some("a&b".to_owned())), ("cause", None)];
        assert_eq!(query(&pairs), "?account=a%26b");
        assert_eq!(
            escaped("o'neil+x@\u{fc}.test"),
            "o%27neil%2Bx%40%C3%BC.test"
        );
        assert_eq!(query(&[]), "");
    }
}
