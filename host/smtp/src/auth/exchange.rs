//! The lines of an authentication exchange.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Credentials, Mechanism};

/// The server's side of one exchange.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// PLAIN: waits for its one message.
    Plain,
    /// LOGIN: waits for the name.
    LoginName,
    /// LOGIN: waits for the secret of this name.
    LoginSecret(String),
}

/// What the server does next.
pub(crate) enum Step {
    /// Say 334 with this text, which is base64 already.
    Challenge(Exchange, &'static str),
    /// Everything is there.
    Done(Credentials),
    /// The line cannot be what was asked for.
    Malformed,
    /// `*`: the client wants no more (RFC 4954 section 4).
    Cancelled,
}

/// "Username:" and "Password:", which clients expect letter by letter.
const ASK_NAME: &str = "VXNlcm5hbWU6";
const ASK_SECRET: &str = "UGFzc3dvcmQ6";

impl Exchange {
    /// Begins, with the initial response where the client gave one.
    pub(crate) fn begin(mechanism: Mechanism, initial: Option<&str>) -> Step {
        let (exchange, challenge) = match mechanism {
            Mechanism::Plain => (Exchange::Plain, ""),
            Mechanism::Login => (Exchange::LoginName, ASK_NAME),
        };
        match initial {
            None => Step::Challenge(exchange, challenge),
            // "=" is the empty response, which "" could not say (RFC 4954 section 4).
            Some("=") => exchange.line(""),
            Some("*") => Step::Malformed,
            Some(line) => exchange.line(line),
        }
    }

    /// Takes the client's answer to a challenge.
    pub(crate) fn line(self, line: &str) -> Step {
        if line == "*" {
            return Step::Cancelled;
        }
        let Some(text) = decode(line) else {
            return Step::Malformed;
        };
        match self {
            Exchange::Plain => plain(&text).map_or(Step::Malformed, Step::Done),
            Exchange::LoginName => match printable(&text) {
                true => Step::Challenge(Exchange::LoginSecret(text), ASK_SECRET),
                false => Step::Malformed,
            },
            Exchange::LoginSecret(identity) => {
                if text.contains('\0') {
                    return Step::Malformed;
                }
                Step::Done(Credentials {
                    identity,
                    secret: text,
                })
            }
        }
    }
}

/// The client's initial response for PLAIN.
pub(crate) fn client_initial(credentials: &Credentials) -> String {
    STANDARD.encode(format!(
        "\0{}\0{}",
        credentials.identity, credentials.secret
    ))
}

/// The client's answer to the `asked`th challenge of LOGIN, counted from 0; `None` where there is
/// nothing left to say.
pub(crate) fn client_login(credentials: &Credentials, asked: usize) -> Option<String> {
    match asked {
        0 => Some(STANDARD.encode(&credentials.identity)),
        1 => Some(STANDARD.encode(&credentials.secret)),
        _ => None,
    }
}

fn decode(line: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(line).ok()?).ok()
}

/// authzid NUL authcid NUL passwd (RFC 4616 section 2).
fn plain(text: &str) -> Option<Credentials> {
    let mut parts = text.split('\0');
    let (authorise, identity, secret) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || secret.is_empty() || !printable(identity) {
        return None;
    }
    if !authorise.is_empty() && authorise != identity {
        return None;
    }
    Some(Credentials {
        identity: identity.to_owned(),
        secret: secret.to_owned(),
    })
}

/// A name goes into logs and to plugins, so it holds no control characters.
fn printable(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}
