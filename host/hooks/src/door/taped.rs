//! The host functions whose answers a repetition could not find out by itself, with a tape around them: where one plays it
//! answers, where one records it keeps the answer, and mostly there is none.
//!
//! A tape stands above the grants, so that a repetition hears the same refusals; what it does not know is asked below it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;
use serde_json::{Value, json};

use super::Met;
use crate::guest::Guest;
use crate::services::{DnsError, HttpError, HttpRequest, HttpResponse, KvError, SubmitError};
use crate::trial::tape::Tape;

impl Guest {
    /// The tape of this call, if there is one.
    pub(super) fn tape(&self) -> Option<Tape> {
        self.desk.as_ref()?.tape.clone()
    }

    fn is_taped(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.tape.is_some())
    }

    fn played<T: Taped>(&mut self, name: &str, asked: &Value) -> Met<Option<T>> {
        let answer = self.tape().and_then(|tape| tape.answer(name, asked));
        let Some(answer) = answer.as_ref().and_then(T::read) else {
            return Ok(None);
        };
        self.enter()?;
        Ok(Some(answer))
    }

    fn kept<T: Taped>(&self, name: &str, asked: Value, answer: &T) {
        if let Some(tape) = self.tape() {
            tape.keep(name, asked, answer.write());
        }
    }
}

/// A function of [`Guest`] by its name on the tape, with its arguments as they stand there.
macro_rules! taped {
    ($(fn $name:ident as $word:literal is $now:ident($($arg:ident: $type:ty = $shown:expr),*) -> $answer:ty;)*) => {
        impl Guest {
            $(pub fn $name(&mut self, $($arg: $type),*) -> Met<$answer> {
                if !self.is_taped() {
                    return self.$now($($arg),*);
                }
                let asked = json!([$($shown),*]);
                if let Some(said) = self.played($word, &asked)? {
                    return Ok(said);
                }
                let said = self.$now($($arg),*)?;
                self.kept($word, asked, &said);
                Ok(said)
            })*
        }
    };
    ($(async fn $name:ident as $word:literal is $now:ident($($arg:ident: $type:ty = $shown:expr),*) -> $answer:ty;)*) => {
        impl Guest {
            $(pub async fn $name(&mut self, $($arg: $type),*) -> Met<$answer> {
                if !self.is_taped() {
                    return self.$now($($arg),*).await;
                }
                let asked = json!([$($shown),*]);
                if let Some(said) = self.played($word, &asked)? {
                    return Ok(said);
                }
                let said = self.$now($($arg),*).await?;
                self.kept($word, asked, &said);
                Ok(said)
            })*
        }
    };
}

taped! {
    fn property as "property" is property_now(name: &str = name) -> Option<Arc<str>>;
    fn kv_get as "kv.get" is kv_get_now(key: &str = key) -> Result<Option<Bytes>, KvError>;
    fn kv_set as "kv.set" is kv_set_now(key: &str = key, value: Bytes = octets(&value), ttl: Option<u32> = ttl)
        -> Result<(), KvError>;
    fn kv_set_if_absent as "kv.set-if-absent"
        is kv_set_if_absent_now(key: &str = key, value: Bytes = octets(&value), ttl: Option<u32> = ttl)
        -> Result<bool, KvError>;
    fn kv_delete as "kv.delete" is kv_delete_now(key: &str = key) -> Result<bool, KvError>;
    fn kv_keys as "kv.keys" is kv_keys_now(prefix: &str = prefix, after: Option<&str> = after, limit: u32 = limit)
        -> Result<Vec<String>, KvError>;
    fn kv_increment as "kv.increment" is kv_increment_now(key: &str = key, by: i32 = by, ttl: Option<u32> = ttl)
        -> Result<f64, KvError>;
    fn kv_take as "kv.take"
        is kv_take_now(key: &str = key, tokens: f64 = tokens, per_second: f64 = per_second, burst: f64 = burst)
        -> Result<bool, KvError>;
    fn now_ms as "clock.now" is now_ms_now() -> f64;
    fn monotonic_ms as "clock.monotonic" is monotonic_ms_now() -> f64;
    fn random as "random" is random_now(count: u32 = count) -> Vec<u8>;
}

taped! {
    async fn dns_texts as "dns.texts" is dns_texts_now(name: &str = name) -> Result<Vec<String>, DnsError>;
    async fn dns_addresses as "dns.addresses" is dns_addresses_now(name: &str = name) -> Result<Vec<String>, DnsError>;
    async fn dns_mail_exchangers as "dns.mail-exchangers" is dns_mail_exchangers_now(name: &str = name)
        -> Result<Vec<(u16, String)>, DnsError>;
    async fn dns_names as "dns.names" is dns_names_now(ip: &str = ip) -> Result<Vec<String>, DnsError>;
    async fn dns_listed as "dns.listed" is dns_listed_now(zone: &str = zone, subject: &str = subject)
        -> Result<Option<String>, DnsError>;
    async fn http_send as "http.send"
        is http_send_now(
            request: HttpRequest = shown_request(&request), timeout_ms: u32 = timeout_ms, with_message: bool = with_message)
        -> Result<HttpResponse, HttpError>;
    async fn submit as "submit"
        is submit_now(
            sender: ReversePath = sender.to_string(), recipients: Vec<Mailbox> = shown_mailboxes(&recipients),
            message: Bytes = octets(&message))
        -> Result<String, SubmitError>;
}

/// Bytes as text where they are, so that a person can read them.
pub(crate) fn octets(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// What [`octets`] wrote.
pub(crate) fn read_octets(value: &Value) -> Option<Bytes> {
    match value {
        Value::String(text) => Some(text.clone().into()),
        other => STANDARD
            .decode(other.get("base64")?.as_str()?)
            .ok()
            .map(Bytes::from),
    }
}

fn shown_request(request: &HttpRequest) -> Value {
    json!({
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "body": octets(&request.body),
    })
}

fn shown_mailboxes(mailboxes: &[Mailbox]) -> Vec<String> {
    mailboxes.iter().map(Mailbox::to_string).collect()
}

/// An answer on a tape. What cannot be read back is as good as not there.
trait Taped: Sized {
    fn write(&self) -> Value;
    fn read(value: &Value) -> Option<Self>;
}

impl<T: Taped, E: Word> Taped for Result<T, E> {
    fn write(&self) -> Value {
        match self {
            Ok(value) => json!({ "ok": value.write() }),
            Err(error) => json!({ "err": error.word() }),
        }
    }

    fn read(value: &Value) -> Option<Self> {
        match value.get("ok") {
            Some(ok) => T::read(ok).map(Ok),
            None => E::of_word(value.get("err")?.as_str()?).map(Err),
        }
    }
}

impl<T: Taped> Taped for Option<T> {
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::read(other).map(Some),
        }
    }
}

macro_rules! taped_values {
    ($($type:ty: $self:ident => $write:expr, $value:ident => $read:expr;)*) => {
        $(impl Taped for $type {
            fn write(&$self) -> Value {
                $write
            }

            fn read($value: &Value) -> Option<Self> {
                $read
            }
        })*
    };
}

taped_values! {
    (): self => json!(true), value => value.as_bool().map(drop);
    bool: self => json!(self), value => value.as_bool();
    f64: self => json!(self), value => value.as_f64();
    Arc<str>: self => json!(&**self), value => value.as_str().map(Arc::from);
    String: self => json!(self), value => value.as_str().map(str::to_owned);
    Bytes: self => octets(self), value => read_octets(value);
    Vec<u8>: self => json!(STANDARD.encode(self)), value => STANDARD.decode(value.as_str()?).ok();
    Vec<String>: self => json!(self), value => serde_json::from_value(value.clone()).ok();
    Vec<(u16, String)>: self => json!(self), value => serde_json::from_value(value.clone()).ok();
}

impl Taped for HttpResponse {
    fn write(&self) -> Value {
        json!({ "status": self.status, "headers": self.headers, "body": octets(&self.body) })
    }

    fn read(value: &Value) -> Option<Self> {
        Some(HttpResponse {
            status: u16::try_from(value.get("status")?.as_u64()?).ok()?,
            headers: serde_json::from_value(value.get("headers")?.clone()).ok()?,
            body: read_octets(value.get("body")?)?,
        })
    }
}

/// An error as the contract writes it.
trait Word: Sized {
    fn word(&self) -> String;
    fn of_word(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),* })*) => {
        $(impl Word for $type {
            fn word(&self) -> String {
                match self {
                    $($type::$variant => $word.to_owned(),)*
                }
            }

            fn of_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($type::$variant),)*
                    _ => None,
                }
            }
        })*
    };
}

words! {
    KvError { NotGranted = "not-granted", TooLarge = "too-large", Quota = "quota", Unavailable = "unavailable" }
    DnsError {
        NotGranted = "not-granted", NoSuchName = "no-such-name", NoData = "no-data", Timeout = "timeout",
        Failed = "failed", Budget = "budget"
    }
    HttpError {
        NotGranted = "not-granted", Dns = "dns", Connect = "connect", Tls = "tls", Timeout = "timeout",
        TooLarge = "too-large", Protocol = "protocol", Budget = "budget"
    }
}

impl Word for SubmitError {
    fn word(&self) -> String {
        match self {
            SubmitError::NotGranted => "not-granted".into(),
            SubmitError::TooLarge => "too-large".into(),
            SubmitError::Invalid(why) => format!("invalid {why}"),
            SubmitError::Full => "full".into(),
            SubmitError::Loop => "loop".into(),
        }
    }

    fn of_word(word: &str) -> Option<SubmitError> {
        Some(match word {
            "not-granted" => SubmitError::NotGranted,
            "too-large" => SubmitError::TooLarge,
            "full" => SubmitError::Full,
            "loop" => SubmitError::Loop,
            other => SubmitError::Invalid(other.strip_prefix("invalid ")?.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: Taped + PartialEq + std::fmt::Debug>(answer: T) {
        let line = answer.write().to_string();
        assert_eq!(T::read(&serde_json::from_str(&line).unwrap()), Some(answer));
    }

    #[test]
    fn every_answer_comes_back_from_the_tape_as_it_was() {
        back(Ok::<_, KvError>(Some(Bytes::from_static(b"text"))));
        back(Ok::<_, KvError>(Some(Bytes::from_static(b"\xff\x00"))));
        back(Ok::<Option<Bytes>, KvError>(None));
        back(Err::<(), _>(KvError::Quota));
        back(Ok::<(), KvError>(()));
        back(Ok::<bool, KvError>(false));
        back(vec![1u8, 255, 0]);
        back(1_785_000_000_123.0);
        back(0.000_130_999_999_999_999_99);
        back(Ok::<_, DnsError>(vec![(10u16, "mx.test".to_owned())]));
        back(Err::<Option<String>, _>(DnsError::NoSuchName));
        back(Ok::<_, HttpError>(HttpResponse {
            status: 200,
            headers: vec![("a".into(), "b".into())],
            body: Bytes::from_static(b"\xf0"),
        }));
        back(Err::<String, _>(SubmitError::Invalid(
            "no recipients".into(),
        )));
        back(Err::<String, _>(SubmitError::Loop));
    }
}
