//! All keys, and which of them sign a message.

use std::collections::HashMap;
use std::sync::Arc;

use crate::key::{Algorithm, Key};

/// A key with the name it is found by: `SELECTOR._domainkey.DOMAIN`.
#[derive(Debug, Clone)]
pub struct DomainKey {
    /// In ASCII and lower case.
    pub domain: Arc<str>,
    pub selector: Arc<str>,
    /// It signs from this time on, in seconds since 1970. Of keys of one domain and algorithm the one that began last signs.
    pub from: u64,
    pub key: Arc<Key>,
}

/// See the module. Cheap to clone, never changed.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    by_domain: Arc<HashMap<Arc<str>, Vec<DomainKey>>>,
    fallback: Option<Arc<str>>,
    always: Option<Arc<str>>,
}

impl Keyring {
    /// `fallback` is the domain that signs where the author's has no key; `always` is one that signs beside it.
    pub fn new(keys: Vec<DomainKey>, fallback: Option<&str>, always: Option<&str>) -> Keyring {
        let mut by_domain: HashMap<Arc<str>, Vec<DomainKey>> = HashMap::new();
        for key in keys {
            by_domain.entry(key.domain.clone()).or_default().push(key);
        }
        Keyring {
            by_domain: Arc::new(by_domain),
            fallback: fallback.map(Arc::from),
            always: always.map(Arc::from),
        }
    }

    /// Nothing is ever signed.
    pub fn is_empty(&self) -> bool {
        self.by_domain.is_empty()
    }

    /// Every key, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &DomainKey> {
        self.by_domain.values().flatten()
    }

    /// Those that sign a message from one of these domains (ASCII, lower case), by the first that has a key: its own, or
    /// one of the nearest domain above it, which DMARC takes for aligned as well (RFC 7489 3.1).
    pub fn choose(&self, authors: &[&str], now: u64) -> Vec<&DomainKey> {
        let mut chosen: Vec<&DomainKey> = Vec::new();
        let aligned = authors
            .iter()
            .map(|author| self.nearest(author, now))
            .find(|found| !found.is_empty());
        match (aligned, &self.fallback) {
            (Some(found), _) => chosen = found,
            (None, Some(fallback)) => chosen = self.signing(fallback, now),
            (None, None) => {}
        }
        if let Some(always) = &self.always
            && chosen.iter().all(|key| key.domain != *always)
        {
            chosen.append(&mut self.signing(always, now));
        }
        chosen
    }

    /// The key of a domain that seals (ARC): verifiers know RSA best.
    pub fn sealing(&self, domain: &str, now: u64) -> Option<&DomainKey> {
        self.signing(domain, now).into_iter().next()
    }

    fn nearest(&self, author: &str, now: u64) -> Vec<&DomainKey> {
        let mut domain = author;
        loop {
            let found = self.signing(domain, now);
            if !found.is_empty() {
                return found;
            }
            match domain.split_once('.') {
                Some((_, above)) if above.contains('.') => domain = above,
                _ => return Vec::new(),
            }
        }
    }

    /// The newest of each algorithm that has begun.
    fn signing(&self, domain: &str, now: u64) -> Vec<&DomainKey> {
        let all = self.by_domain.get(domain);
        let newest = |algorithm: Algorithm| {
            all.into_iter()
                .flatten()
                .filter(|key| key.key.algorithm() == algorithm && key.from <= now)
                .max_by_key(|key| key.from)
        };
        [Algorithm::Rsa, Algorithm::Ed25519]
            .into_iter()
            .filter_map(newest)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    fn key(domain: &str, selector: &str, from: u64) -> DomainKey {
        let pem = generate::ed25519().expect("a key");
        DomainKey {
            domain: domain.into(),
            selector: selector.into(),
            from,
            key: Arc::new(Key::from_pem(pem.as_bytes()).expect("valid")),
        }
    }

    fn selectors(ring: &Keyring, authors: &[&str], now: u64) -> Vec<String> {
        let chosen = ring.choose(authors, now);
        chosen.iter().map(|key| key.selector.to_string()).collect()
    }

    #[test]
    fn the_authors_own_domain_signs_before_the_one_above_it() {
        let keys = vec![
            key("example.net", "top", 0),
            key("news.example.net", "own", 0),
        ];
        let ring = Keyring::new(keys, None, None);
        assert_eq!(selectors(&ring, &["news.example.net"], 1), ["own"]);
        assert_eq!(selectors(&ring, &["a.news.example.net"], 1), ["own"]);
        assert_eq!(selectors(&ring, &["shop.example.net"], 1), ["top"]);
        assert_eq!(selectors(&ring, &["badexample.net"], 1), [""; 0]);
        assert_eq!(selectors(&ring, &["net"], 1), [""; 0]);
    }

    #[test]
    fn a_top_level_domain_signs_for_nobody_below_it() {
        let ring = Keyring::new(vec![key("net", "tld", 0)], None, None);
        assert_eq!(selectors(&ring, &["example.net"], 1), [""; 0]);
    }

    #[test]
    fn a_new_key_takes_over_at_its_time_and_not_before() {
        let keys = vec![key("example.net", "old", 0), key("example.net", "new", 100)];
        let ring = Keyring::new(keys, None, None);
        assert_eq!(selectors(&ring, &["example.net"], 99), ["old"]);
        assert_eq!(selectors(&ring, &["example.net"], 100), ["new"]);
    }

    #[test]
    fn mail_of_others_is_signed_by_the_domain_that_is_set_for_it() {
        let keys = vec![key("example.net", "a", 0), key("relay.example", "r", 0)];
        let ring = Keyring::new(keys.clone(), Some("relay.example"), None);
        assert_eq!(selectors(&ring, &["else.example"], 1), ["r"]);
        assert_eq!(selectors(&ring, &[], 1), ["r"]);
        let ring = Keyring::new(keys, None, Some("relay.example"));
        assert_eq!(selectors(&ring, &["example.net"], 1), ["a", "r"]);
        assert_eq!(selectors(&ring, &["relay.example"], 1), ["r"]);
    }
}
