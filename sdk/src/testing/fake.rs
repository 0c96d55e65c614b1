//! The relay's functions with the signatures that the bindings have, answered by the stand-in's state.

pub mod context {
    use crate::testing::state::with;

    pub fn property(name: &str) -> Option<String> {
        with(|state| state.properties.get(name).cloned())
    }

    pub fn tag(key: &str) -> Option<String> {
        with(|state| state.tags.get(key).cloned())
    }

    pub fn set_tag(key: &str, value: &str) {
        assert!(
            key.len() <= 64 && value.len() <= 1024,
            "tag `{key}` is too long for the relay"
        );
        with(|state| {
            state.tags.insert(key.to_owned(), value.to_owned());
            assert!(state.tags.len() <= 32, "more tags than the relay takes");
        });
    }

    pub fn add_score(symbol: &str, points: f64, why: &str) {
        with(|state| {
            state
                .scores
                .push((symbol.to_owned(), points, why.to_owned()))
        });
    }

    pub fn authentication_results() -> Vec<(String, String)> {
        with(|state| state.authentication.clone())
    }
}

pub mod message {
    use crate::bindings::baton::relay::message::{Error, Field, Part};
    use crate::testing::mime::Message;
    use crate::testing::state::with;

    fn read<T>(work: impl FnOnce(&Message) -> Result<T, Error>) -> Result<T, Error> {
        with(|state| work(state.message.as_ref().ok_or(Error::NoMessage)?))
    }

    fn edit<T>(work: impl FnOnce(&mut Message) -> Result<T, Error>) -> Result<T, Error> {
        with(|state| work(state.message.as_mut().ok_or(Error::NoMessage)?))
    }

    pub fn id() -> String {
        super::context::property("message").unwrap_or_default()
    }

    pub fn size() -> u32 {
        read(|message| Ok(message.raw.len() as u32)).unwrap_or(0)
    }

    pub fn header(name: &str) -> Option<String> {
        read(|message| Ok(message.header(name).map(str::to_owned))).unwrap_or(None)
    }

    pub fn headers() -> Vec<Field> {
        read(|message| Ok(message.fields.clone())).unwrap_or_default()
    }

    pub fn parts() -> Vec<Part> {
        read(|message| Ok(message.parts())).unwrap_or_default()
    }

    pub fn text(part: u32) -> Result<String, Error> {
        read(|message| message.text(part))
    }

    pub fn content(part: u32, offset: u32, length: u32) -> Result<Vec<u8>, Error> {
        read(|message| Ok(slice(message.content(part)?, offset, length)))
    }

    pub fn digest(part: u32) -> Result<String, Error> {
        use sha2::{Digest, Sha256};
        read(|message| {
            let digest = Sha256::digest(message.content(part)?);
            Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
        })
    }

    pub fn raw(offset: u32, length: u32) -> Result<Vec<u8>, Error> {
        read(|message| Ok(slice(&message.raw, offset, length)))
    }

    pub fn find(patterns: &[String]) -> Vec<u32> {
        let texts = texts();
        let occurs = |pattern: &String| {
            texts.iter().any(|text| {
                text.to_ascii_lowercase()
                    .contains(&pattern.to_ascii_lowercase())
            })
        };
        (0..)
            .zip(patterns)
            .filter(|(_, pattern)| occurs(pattern))
            .map(|(index, _)| index)
            .collect()
    }

    /// The relay reads attributes; the stand-in, whatever begins with a scheme.
    pub fn urls() -> Vec<String> {
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
        let mut urls = Vec::new();
        for text in texts() {
            for (start, _) in text.match_indices("http") {
                let rest = &text[start..];
                if rest.starts_with("http://") || rest.starts_with("https://") {
                    urls.push(rest.split(is_end).next().unwrap_or_default().to_owned());
                }
            }
        }
        urls
    }

    fn texts() -> Vec<String> {
        parts()
            .iter()
            .filter_map(|part| text(part.index).ok())
            .collect()
    }

    fn slice(bytes: &[u8], offset: u32, length: u32) -> Vec<u8> {
        let start = (offset as usize).min(bytes.len());
        let end = start.saturating_add(length as usize).min(bytes.len());
        bytes[start..end].to_vec()
    }

    pub fn set_text(part: u32, text: &str) -> Result<(), Error> {
        edit(|message| message.set_text(part, text))
    }

    fn check(name: &str, value: &str) -> Result<(), Error> {
        let name_is_good =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if !name_is_good {
            return Err(Error::Invalid(format!("`{name}` is no field name")));
        }
        if value.contains(char::is_control) {
            return Err(Error::Invalid(
                "a value without control characters is needed".into(),
            ));
        }
        Ok(())
    }

    fn field(name: &str, value: &str) -> Field {
        Field {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    pub fn prepend_header(name: &str, value: &str) -> Result<(), Error> {
        check(name, value)?;
        edit(|message| {
            message.fields.insert(0, field(name, value));
            Ok(())
        })
    }

    pub fn append_header(name: &str, value: &str) -> Result<(), Error> {
        check(name, value)?;
        edit(|message| {
            message.fields.push(field(name, value));
            Ok(())
        })
    }

    pub fn replace_header(name: &str, value: &str) -> Result<(), Error> {
        check(name, value)?;
        edit(|message| {
            let at = message
                .fields
                .iter()
                .position(|field| field.name.eq_ignore_ascii_case(name));
            message
                .fields
                .retain(|field| !field.name.eq_ignore_ascii_case(name));
            let at = at.unwrap_or(message.fields.len());
            message.fields.insert(at, field(name, value));
            Ok(())
        })
    }

    pub fn remove_header(name: &str) -> Result<u32, Error> {
        edit(|message| {
            let before = message.fields.len();
            message
                .fields
                .retain(|field| !field.name.eq_ignore_ascii_case(name));
            Ok((before - message.fields.len()) as u32)
        })
    }
}

pub mod log {
    use crate::bindings::baton::relay::log::Level;
    use crate::testing::state::with;

    pub fn log(level: Level, text: &str) {
        with(|state| state.log.push((level, text.to_owned())));
    }
}

pub mod config {
    use crate::testing::state::with;

    pub fn get(key: &str) -> Option<String> {
        with(|state| {
            let value = state.config.get(key)?;
            Some(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            )
        })
    }

    pub fn json() -> String {
        with(|state| state.config.to_string())
    }

    pub fn secret(name: &str) -> Result<String, String> {
        with(|state| {
            state
                .secrets
                .get(name)
                .cloned()
                .ok_or_else(|| format!("secret `{name}` is not granted"))
        })
    }
}

pub mod kv {
    use crate::bindings::baton::relay::kv::Error;
    use crate::testing::state::{Bucket, State, Value, with};

    fn live(state: &mut State, key: &str) -> Option<Vec<u8>> {
        let value = state.kv.get(key)?;
        if value
            .expires_ms
            .is_some_and(|expires| expires <= state.now_ms)
        {
            state.kv.remove(key);
            return None;
        }
        Some(value.bytes.clone())
    }

    fn put(state: &mut State, key: &str, value: &[u8], ttl_seconds: Option<u32>) {
        let expires_ms = ttl_seconds.map(|ttl| state.now_ms + f64::from(ttl) * 1000.0);
        state.kv.insert(
            key.to_owned(),
            Value {
                bytes: value.to_vec(),
                expires_ms,
            },
        );
    }

    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(with(|state| live(state, key)))
    }

    pub fn get_string(key: &str) -> Result<Option<String>, Error> {
        Ok(get(key)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub fn set(key: &str, value: &[u8], ttl_seconds: Option<u32>) -> Result<(), Error> {
        with(|state| put(state, key, value, ttl_seconds));
        Ok(())
    }

    pub fn set_string(key: &str, value: &str, ttl_seconds: Option<u32>) -> Result<(), Error> {
        set(key, value.as_bytes(), ttl_seconds)
    }

    pub fn set_if_absent(key: &str, value: &str, ttl_seconds: Option<u32>) -> Result<bool, Error> {
        Ok(with(|state| {
            let absent = live(state, key).is_none();
            if absent {
                put(state, key, value.as_bytes(), ttl_seconds);
            }
            absent
        }))
    }

    pub fn delete(key: &str) -> Result<bool, Error> {
        Ok(with(|state| {
            live(state, key).is_some() && state.kv.remove(key).is_some()
        }))
    }

    pub fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        with(|state| {
            let keys: Vec<String> = state.kv.keys().cloned().collect();
            let wanted = keys.into_iter().filter(|key| {
                key.starts_with(prefix)
                    && after.is_none_or(|after| key.as_str() > after)
                    && live(state, key).is_some()
            });
            Ok(wanted.take(limit as usize).collect())
        })
    }

    pub fn increment(key: &str, by: i32, ttl_seconds: Option<u32>) -> Result<f64, Error> {
        with(|state| {
            let old = live(state, key);
            let count = old
                .as_ref()
                .and_then(|old| std::str::from_utf8(old).ok()?.parse::<f64>().ok());
            let count = count.unwrap_or(0.0) + f64::from(by);
            match state.kv.get_mut(key) {
                Some(value) => value.bytes = count.to_string().into_bytes(),
                None => put(state, key, count.to_string().as_bytes(), ttl_seconds),
            }
            Ok(count)
        })
    }

    pub fn take(key: &str, tokens: f64, per_second: f64, burst: f64) -> Result<bool, Error> {
        with(|state| {
            let now_ms = state.now_ms;
            let bucket = state.buckets.entry(key.to_owned()).or_insert(Bucket {
                tokens: burst,
                at_ms: now_ms,
            });
            let refill = (now_ms - bucket.at_ms).max(0.0) / 1000.0 * per_second;
            bucket.tokens = (bucket.tokens + refill).min(burst);
            bucket.at_ms = now_ms;
            let enough = bucket.tokens >= tokens;
            if enough {
                bucket.tokens -= tokens;
            }
            Ok(enough)
        })
    }
}

pub mod clock {
    use crate::testing::state::with;

    pub fn now_ms() -> f64 {
        with(|state| state.now_ms)
    }

    pub fn monotonic_ms() -> f64 {
        with(|state| state.now_ms)
    }
}

/// The same numbers in every run.
pub mod random {
    use crate::testing::state::with;

    pub fn bytes(count: u32) -> Vec<u8> {
        assert!(count <= 1024, "the relay gives at most 1024 bytes at once");
        with(|state| {
            (0..count)
                .map(|_| {
                    state.chance ^= state.chance << 13;
                    state.chance ^= state.chance >> 7;
                    state.chance ^= state.chance << 17;
                    (state.chance >> 32) as u8
                })
                .collect()
        })
    }

    pub fn hex(count: u32) -> String {
        bytes(count)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

pub mod dns {
    use crate::bindings::baton::relay::dns::{Error, Mx};
    use crate::testing::state::with;

    fn ask(kind: &str, name: &str) -> Result<Vec<String>, Error> {
        let key = (kind.to_owned(), name.to_owned());
        with(|state| {
            state
                .dns
                .get(&key)
                .cloned()
                .unwrap_or(Err(Error::NoSuchName))
        })
    }

    pub fn texts(name: &str) -> Result<Vec<String>, Error> {
        ask("TXT", name)
    }

    pub fn addresses(name: &str) -> Result<Vec<String>, Error> {
        ask("A", name)
    }

    pub fn mail_exchangers(name: &str) -> Result<Vec<Mx>, Error> {
        let parse = |answer: String| {
            let (preference, exchange) = answer.split_once(' ')?;
            Some(Mx {
                preference: preference.parse().ok()?,
                exchange: exchange.to_owned(),
            })
        };
        let answers = ask("MX", name)?;
        Ok(answers
            .into_iter()
            .map(|answer| parse(answer).expect("\"10 mx.example\""))
            .collect())
    }

    pub fn names(ip: &str) -> Result<Vec<String>, Error> {
        ask("PTR", ip)
    }

    pub fn listed(zone: &str, ip_or_domain: &str) -> Result<Option<String>, Error> {
        match ask(zone, ip_or_domain) {
            Ok(answers) => Ok(answers.into_iter().next()),
            Err(Error::NoSuchName) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub mod http {
    use crate::bindings::baton::relay::http::Error;
    use crate::testing::state::with;
    use crate::{Request, Response};

    /// The answerer may itself look at the stand-in, so it is taken out while it runs.
    pub fn send(request: &Request, _timeout_ms: u32) -> Result<Response, Error> {
        let mut answer = with(|state| state.http.take()).ok_or(Error::NotGranted)?;
        let response = answer(request);
        with(|state| {
            state.http.get_or_insert(answer);
        });
        Ok(response)
    }

    pub fn send_message(request: &Request, timeout_ms: u32) -> Result<Response, Error> {
        let body = with(|state| state.message.as_ref().map(|message| message.raw.clone()));
        send(
            &Request {
                body: body.unwrap_or_default(),
                ..request.clone()
            },
            timeout_ms,
        )
    }
}

pub mod events {
    use crate::testing::state::with;

    pub fn emit(kind: &str, fields: &[(String, String)]) {
        with(|state| state.events.push((kind.to_owned(), fields.to_vec())));
    }
}

pub mod submit {
    use crate::Mailbox;
    use crate::bindings::baton::relay::submit::Error;
    use crate::testing::state::{Submission, with};

    pub fn submit(
        sender: Option<&Mailbox>,
        recipients: &[Mailbox],
        message: &[u8],
    ) -> Result<String, Error> {
        with(|state| {
            state
                .submitted
                .push(Submission::new(sender, recipients, message));
            Ok(format!("submitted-{}", state.submitted.len()))
        })
    }
}
