//! Host functions that reach beyond the sitting: key-value, resolver, HTTP, submission. Each asks its grant first. Adapters
//! call them by [`super::taped`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;

use super::Met;
use crate::desk::clip;
use crate::grant::Target;
use crate::guest::Guest;
use crate::limits;
use crate::services::{
    DnsError, HttpError, HttpRequest, HttpResponse, KvError, Services, SubmitError,
};

fn ttl(seconds: Option<u32>) -> Option<Duration> {
    seconds.map(|s| Duration::from_secs(u64::from(s)))
}

impl Guest {
    /// The store and this plugin's quota, if granted; counts the call and checks the key.
    fn kv(&mut self, key: &str) -> Met<Result<(&dyn Services, u64), KvError>> {
        self.enter()?;
        let Some(quota) = self.plugin.granted.kv_bytes_max else {
            self.not_granted("kv");
            return Ok(Err(KvError::NotGranted));
        };
        if key.len() > limits::KV_KEY_BYTES_MAX {
            return Ok(Err(KvError::TooLarge));
        }
        Ok(self
            .services()
            .map(|services| (services, quota))
            .ok_or(KvError::Unavailable))
    }

    fn services(&self) -> Option<&dyn Services> {
        self.desk.as_ref().map(|desk| &*desk.house.services)
    }

    pub(super) fn kv_get_now(&mut self, key: &str) -> Met<Result<Option<Bytes>, KvError>> {
        let name = self.plugin.name.clone();
        Ok(self
            .kv(key)?
            .and_then(|(services, _)| services.kv_get(&name, key)))
    }

    pub(super) fn kv_set_now(
        &mut self,
        key: &str,
        value: Bytes,
        ttl_seconds: Option<u32>,
    ) -> Met<Result<(), KvError>> {
        let name = self.plugin.name.clone();
        Ok(self.kv(key)?.and_then(|(services, quota)| {
            if value.len() > limits::KV_VALUE_BYTES_MAX {
                return Err(KvError::TooLarge);
            }
            services.kv_set(&name, quota, key, value, ttl(ttl_seconds))
        }))
    }

    pub(super) fn kv_set_if_absent_now(
        &mut self,
        key: &str,
        value: Bytes,
        ttl_seconds: Option<u32>,
    ) -> Met<Result<bool, KvError>> {
        let name = self.plugin.name.clone();
        Ok(self.kv(key)?.and_then(|(services, quota)| {
            if value.len() > limits::KV_VALUE_BYTES_MAX {
                return Err(KvError::TooLarge);
            }
            services.kv_set_if_absent(&name, quota, key, value, ttl(ttl_seconds))
        }))
    }

    pub(super) fn kv_delete_now(&mut self, key: &str) -> Met<Result<bool, KvError>> {
        let name = self.plugin.name.clone();
        Ok(self
            .kv(key)?
            .and_then(|(services, _)| services.kv_delete(&name, key)))
    }

    pub(super) fn kv_keys_now(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Met<Result<Vec<String>, KvError>> {
        let name = self.plugin.name.clone();
        let limit = limit.min(limits::KV_KEYS_MAX) as usize;
        Ok(self
            .kv(prefix)?
            .and_then(|(services, _)| services.kv_keys(&name, prefix, after, limit)))
    }

    pub(super) fn kv_increment_now(
        &mut self,
        key: &str,
        by: i32,
        ttl_seconds: Option<u32>,
    ) -> Met<Result<f64, KvError>> {
        let name = self.plugin.name.clone();
        Ok(self.kv(key)?.and_then(|(services, quota)| {
            services.kv_increment(&name, quota, key, by, ttl(ttl_seconds))
        }))
    }

    /// Numbers that are none, or negative, take nothing.
    pub(super) fn kv_take_now(
        &mut self,
        key: &str,
        tokens: f64,
        per_second: f64,
        burst: f64,
    ) -> Met<Result<bool, KvError>> {
        let name = self.plugin.name.clone();
        Ok(self.kv(key)?.and_then(|(services, quota)| {
            if ![tokens, per_second, burst]
                .iter()
                .all(|n| n.is_finite() && *n >= 0.0)
            {
                return Ok(false);
            }
            services.kv_take(&name, quota, key, tokens, per_second, burst)
        }))
    }

    /// The resolver, if granted and within the budget.
    fn dns(&mut self) -> Met<Result<Arc<dyn Services>, DnsError>> {
        self.enter()?;
        if !self.plugin.granted.dns {
            self.not_granted("dns");
            return Ok(Err(DnsError::NotGranted));
        }
        if !self.may_wait() {
            return Ok(Err(DnsError::Budget));
        }
        Ok(self
            .desk
            .as_ref()
            .map(|desk| desk.house.services.clone())
            .ok_or(DnsError::Failed))
    }

    pub(super) async fn dns_texts_now(&mut self, name: &str) -> Met<Result<Vec<String>, DnsError>> {
        match self.dns()? {
            Ok(services) => Ok(services.dns_texts(name).await),
            Err(e) => Ok(Err(e)),
        }
    }

    pub(super) async fn dns_addresses_now(
        &mut self,
        name: &str,
    ) -> Met<Result<Vec<String>, DnsError>> {
        match self.dns()? {
            Ok(services) => Ok(services.dns_addresses(name).await),
            Err(e) => Ok(Err(e)),
        }
    }

    pub(super) async fn dns_mail_exchangers_now(
        &mut self,
        name: &str,
    ) -> Met<Result<Vec<(u16, String)>, DnsError>> {
        match self.dns()? {
            Ok(services) => Ok(services.dns_mail_exchangers(name).await),
            Err(e) => Ok(Err(e)),
        }
    }

    pub(super) async fn dns_names_now(&mut self, ip: &str) -> Met<Result<Vec<String>, DnsError>> {
        match (self.dns()?, ip.parse::<IpAddr>()) {
            (Ok(services), Ok(ip)) => Ok(services.dns_names(ip).await),
            (Ok(_), Err(_)) => Ok(Err(DnsError::Failed)),
            (Err(e), _) => Ok(Err(e)),
        }
    }

    /// RFC 5782: the first address answered, if the name is listed.
    pub(super) async fn dns_listed_now(
        &mut self,
        zone: &str,
        subject: &str,
    ) -> Met<Result<Option<String>, DnsError>> {
        let services = match self.dns()? {
            Ok(services) => services,
            Err(e) => return Ok(Err(e)),
        };
        let question = block_list_name(zone, subject);
        Ok(match services.dns_addresses(&question).await {
            Ok(addresses) => Ok(addresses.into_iter().next()),
            Err(DnsError::NoSuchName | DnsError::NoData) => Ok(None),
            Err(e) => Err(e),
        })
    }

    pub(super) async fn http_send_now(
        &mut self,
        mut request: HttpRequest,
        timeout_ms: u32,
        with_message: bool,
    ) -> Met<Result<HttpResponse, HttpError>> {
        self.enter()?;
        let Some(target) = Target::parse(&request.url) else {
            return Ok(Err(HttpError::Protocol));
        };
        if !self.plugin.granted.http(&target) {
            let capability = format!("http {}:{}", clip(target.host, 128), target.port);
            self.not_granted(&capability);
            return Ok(Err(HttpError::NotGranted));
        }
        if !self.may_wait() {
            return Ok(Err(HttpError::Budget));
        }
        if !is_request(&request) {
            return Ok(Err(HttpError::Protocol));
        }
        let name = self.plugin.name.clone();
        let Some(desk) = &self.desk else {
            return Ok(Err(HttpError::Protocol));
        };
        if with_message {
            let Some(draft) = &desk.draft else {
                return Ok(Err(HttpError::Protocol));
            };
            request.body = draft.message().bytes().clone();
        }
        let timeout = Duration::from_millis(u64::from(timeout_ms)).min(limits::HTTP_TIMEOUT_MAX);
        let services = desk.house.services.clone();
        Ok(services
            .http_send(&name, request, timeout, limits::HTTP_BODY_BYTES_MAX)
            .await)
    }

    pub(super) async fn submit_now(
        &mut self,
        sender: ReversePath,
        recipients: Vec<Mailbox>,
        message: Bytes,
    ) -> Met<Result<String, SubmitError>> {
        self.enter()?;
        if !self.plugin.granted.submit {
            self.not_granted("submit");
            return Ok(Err(SubmitError::NotGranted));
        }
        if !self.may_wait() {
            return Ok(Err(SubmitError::Full));
        }
        if recipients.is_empty() {
            return Ok(Err(SubmitError::Invalid("no recipients".into())));
        }
        let name = self.plugin.name.clone();
        let Some(desk) = &self.desk else {
            return Ok(Err(SubmitError::Full));
        };
        let (services, cause) = (desk.house.services.clone(), desk.message_id.clone());
        Ok(services
            .submit(&name, cause.as_deref(), sender, recipients, message)
            .await)
    }
}

/// What RFC 9110 calls a token, and values without control characters: nothing a header could be split with.
fn is_request(request: &HttpRequest) -> bool {
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    token(&request.method)
        && request
            .headers
            .iter()
            .all(|(name, value)| token(name) && !value.chars().any(|c| c.is_control() && c != '\t'))
}

/// `2.0.0.127.zone` for 127.0.0.2, nibbles for IPv6, `domain.zone` for a name.
fn block_list_name(zone: &str, subject: &str) -> String {
    let zone = zone.trim_matches('.');
    match subject.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.{zone}")
        }
        Ok(IpAddr::V6(ip)) => {
            let mut name = String::with_capacity(64 + zone.len());
            for byte in ip.octets().iter().rev() {
                for nibble in [byte & 0xf, byte >> 4] {
                    name.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
                    name.push('.');
                }
            }
            name + zone
        }
        Err(_) => format!("{}.{zone}", subject.trim_matches('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_list_names_are_reversed_as_rfc_5782_shows() {
        assert_eq!(
            block_list_name("bl.test.", "127.0.0.2"),
            "2.0.0.127.bl.test"
        );
        assert_eq!(
            block_list_name("bl.test", "example.net"),
            "example.net.bl.test"
        );
        assert_eq!(
            block_list_name("bl.test", "2001:db8:1:2:3:4:567:89ab"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.test"
        );
    }

    #[test]
    fn a_request_cannot_be_split_by_its_headers() {
        let with = |name: &str, value: &str| HttpRequest {
            method: "POST".into(),
            url: "https://a.test/".into(),
            headers: vec![(name.into(), value.into())],
            body: Bytes::new(),
        };
        assert!(is_request(&with("X-A", "b c")));
        assert!(!is_request(&with("X-A", "b\r\nX-B: c")));
        assert!(!is_request(&with("X-A: b\r\nX", "c")));
        assert!(!is_request(&HttpRequest {
            method: "GET /".into(),
            ..with("A", "b")
        }));
    }
}
