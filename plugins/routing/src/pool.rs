//! Which of several egress pools takes a message: by weight, around those that are suspended, and within what a new pool may
//! send on its day of warming up.

use baton_sdk::{Attempt, Result, clock, context, events, kv};
use serde::Deserialize;

use crate::settings::Settings;
use crate::{day, live};

/// The counter of a day is kept this long.
const COUNTER_SECONDS: u32 = 2 * 86_400;

/// One of several pools that share the mail of a route.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pool {
    pub name: String,
    pub weight: u32,
}

/// How much a new pool may send on each day, so that receivers get to know it slowly.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WarmUp {
    /// The first day, in UTC; before it the pool takes nothing.
    start: String,
    /// Attempts on the first day, the second, and so on; no cap after the last.
    days: Vec<u32>,
}

impl WarmUp {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if day::parse(&self.start).is_none() {
            return Err(format!(
                "start: `{}` is no date such as \"2026-11-27\"",
                self.start
            ));
        }
        if self.days.is_empty() {
            return Err("days: a list of caps is wanted, such as [50, 100, 500]".to_owned());
        }
        Ok(())
    }

    /// The cap of that day; nothing where there is none any more.
    fn cap(&self, today: i64) -> Option<u32> {
        let start = day::parse(&self.start).unwrap_or(i64::MAX);
        match usize::try_from(today.saturating_sub(start)) {
            Ok(passed) => self.days.get(passed).copied(),
            Err(_) => Some(0),
        }
    }
}

/// The pool for that attempt. The message's id decides, so that every attempt of a message takes the same one as long as it may
/// and all its recipients share it.
pub fn choose(
    pools: &[Pool],
    attempt: &Attempt,
    site: &str,
    settings: &Settings,
) -> Result<Option<String>> {
    let order = in_order(pools, &attempt.message);
    let resting = context::property(&format!("suspended-egresses:{site}")).unwrap_or_default();
    let resting: Vec<&str> = resting.split_whitespace().collect();
    // One that rests, for want of any that does not.
    let mut last_resort = None;
    for pool in order {
        if is_resting(pool, &resting)? {
            events::emit("failover", [("pool", pool), ("site", site)]);
            if !settings.warm_up.contains_key(pool) {
                last_resort.get_or_insert(pool);
            }
            continue;
        }
        if admit(pool, settings)? {
            return Ok(Some(pool.to_owned()));
        }
    }
    Ok(last_resort.map(str::to_owned))
}

/// The one that the message's id points at, and then the others as they are written, those of weight 0 left out.
fn in_order<'a>(pools: &'a [Pool], message: &str) -> Vec<&'a str> {
    let total: u64 = pools.iter().map(|pool| u64::from(pool.weight)).sum();
    if total == 0 {
        return Vec::new();
    }
    let mut point = fnv1a(message) % total;
    let mut first = 0;
    for (at, pool) in pools.iter().enumerate() {
        first = at;
        let weight = u64::from(pool.weight);
        if point < weight {
            break;
        }
        point -= weight;
    }
    let others = (0..pools.len()).filter(|at| *at != first && pools[*at].weight > 0);
    std::iter::once(first)
        .chain(others)
        .map(|at| pools[at].name.as_str())
        .collect()
}

/// All its egresses rest towards this site, or an operator took it out.
fn is_resting(pool: &str, resting: &[&str]) -> Result<bool> {
    if live::is_suspended(pool)? {
        return Ok(true);
    }
    if resting.is_empty() {
        return Ok(false);
    }
    let members = context::property(&format!("egresses:{pool}")).unwrap_or_default();
    let mut members = members.split_whitespace().peekable();
    Ok(members.peek().is_some() && members.all(|member| resting.contains(&member)))
}

/// Counts one more attempt of today, if the pool warms up and its cap allows one.
fn admit(pool: &str, settings: &Settings) -> Result<bool> {
    let Some(warm_up) = settings.warm_up.get(pool) else {
        return Ok(true);
    };
    let today = day::of(clock::now_seconds());
    let Some(cap) = warm_up.cap(today) else {
        return Ok(true);
    };
    if cap == 0 {
        return Ok(false);
    }
    let key = format!("warm-up/{pool}/{today}");
    let count = kv::increment(&key, 1, Some(COUNTER_SECONDS))?;
    if count <= f64::from(cap) {
        return Ok(true);
    }
    // The counter says what was sent and not what was asked.
    kv::increment(&key, -1, Some(COUNTER_SECONDS))?;
    if kv::set_if_absent(
        &format!("warm-up-full/{pool}/{today}"),
        "",
        Some(COUNTER_SECONDS),
    )? {
        let cap = cap.to_string();
        events::emit("warm-up-full", [("pool", pool), ("cap", cap.as_str())]);
    }
    Ok(false)
}

/// FNV-1a and a final mixing: even over ids that differ in their last characters alone.
fn fnv1a(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ hash >> 32
}
