//! What an attempt says about its site: how many connections, how fast, and whether to leave it alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Concluded;
use crate::event::{Event, Throttle};
use crate::queue::Queue;
use crate::queue::attempt::Tried;
use crate::queue::plan::SiteKey;

/// The strongest advice of an attempt that speaks about the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advised {
    BackOff(Duration, String),
    Suspend(Duration, String),
}

/// Suspending outweighs slowing down, and longer outweighs shorter.
pub(super) fn gather(concluded: &[Concluded]) -> Option<Advised> {
    let rank = |advised: &Advised| match advised {
        Advised::BackOff(lasts, _) => (0, *lasts),
        Advised::Suspend(lasts, _) => (1, *lasts),
    };
    let all = concluded.iter().filter_map(|end| {
        let (_, translation) = end.translation.as_ref()?;
        let why = || format!("{}: {}", translation.reason, end.reported);
        match translation.advice {
            baton_hooks::Advice::BackOff(lasts) => Some(Advised::BackOff(lasts, why())),
            baton_hooks::Advice::Suspend(lasts) => Some(Advised::Suspend(lasts, why())),
            _ => None,
        }
    });
    all.max_by_key(rank)
}

/// Does what the attempt tells about the site.
pub(super) fn follow(
    queue: &Queue,
    key: &Arc<SiteKey>,
    concluded: &[Concluded],
    tried: &Tried,
    advised: Option<Advised>,
) {
    if tried.unreachable {
        let why = concluded
            .first()
            .map(|end| end.reported.to_string())
            .unwrap_or_default();
        return unreachable(queue, key, &why);
    }
    if concluded.iter().any(|end| end.reported.is_success()) {
        let mut state = queue.lock();
        if let Some(site) = state.sites.get_mut(key) {
            site.queue.succeeded();
        }
    }
    match advised {
        None => {}
        Some(Advised::Suspend(lasts, why)) => queue.rest(key, lasts, &why),
        Some(Advised::BackOff(lasts, why)) => {
            let now = queue.now_ms();
            if let Some(site) = queue.lock().sites.get_mut(key) {
                site.queue.back_off(lasts, now);
            }
            queue.shared.parts.bus.emit(Event::SiteThrottled {
                site: key.to_string(),
                how: Throttle::BackOff,
                lasts,
                why,
            });
        }
    }
}

fn unreachable(queue: &Queue, key: &Arc<SiteKey>, why: &str) {
    let now = queue.now_ms();
    let (given_back, rests) = match queue.lock().sites.get_mut(key) {
        Some(site) => {
            let given_back = site.queue.failed_to_connect(why, now);
            let rest = site
                .queue
                .rested(now)
                .map(|rest| rest.until_ms.saturating_sub(now));
            (given_back, rest)
        }
        None => return,
    };
    if let Some(rest_ms) = rests {
        let lasts = Duration::from_millis(rest_ms);
        queue.shared.parts.rests.begin(key, lasts, Instant::now());
        queue.shared.parts.bus.emit(Event::SiteThrottled {
            site: key.to_string(),
            how: Throttle::Suspend,
            lasts,
            why: why.to_owned(),
        });
    }
    queue.defer_all(key, given_back, why);
}
