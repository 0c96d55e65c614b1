//! `baton plugin kv`: what a plugin of a running relay remembers, through the relay's API.

use axum::http::Method;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::{Failure, print};

#[derive(Debug, clap::Subcommand)]
pub enum Kv {
    /// Print the value of a key.
    Get {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        api: Api,
    },
    /// Set a key; done when it is durable.
    Set {
        #[command(flatten)]
        key: Key,
        /// The value; "-" reads it from standard input.
        value: String,
        /// Forget it after so many seconds.
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u32>,
        #[command(flatten)]
        api: Api,
    },
    /// Forget a key.
    Delete {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        api: Api,
    },
    /// List keys, in order.
    List {
        /// Name of the plugin.
        name: String,
        /// Only keys that begin so.
        #[arg(default_value = "")]
        prefix: String,
        #[arg(long, default_value_t = 1000)]
        limit: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        api: Api,
    },
}

#[derive(Debug, clap::Args)]
pub struct Key {
    /// Name of the plugin.
    name: String,
    key: String,
}

impl Key {
    fn path(&self) -> String {
        format!("/plugins/{}/kv/{}", encoded(&self.name), encoded(&self.key))
    }
}

impl Kv {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Kv::Get { key, api } => {
                let row = api.get(&key.path())?;
                match row["value"].as_str() {
                    Some(text) => print(text),
                    None => print(row),
                }
                Ok(())
            }
            Kv::Set {
                key,
                value,
                ttl,
                api,
            } => {
                let value = match value.as_str() {
                    "-" => std::io::read_to_string(std::io::stdin()).map_err(Failure::failed)?,
                    _ => value,
                };
                let body = json!({ "value": value, "ttl_seconds": ttl });
                api.call(Method::PUT, &key.path(), Some(body)).map(drop)
            }
            Kv::Delete { key, api } => api.call(Method::DELETE, &key.path(), None).map(drop),
            Kv::List {
                name,
                prefix,
                limit,
                json,
                api,
            } => {
                let (name, prefix) = (encoded(&name), encoded(&prefix));
                let keys = api.get(&format!("/plugins/{name}/kv?prefix={prefix}&limit={limit}"))?;
                if json {
                    print(keys);
                    return Ok(());
                }
                for key in keys.as_array().into_iter().flatten() {
                    print(
                        key.as_str()
                            .map_or_else(|| Value::to_string(key), str::to_owned),
                    );
                }
                Ok(())
            }
        }
    }
}

/// As one segment of a path or one value of a query; a slash stays what it is.
fn encoded(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'/');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_path_whatever_it_holds() {
        let key = Key {
            name: "routing".into(),
            key: "alias/ann+x@e.test?a#b".into(),
        };
        assert_eq!(
            key.path(),
            "/plugins/routing/kv/alias/ann%2Bx%40e.test%3Fa%23b"
        );
    }
}
