//! The imports of this version: thin, they only change types.

use baton_message::PartInfo;
use bytes::Bytes;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Result as Wasm, StoreContextMut};

use super::bindings::Everything;
use super::bindings::baton::relay as r;
use super::check::{checked_mailbox, checked_sender};
use crate::door::DraftError;
use crate::guest::Guest;
use crate::load::hex;
use crate::record::LogLevel;
use crate::services::{DnsError, HttpError, HttpRequest, HttpResponse, KvError, SubmitError};

const MESSAGE: &str = "baton:relay/message@0.1.0";

pub(super) fn link(linker: &mut Linker<Guest>) -> Wasm<()> {
    Everything::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    // Bytes of the message go into the guest without a copy in between.
    linker.allow_shadowing(true);
    let mut message = linker.instance(MESSAGE)?;
    message.func_wrap(
        "raw",
        |mut store: StoreContextMut<'_, Guest>, (at, length): (u32, u32)| {
            Ok((store
                .data_mut()
                .raw(at, length)?
                .map_err(r::message::Error::from),))
        },
    )?;
    message.func_wrap(
        "content",
        |mut store: StoreContextMut<'_, Guest>, (part, at, length): (u32, u32, u32)| {
            Ok((store
                .data_mut()
                .content(part, at, length)?
                .map_err(r::message::Error::from),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn owned<T: AsRef<str>>(text: Option<T>) -> Option<String> {
    text.map(|text| text.as_ref().to_owned())
}

impl r::context::Host for Guest {
    fn property(&mut self, name: String) -> Wasm<Option<String>> {
        Ok(owned(Guest::property(self, &name)?))
    }

    fn tag(&mut self, key: String) -> Wasm<Option<String>> {
        Ok(owned(Guest::tag(self, &key)?))
    }

    fn set_tag(&mut self, key: String, value: String) -> Wasm<()> {
        Ok(Guest::set_tag(self, &key, &value)?)
    }

    fn add_score(&mut self, symbol: String, points: f64, why: String) -> Wasm<()> {
        Ok(Guest::add_score(self, &symbol, points, &why)?)
    }

    fn authentication_results(&mut self) -> Wasm<Vec<(String, String)>> {
        Ok(Guest::authentication_results(self)?)
    }
}

impl From<DraftError> for r::message::Error {
    fn from(error: DraftError) -> r::message::Error {
        match error {
            DraftError::NoMessage => r::message::Error::NoMessage,
            DraftError::NoSuchPart => r::message::Error::NoSuchPart,
            DraftError::NotText => r::message::Error::NotText,
            DraftError::Protected => r::message::Error::Protected,
            DraftError::Invalid(why) => r::message::Error::Invalid(why),
            DraftError::TooLarge => r::message::Error::TooLarge,
            DraftError::ReadOnly => r::message::Error::ReadOnly,
        }
    }
}

fn part(info: PartInfo) -> r::message::Part {
    r::message::Part {
        index: info.index,
        parent: info.parent,
        media_type: info.media_type,
        charset: info.charset,
        disposition: info.disposition,
        filename: info.filename,
        size: u32::try_from(info.size).unwrap_or(u32::MAX),
        editable: info.editable,
    }
}

impl r::message::Host for Guest {
    fn id(&mut self) -> Wasm<String> {
        Ok(self.message_id()?)
    }

    fn size(&mut self) -> Wasm<u32> {
        Ok(self.message_size()?)
    }

    fn header(&mut self, name: String) -> Wasm<Option<String>> {
        Ok(Guest::header(self, &name)?)
    }

    fn headers(&mut self) -> Wasm<Vec<r::message::Field>> {
        let headers = Guest::headers(self)?;
        Ok(headers
            .into_iter()
            .map(|(name, value)| r::message::Field { name, value })
            .collect())
    }

    fn parts(&mut self) -> Wasm<Vec<r::message::Part>> {
        Ok(Guest::parts(self)?.into_iter().map(part).collect())
    }

    fn text(&mut self, part: u32) -> Wasm<Result<String, r::message::Error>> {
        Ok(Guest::text(self, part)?.map_err(Into::into))
    }

    fn content(
        &mut self,
        part: u32,
        offset: u32,
        length: u32,
    ) -> Wasm<Result<Vec<u8>, r::message::Error>> {
        Ok(Guest::content(self, part, offset, length)?
            .map(Into::into)
            .map_err(Into::into))
    }

    fn digest(&mut self, part: u32) -> Wasm<Result<String, r::message::Error>> {
        Ok(Guest::digest(self, part)?.map_err(Into::into))
    }

    fn raw(&mut self, offset: u32, length: u32) -> Wasm<Result<Vec<u8>, r::message::Error>> {
        Ok(Guest::raw(self, offset, length)?
            .map(Into::into)
            .map_err(Into::into))
    }

    fn find(&mut self, patterns: Vec<String>) -> Wasm<Vec<u32>> {
        Ok(Guest::find(self, &patterns)?)
    }

    fn urls(&mut self) -> Wasm<Vec<String>> {
        Ok(Guest::urls(self)?)
    }

    fn set_text(&mut self, part: u32, text: String) -> Wasm<Result<(), r::message::Error>> {
        Ok(Guest::set_text(self, part, &text)?.map_err(Into::into))
    }

    fn prepend_header(
        &mut self,
        name: String,
        value: String,
    ) -> Wasm<Result<(), r::message::Error>> {
        Ok(Guest::prepend_header(self, &name, &value)?.map_err(Into::into))
    }

    fn append_header(
        &mut self,
        name: String,
        value: String,
    ) -> Wasm<Result<(), r::message::Error>> {
        Ok(Guest::append_header(self, &name, &value)?.map_err(Into::into))
    }

    fn replace_header(
        &mut self,
        name: String,
        value: String,
    ) -> Wasm<Result<(), r::message::Error>> {
        Ok(Guest::replace_header(self, &name, &value)?.map_err(Into::into))
    }

    fn remove_header(&mut self, name: String) -> Wasm<Result<u32, r::message::Error>> {
        Ok(Guest::remove_header(self, &name)?.map_err(Into::into))
    }
}

impl r::log::Host for Guest {
    fn log(&mut self, level: r::log::Level, text: String) -> Wasm<()> {
        let level = match level {
            r::log::Level::Debug => LogLevel::Debug,
            r::log::Level::Info => LogLevel::Info,
            r::log::Level::Warn => LogLevel::Warn,
            r::log::Level::Error => LogLevel::Error,
        };
        Ok(Guest::log(self, level, &text)?)
    }
}

impl r::config::Host for Guest {
    fn get(&mut self, key: String) -> Wasm<Option<String>> {
        Ok(owned(self.config_value(&key)?))
    }

    fn json(&mut self) -> Wasm<String> {
        Ok(self.config_json()?.as_ref().to_owned())
    }

    fn secret(&mut self, name: String) -> Wasm<Result<String, String>> {
        Ok(Guest::secret(self, &name)?.map(|secret| secret.as_ref().to_owned()))
    }
}

impl From<KvError> for r::kv::Error {
    fn from(error: KvError) -> r::kv::Error {
        match error {
            KvError::NotGranted => r::kv::Error::NotGranted,
            KvError::TooLarge => r::kv::Error::TooLarge,
            KvError::Quota => r::kv::Error::Quota,
            KvError::Unavailable => r::kv::Error::Unavailable,
        }
    }
}

type Kv<T> = Wasm<Result<T, r::kv::Error>>;

impl r::kv::Host for Guest {
    fn get(&mut self, key: String) -> Kv<Option<Vec<u8>>> {
        Ok(self
            .kv_get(&key)?
            .map(|value| value.map(Into::into))
            .map_err(Into::into))
    }

    fn get_string(&mut self, key: String) -> Kv<Option<String>> {
        let value = self.kv_get(&key)?;
        Ok(value
            .map(|value| value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
            .map_err(Into::into))
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_seconds: Option<u32>) -> Kv<()> {
        Ok(self
            .kv_set(&key, value.into(), ttl_seconds)?
            .map_err(Into::into))
    }

    fn set_string(&mut self, key: String, value: String, ttl_seconds: Option<u32>) -> Kv<()> {
        Ok(self
            .kv_set(&key, value.into(), ttl_seconds)?
            .map_err(Into::into))
    }

    fn set_if_absent(&mut self, key: String, value: String, ttl_seconds: Option<u32>) -> Kv<bool> {
        Ok(self
            .kv_set_if_absent(&key, value.into(), ttl_seconds)?
            .map_err(Into::into))
    }

    fn delete(&mut self, key: String) -> Kv<bool> {
        Ok(self.kv_delete(&key)?.map_err(Into::into))
    }

    fn keys(&mut self, prefix: String, after: Option<String>, limit: u32) -> Kv<Vec<String>> {
        Ok(self
            .kv_keys(&prefix, after.as_deref(), limit)?
            .map_err(Into::into))
    }

    fn increment(&mut self, key: String, by: i32, ttl_seconds: Option<u32>) -> Kv<f64> {
        Ok(self
            .kv_increment(&key, by, ttl_seconds)?
            .map_err(Into::into))
    }

    fn take(&mut self, key: String, tokens: f64, per_second: f64, burst: f64) -> Kv<bool> {
        Ok(self
            .kv_take(&key, tokens, per_second, burst)?
            .map_err(Into::into))
    }
}

impl r::clock::Host for Guest {
    fn now_ms(&mut self) -> Wasm<f64> {
        Ok(Guest::now_ms(self)?)
    }

    fn monotonic_ms(&mut self) -> Wasm<f64> {
        Ok(Guest::monotonic_ms(self)?)
    }
}

impl r::random::Host for Guest {
    fn bytes(&mut self, count: u32) -> Wasm<Vec<u8>> {
        Ok(self.random(count)?)
    }

    fn hex(&mut self, count: u32) -> Wasm<String> {
        Ok(hex(&self.random(count)?))
    }
}

impl From<DnsError> for r::dns::Error {
    fn from(error: DnsError) -> r::dns::Error {
        match error {
            DnsError::NotGranted => r::dns::Error::NotGranted,
            DnsError::NoSuchName => r::dns::Error::NoSuchName,
            DnsError::NoData => r::dns::Error::NoData,
            DnsError::Timeout => r::dns::Error::Timeout,
            DnsError::Failed => r::dns::Error::Failed,
            DnsError::Budget => r::dns::Error::Budget,
        }
    }
}

type Dns<T> = Wasm<Result<T, r::dns::Error>>;

impl r::dns::Host for Guest {
    async fn texts(&mut self, name: String) -> Dns<Vec<String>> {
        Ok(self.dns_texts(&name).await?.map_err(Into::into))
    }

    async fn addresses(&mut self, name: String) -> Dns<Vec<String>> {
        Ok(self.dns_addresses(&name).await?.map_err(Into::into))
    }

    async fn mail_exchangers(&mut self, name: String) -> Dns<Vec<r::dns::Mx>> {
        let found = self.dns_mail_exchangers(&name).await?;
        let mx = |(preference, exchange)| r::dns::Mx {
            preference,
            exchange,
        };
        Ok(found
            .map(|list| list.into_iter().map(mx).collect())
            .map_err(Into::into))
    }

    async fn names(&mut self, ip: String) -> Dns<Vec<String>> {
        Ok(self.dns_names(&ip).await?.map_err(Into::into))
    }

    async fn listed(&mut self, zone: String, ip_or_domain: String) -> Dns<Option<String>> {
        Ok(self
            .dns_listed(&zone, &ip_or_domain)
            .await?
            .map_err(Into::into))
    }
}

impl From<HttpError> for r::http::Error {
    fn from(error: HttpError) -> r::http::Error {
        match error {
            HttpError::NotGranted => r::http::Error::NotGranted,
            HttpError::Dns => r::http::Error::Dns,
            HttpError::Connect => r::http::Error::Connect,
            HttpError::Tls => r::http::Error::Tls,
            HttpError::Timeout => r::http::Error::Timeout,
            HttpError::TooLarge => r::http::Error::TooLarge,
            HttpError::Protocol => r::http::Error::Protocol,
            HttpError::Budget => r::http::Error::Budget,
        }
    }
}

fn request(said: r::http::Request) -> HttpRequest {
    HttpRequest {
        method: said.method,
        url: said.url,
        headers: said.headers,
        body: Bytes::from(said.body),
    }
}

fn response(got: HttpResponse) -> r::http::Response {
    r::http::Response {
        status: got.status,
        headers: got.headers,
        body: got.body.into(),
    }
}

type Http = Wasm<Result<r::http::Response, r::http::Error>>;

impl r::http::Host for Guest {
    async fn send(&mut self, said: r::http::Request, timeout_ms: u32) -> Http {
        let got = self.http_send(request(said), timeout_ms, false).await?;
        Ok(got.map(response).map_err(Into::into))
    }

    async fn send_message(&mut self, said: r::http::Request, timeout_ms: u32) -> Http {
        let got = self.http_send(request(said), timeout_ms, true).await?;
        Ok(got.map(response).map_err(Into::into))
    }
}

impl r::events::Host for Guest {
    fn emit(&mut self, kind: String, fields: Vec<(String, String)>) -> Wasm<()> {
        Ok(Guest::emit(self, &kind, &fields)?)
    }
}

impl From<SubmitError> for r::submit::Error {
    fn from(error: SubmitError) -> r::submit::Error {
        match error {
            SubmitError::NotGranted => r::submit::Error::NotGranted,
            SubmitError::TooLarge => r::submit::Error::TooLarge,
            SubmitError::Invalid(why) => r::submit::Error::Invalid(why),
            SubmitError::Full => r::submit::Error::Full,
            SubmitError::Loop => r::submit::Error::Loop,
        }
    }
}

impl r::submit::Host for Guest {
    async fn submit(
        &mut self,
        sender: Option<r::submit::Mailbox>,
        recipients: Vec<r::submit::Mailbox>,
        message: Vec<u8>,
    ) -> Wasm<Result<String, r::submit::Error>> {
        let invalid = |what: &str| Ok(Err(r::submit::Error::Invalid(what.to_owned())));
        let Some(sender) = checked_sender(sender.as_ref()) else {
            return invalid("the sender is no address");
        };
        let Some(recipients) = recipients.iter().map(checked_mailbox).collect() else {
            return invalid("a recipient is no address");
        };
        Ok(Guest::submit(self, sender, recipients, message.into())
            .await?
            .map_err(Into::into))
    }
}

impl r::types::Host for Guest {}
impl r::deliveries::Host for Guest {}
impl r::http_types::Host for Guest {}
