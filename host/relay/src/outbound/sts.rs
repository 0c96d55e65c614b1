//! MTA-STS (RFC 8461): a domain says over HTTPS which hosts take its mail, and that they do TLS with a valid certificate. Who
//! listens and lies on the way can hide neither from us for as long as a policy that we have seen holds; so policies outlive a
//! restart, in a file of the state folder.

mod policy;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use baton_hooks::{HttpRequest, HttpResponse};
use baton_smtp::Domain;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::dns::Resolver;
use crate::limits;
use crate::services::http::HttpClient;

pub use policy::{Mode, Policy};

const FILE: &str = "mta-sts.json";

/// Knows policies. Cheap to clone.
#[derive(Clone)]
pub struct Sts {
    shared: Arc<Shared>,
}

struct Shared {
    resolver: Resolver,
    http: HttpClient,
    /// 443 except in tests.
    port: u16,
    file: PathBuf,
    known: Mutex<HashMap<String, Known>>,
    changed: AtomicBool,
}

/// What is known of a domain.
#[derive(Debug, Clone)]
struct Known {
    id: String,
    policy: Option<Arc<Policy>>,
    /// The policy in the domain's own words.
    text: Arc<str>,
    /// In milliseconds since 1970.
    fetched_ms: u64,
    /// Until then nothing is fetched.
    rests_until_ms: u64,
}

/// On disk; what cannot be read is as if it were not there.
#[derive(Serialize, Deserialize)]
struct Stored {
    domain: String,
    id: String,
    text: String,
    fetched_ms: u64,
}

impl Stored {
    fn known(self) -> Option<(String, Known)> {
        let known = Known {
            id: self.id,
            policy: Some(Arc::new(Policy::parse(&self.text).ok()?)),
            text: self.text.into(),
            fetched_ms: self.fetched_ms,
            rests_until_ms: 0,
        };
        Some((self.domain, known))
    }
}

impl Known {
    fn holds(&self, now: Timestamp) -> Option<Arc<Policy>> {
        let policy = self.policy.as_ref()?;
        let age = now.since(Timestamp::from_millis(self.fetched_ms));
        (age <= policy.max_age).then(|| policy.clone())
    }
}

impl Sts {
    /// Takes what is left of the policies that were known before.
    pub fn open(resolver: Resolver, http: HttpClient, port: u16, folder: &Path) -> Sts {
        let file = folder.join(FILE);
        let stored: Vec<Stored> = std::fs::read(&file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let known = stored.into_iter().filter_map(Stored::known).collect();
        Sts {
            shared: Arc::new(Shared {
                resolver,
                http,
                port,
                file,
                known: Mutex::new(known),
                changed: AtomicBool::new(false),
            }),
        }
    }

    /// The policy that holds for mail to a domain, if it has one.
    pub async fn policy(&self, domain: &Domain, now: Timestamp) -> Option<Arc<Policy>> {
        let name = domain.as_str();
        let known = self.lock().get(name).cloned();
        let holds = known.as_ref().and_then(|known| known.holds(now));
        let asked = self
            .shared
            .resolver
            .texts(&format!("_mta-sts.{name}"))
            .await;
        // Nothing is said now, or it cannot be heard: what was said before holds until its end (RFC 8461 3.1).
        let Some(id) = asked.ok().and_then(|texts| policy::id(&texts)) else {
            return holds;
        };
        if let Some(known) = &known {
            let is_same = known.id == id && holds.is_some();
            if is_same || now.as_millis() < known.rests_until_ms {
                return holds;
            }
        }
        let fetched = self.fetch(name).await;
        let known = match (fetched, known) {
            (Some((policy, text)), _) => Known {
                id,
                policy: Some(Arc::new(policy)),
                text: text.into(),
                fetched_ms: now.as_millis(),
                rests_until_ms: 0,
            },
            // The new one cannot be had: the old one holds, and the new one is not asked after for a while.
            (None, before) => Known {
                id: before
                    .as_ref()
                    .map(|before| before.id.clone())
                    .unwrap_or_default(),
                policy: holds.clone(),
                text: before
                    .as_ref()
                    .map(|before| before.text.clone())
                    .unwrap_or_default(),
                fetched_ms: before.map_or(0, |before| before.fetched_ms),
                rests_until_ms: now.plus(limits::STS_REST).as_millis(),
            },
        };
        let holds = known.holds(now);
        self.keep(name, known, now);
        holds
    }

    /// The policy that a domain publishes now, whatever was known before.
    ///
    /// # Errors
    /// A sentence: it has a record, and no policy can be had.
    pub async fn published(&self, domain: &str) -> Result<Option<Policy>, String> {
        let texts = match self
            .shared
            .resolver
            .texts(&format!("_mta-sts.{domain}"))
            .await
        {
            Ok(texts) => texts,
            Err(error) if error.is_permanent() => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if policy::id(&texts).is_none() {
            return match texts.iter().any(|text| text.starts_with("v=STSv1")) {
                true => Err(format!("_mta-sts.{domain} is no record with one id")),
                false => Ok(None),
            };
        }
        let fetched = self.fetch(domain).await;
        let policy = fetched.map(|(policy, _)| Some(policy));
        policy.ok_or_else(|| {
            format!("there is no policy at https://mta-sts.{domain}/.well-known/mta-sts.txt")
        })
    }

    async fn fetch(&self, domain: &str) -> Option<(Policy, String)> {
        let host = format!("mta-sts.{domain}");
        // With the port it may also be a private address, which is for tests.
        let (authority, granted) = match self.shared.port {
            443 => (host.clone(), host),
            port => (format!("{host}:{port}"), format!("{host}:{port}")),
        };
        let request = HttpRequest {
            method: "GET".into(),
            url: format!("https://{authority}/.well-known/mta-sts.txt"),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        let (patience, most) = (limits::STS_PATIENCE, limits::STS_BYTES_MAX);
        let answer = self
            .shared
            .http
            .send(&[granted], request, patience, most)
            .await;
        // A redirect is no policy (RFC 8461 3.3).
        let HttpResponse { status, body, .. } = answer.ok()?;
        let text = String::from_utf8(body.to_vec()).ok()?;
        let policy = Policy::parse(&text).ok().filter(|_| status == 200)?;
        Some((policy, text))
    }

    fn keep(&self, domain: &str, known: Known, now: Timestamp) {
        let mut all = self.lock();
        if all.len() >= limits::STS_DOMAINS_MAX && !all.contains_key(domain) {
            all.retain(|_, known| known.holds(now).is_some());
            let oldest = all.iter().min_by_key(|(_, known)| known.fetched_ms);
            let oldest = oldest.map(|(domain, _)| domain.clone());
            if all.len() >= limits::STS_DOMAINS_MAX
                && let Some(oldest) = oldest
            {
                all.remove(&oldest);
            }
        }
        all.insert(domain.to_owned(), known);
        self.shared.changed.store(true, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.shared
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what changed, now and then, for ever.
    pub async fn write_behind(self) {
        let mut tick = tokio::time::interval(limits::STS_WRITE_EVERY);
        loop {
            tick.tick().await;
            if !self.shared.changed.swap(false, Ordering::AcqRel) {
                continue;
            }
            let sts = self.clone();
            let written = tokio::task::spawn_blocking(move || sts.write()).await;
            if !matches!(written, Ok(Ok(()))) {
                self.shared.changed.store(true, Ordering::Release);
            }
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let stored: Vec<Stored> = self
            .lock()
            .iter()
            .filter(|(_, known)| known.policy.is_some())
            .map(|(domain, known)| Stored {
                domain: domain.clone(),
                id: known.id.clone(),
                text: known.text.to_string(),
                fetched_ms: known.fetched_ms,
            })
            .collect();
        let bytes = serde_json::to_vec(&stored)?;
        let new = self.shared.file.with_extension("new");
        std::fs::write(&new, bytes)?;
        std::fs::rename(&new, &self.shared.file)
    }
}
