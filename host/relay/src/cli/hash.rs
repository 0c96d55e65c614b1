//! `baton hash-password`.

use std::io::{BufRead, IsTerminal};

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::{Failure, print};
use crate::config::hash_password;

#[derive(Debug, clap::Args)]
pub struct HashPassword {
    /// Make a new token for [[http.token]] instead, and print it with its hash.
    #[arg(long)]
    token: bool,
}

impl HashPassword {
    /// The password comes from standard input, so that it stands in no list of processes and no history.
    pub fn run(self) -> Result<(), Failure> {
        if self.token {
            let bytes: [u8; 24] = rand::random();
            let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
            print(format_args!("token:  {token}"));
            print(format_args!(
                "sha256: {}",
                hex(&Sha256::digest(token.as_bytes()))
            ));
            return Ok(());
        }
        if std::io::stdin().is_terminal() {
            eprintln!("Password (it will be shown):");
        }
        let mut password = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut password)
            .map_err(Failure::failed)?;
        let password = password.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(Failure::usage("the password is empty"));
        }
        print(hash_password(password.as_bytes(), rand::random()).map_err(Failure::failed)?);
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
