//! Signatures of outgoing mail (DKIM). They are made when a message is sent, after the last edit of the last plugin, and not
//! when it is taken: a key that was replaced meanwhile signs nothing any more.
//!
//! What is signed, and how, is in `baton_sign`. Here keys come from their files and are read again when these change, and
//! the signatures of a message that goes to several sites are made once.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use baton_sign::{Coverage, DomainKey, Key, KeyError, Keyring, Unsigned, record};
use baton_spool::{Message, MessageId};
use bytes::Bytes;

use crate::clock::Timestamp;
use crate::config::{Config, Dkim, DkimKey, may_send_as};
use crate::dns::{DnsError, Resolver};
use crate::event::{Bus, Event};
use crate::limits;
use crate::meta::Meta;

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Signing {
    shared: Arc<Shared>,
}

struct Shared {
    config: Dkim,
    coverage: Coverage,
    /// What accounts may send as, by name.
    senders: HashMap<String, Vec<String>>,
    ring: ArcSwap<Keyring>,
    seen: Mutex<Vec<Seen>>,
    made: Mutex<Made>,
}

/// What tells one version of a file from the next.
type Seen = Option<(SystemTime, u64, u64)>;

/// Signatures of messages that may be sent again soon.
#[derive(Default)]
struct Made {
    by_message: HashMap<MessageId, (Timestamp, Bytes)>,
    order: VecDeque<MessageId>,
}

impl Signing {
    /// Reads all keys.
    pub fn load(config: &Config) -> Result<Signing, KeyError> {
        let dkim = &config.dkim;
        let seen = dkim.keys.iter().map(look).collect();
        let keys = dkim.keys.iter().map(read).collect::<Result<_, _>>()?;
        let accounts = config.accounts.iter();
        Ok(Signing {
            shared: Arc::new(Shared {
                ring: ArcSwap::from_pointee(ring(dkim, keys)),
                coverage: Coverage {
                    further: dkim.headers.clone(),
                    valid_seconds: dkim.valid_for.as_secs(),
                },
                senders: accounts
                    .map(|account| (account.name.clone(), account.senders.clone()))
                    .collect(),
                config: dkim.clone(),
                seen: Mutex::new(seen),
                made: Mutex::default(),
            }),
        })
    }

    /// The signatures of a message as fields for its top. Only mail of our own people and the relay's own is signed: what
    /// strangers send through us to a domain that we serve would get the word of a domain that they only pretend to be from.
    pub async fn fields(
        &self,
        message: &Message,
        body: &[Bytes],
        now: Timestamp,
    ) -> Result<Bytes, Unsigned> {
        let meta = Meta::decode(&message.meta);
        if self.shared.ring.load().is_empty() || !(meta.submitted || meta.own) {
            return Err(Unsigned::NoKey);
        }
        if let Some(made) = self.made(message.id, now) {
            return Ok(made);
        }
        let account = message.origin.account.clone();
        let signed = match message.body_bytes > limits::SIGNED_AT_ONCE_BYTES_MAX {
            false => self.sign(account.as_deref(), body, now)?,
            true => {
                let (signing, body) = (self.clone(), body.to_vec());
                let task = move || signing.sign(account.as_deref(), &body, now);
                let done = tokio::task::spawn_blocking(task).await;
                done.map_err(|error| Unsigned::Key(error.to_string()))??
            }
        };
        if message.recipients_total > 1 {
            self.keep(message.id, signed.clone(), now);
        }
        Ok(signed)
    }

    /// The key that seals what others sent and is passed on, if one does.
    pub fn sealing(&self, now: Timestamp) -> Option<DomainKey> {
        let domain = self.shared.config.seal.as_deref()?;
        let ring = self.shared.ring.load();
        ring.sealing(domain, now.as_secs()).cloned()
    }

    fn sign(
        &self,
        account: Option<&str>,
        body: &[Bytes],
        now: Timestamp,
    ) -> Result<Bytes, Unsigned> {
        let senders = account.and_then(|account| self.shared.senders.get(account));
        let may_write_as = |author: &baton_smtp::Mailbox| {
            senders.is_none_or(|senders| may_send_as(senders, &author.to_string()))
        };
        let ring = self.shared.ring.load();
        let now = now.as_secs();
        baton_sign::sign(body, &ring, &self.shared.coverage, may_write_as, now)
    }

    fn made(&self, id: MessageId, now: Timestamp) -> Option<Bytes> {
        let made = self.lock();
        let (at, fields) = made.by_message.get(&id)?;
        (now.since(*at) < limits::SIGNATURE_KEPT_FOR).then(|| fields.clone())
    }

    fn keep(&self, id: MessageId, fields: Bytes, now: Timestamp) {
        let mut made = self.lock();
        if made.by_message.insert(id, (now, fields)).is_none() {
            made.order.push_back(id);
        }
        while made.order.len() > limits::SIGNATURES_KEPT_MAX {
            if let Some(oldest) = made.order.pop_front() {
                made.by_message.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.shared
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads keys again whose files look different from last time, and says of each whether it is in use now. Where that
    /// fails, the old key goes on signing, and the same file is not tried again.
    pub fn reload_if_changed(&self) -> Vec<(PathBuf, Result<(), KeyError>)> {
        let shared = &self.shared;
        let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let old = shared.ring.load();
        let mut told = Vec::new();
        let mut keys: Vec<DomainKey> = Vec::new();
        for (file, seen) in shared.config.keys.iter().zip(seen.iter_mut()) {
            let now = look(file);
            let known = old.keys().find(|key| is_of(key, file));
            if *seen != now {
                *seen = now;
                let found = read(file);
                told.push((
                    file.file.clone(),
                    found.as_ref().map(|_| ()).map_err(Clone::clone),
                ));
                if let Ok(key) = found {
                    keys.push(key);
                    continue;
                }
            }
            keys.extend(known.cloned());
        }
        if told.iter().any(|(_, result)| result.is_ok()) {
            shared.ring.store(Arc::new(ring(&shared.config, keys)));
            *self.lock() = Made::default();
        }
        told
    }
}

/// Follows the files for ever.
pub async fn watch(signing: Signing, bus: Bus) {
    let mut tick = tokio::time::interval(CHECK_EVERY);
    loop {
        tick.tick().await;
        for (path, result) in signing.reload_if_changed() {
            let path = path.display().to_string();
            bus.emit(match result {
                Ok(()) => Event::KeyReloaded { path },
                Err(error) => Event::KeyFailed {
                    path,
                    error: error.to_string(),
                },
            });
        }
    }
}

fn ring(config: &Dkim, keys: Vec<DomainKey>) -> Keyring {
    Keyring::new(keys, config.default.as_deref(), config.always.as_deref())
}

fn read(file: &DkimKey) -> Result<DomainKey, KeyError> {
    Ok(DomainKey {
        domain: file.domain.as_str().into(),
        selector: file.selector.as_str().into(),
        from: file.from,
        key: Arc::new(Key::read(&file.file)?),
    })
}

fn is_of(key: &DomainKey, file: &DkimKey) -> bool {
    *key.domain == *file.domain && *key.selector == *file.selector
}

fn look(file: &DkimKey) -> Seen {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(&file.file).ok()?;
    Some((meta.modified().ok()?, meta.ino(), meta.len()))
}

/// Whether others can verify what the key signs; both are sentences.
pub async fn published(resolver: &Resolver, at: &DkimKey, key: &Key) -> Result<String, String> {
    let name = record::name(&at.selector, &at.domain);
    let texts = match resolver.texts(&name).await {
        Ok(texts) => texts,
        Err(DnsError::NoSuchName(_) | DnsError::NoData(_)) => {
            return Err("nothing is published there".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    if texts.len() > 1 {
        return Err(format!(
            "{} TXT records are published there; one is allowed",
            texts.len()
        ));
    }
    match record::check(key, &texts.concat()) {
        Ok(published) if published.testing => {
            Ok("published, but as a test (t=y): verifiers take no notice of it".to_owned())
        }
        Ok(_) => Ok("published".to_owned()),
        Err(wrong) => Err(wrong.to_string()),
    }
}
