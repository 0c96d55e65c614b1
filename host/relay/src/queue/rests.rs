//! Which egresses are left alone towards which sites: kept beside the sites' own queues, so that a route can be chosen
//! without a look through all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::plan::SiteKey;
use crate::limits;

/// By site: egresses and the end of their rest.
#[derive(Debug, Default)]
pub struct Rests {
    sites: Mutex<Sites>,
}

type Sites = HashMap<String, Vec<(Arc<str>, Instant)>>;

impl Rests {
    /// Nothing is sent to that site from its egress for so long. A site without an egress is of no interest here.
    pub fn begin(&self, key: &SiteKey, lasts: Duration, now: Instant) {
        let Some(egress) = &key.egress else { return };
        let until = now + lasts;
        let mut sites = self.lock();
        if sites.len() >= limits::RESTING_SITES_MAX {
            sites.retain(|_, rests| rests.iter().any(|(_, until)| *until > now));
        }
        if sites.len() >= limits::RESTING_SITES_MAX && !sites.contains_key(&key.site()) {
            return;
        }
        let rests = sites.entry(key.site()).or_default();
        rests.retain(|(known, known_until)| *known_until > now && known != egress);
        rests.push((egress.clone(), until));
    }

    /// It ended before its time.
    pub fn end(&self, key: &SiteKey) {
        let Some(egress) = &key.egress else { return };
        let mut sites = self.lock();
        if let Some(rests) = sites.get_mut(&key.site()) {
            rests.retain(|(known, _)| known != egress);
            if rests.is_empty() {
                sites.remove(&key.site());
            }
        }
    }

    /// Egresses that rest towards this site now.
    pub fn of(&self, site: &str, now: Instant) -> Vec<String> {
        let sites = self.lock();
        let rests = sites.get(site).into_iter().flatten();
        rests
            .filter(|(_, until)| *until > now)
            .map(|(egress, _)| egress.to_string())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_smtp::Domain;

    fn key(egress: &str) -> SiteKey {
        SiteKey {
            egress: Some(egress.into()),
            ..SiteKey::nowhere(&Domain::parse("d.test").expect("a domain"))
        }
    }

    #[test]
    fn an_egress_rests_towards_its_site_until_the_time_is_over_or_somebody_ends_it() {
        let rests = Rests::default();
        let now = Instant::now();
        rests.begin(&key("one"), Duration::from_secs(10), now);
        rests.begin(&key("two"), Duration::from_secs(20), now);
        rests.begin(&key("one"), Duration::from_secs(10), now);
        assert_eq!(rests.of("d.test", now), ["two", "one"]);
        assert!(rests.of("other.test", now).is_empty());
        assert_eq!(rests.of("d.test", now + Duration::from_secs(10)), ["two"]);
        rests.end(&key("two"));
        assert_eq!(rests.of("d.test", now), ["one"]);
    }
}
