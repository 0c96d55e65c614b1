//! Keys that sign tokens. Each has an id, which the tokens carry, so that a new key can take over while links that were sent
//! with the old one still work.

use baton_sdk::prelude::*;

const KEY_BYTES: u32 = 32;
const KEY_ID_BYTES_MAX: usize = 16;

/// Whether the text may be the id of a key.
pub fn is_id(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=KEY_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good)
}

/// The key that signs; made and kept at its first use where no secret stands for it.
pub fn signing(id: &str, secret: Option<&String>) -> Result<Vec<u8>> {
    if let Some(secret) = secret {
        return from_secret(secret);
    }
    let name = stored_name(id);
    if let Some(key) = kv::get_string(&name)? {
        return Ok(key.into_bytes());
    }
    // Of two transactions at once, the first one's key holds for both.
    kv::set_if_absent(&name, &random::hex(KEY_BYTES), None)?;
    match kv::get_string(&name)? {
        Some(key) => Ok(key.into_bytes()),
        None => bail!("the signing key `{id}` was written and is not there"),
    }
}

/// The key of a token that came back; nothing where this relay never had it.
pub fn verifying(id: &str, secret: Option<&String>) -> Result<Option<Vec<u8>>> {
    match secret {
        Some(secret) => from_secret(secret).map(Some),
        None => Ok(kv::get_string(&stored_name(id))?.map(String::into_bytes)),
    }
}

fn from_secret(name: &str) -> Result<Vec<u8>> {
    let secret = config::secret(name)?;
    if secret.len() < 16 {
        bail!("secret `{name}` is shorter than 16 bytes, too short for a key");
    }
    Ok(secret.into_bytes())
}

fn stored_name(id: &str) -> String {
    format!("key.{id}")
}
