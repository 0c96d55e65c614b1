//! When to try again, when to warn, when to give up: decided from numbers alone. Time and chance are arguments.

use std::time::Duration;

/// How deferred mail is retried.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The nth wait follows the nth failed attempt, the last one is repeated. Never empty.
    pub waits: Vec<Duration>,
    /// A wait is spread over `1 ± jitter` times its length, so that mail that failed together does not return together.
    pub jitter: f64,
    /// A recipient that is still not delivered at this age is bounced.
    pub lifetime: Duration,
    /// The sender is warned once when a recipient is still waiting at this age.
    pub warn_after: Option<Duration>,
}

impl RetryPolicy {
    /// The policy of a configuration.
    pub fn of(delivery: &crate::config::Delivery) -> RetryPolicy {
        RetryPolicy {
            waits: delivery.retry.waits.clone(),
            jitter: delivery.retry.jitter,
            lifetime: delivery.expire_after,
            warn_after: delivery.delay_warning_after,
        }
    }

    /// After the first failed attempt.
    pub fn first_wait(&self) -> Duration {
        plain_wait(self, 1)
    }

    /// The one that is repeated.
    pub fn last_wait(&self) -> Duration {
        plain_wait(self, u32::MAX)
    }
}

/// What becomes of a recipient after a failure that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again after this long.
    Retry(Duration),
    /// It has been waiting for longer than anyone should: bounce it.
    Expire,
}

/// Decides what follows the failed attempt number `tries` (1 for the first) of a recipient accepted `age` ago.
///
/// `advised` is a wait that the remote host or a plugin asked for: it replaces the schedule's own, up to the longest of the
/// schedule, and is not jittered downwards. `chance` is uniform in `0.0..1.0`. The last try falls on the end of the lifetime and not before it.
pub fn after_failure(
    policy: &RetryPolicy,
    tries: u32,
    age: Duration,
    advised: Option<Duration>,
    chance: f64,
) -> Next {
    if age >= policy.lifetime {
        return Next::Expire;
    }
    let chance = chance.clamp(0.0, 1.0);
    let wait = match advised {
        Some(wait) => wait
            .min(longest_wait(policy))
            .mul_f64(1.0 + policy.jitter.clamp(0.0, 1.0) * chance),
        None => plain_wait(policy, tries)
            .mul_f64(1.0 + policy.jitter.clamp(0.0, 1.0) * (2.0 * chance - 1.0)),
    };
    Next::Retry(wait.max(WAIT_MIN).min(policy.lifetime - age))
}

/// Whether the sender should now hear that the recipient is still waiting (RFC 3461 4.1, DELAY).
pub fn warning_is_due(policy: &RetryPolicy, age: Duration, warned_already: bool) -> bool {
    !warned_already && policy.warn_after.is_some_and(|after| age >= after)
}

/// A retry sooner than this would only spin.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// For a policy without a wait, which the configuration does not allow.
const WAIT_WITHOUT_POLICY: Duration = Duration::from_secs(600);

/// What the operator lets mail wait at most between two attempts, whoever asks for more.
fn longest_wait(policy: &RetryPolicy) -> Duration {
    policy
        .waits
        .iter()
        .copied()
        .max()
        .unwrap_or(WAIT_WITHOUT_POLICY)
}

fn plain_wait(policy: &RetryPolicy, tries: u32) -> Duration {
    let nth = tries.saturating_sub(1) as usize;
    let wait = policy.waits.get(nth).or(policy.waits.last());
    wait.copied().unwrap_or(WAIT_WITHOUT_POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            waits: [60, 120, 600].map(Duration::from_secs).to_vec(),
            jitter: 0.0,
            lifetime: Duration::from_secs(5 * 24 * 3600),
            warn_after: Some(Duration::from_secs(4 * 3600)),
        }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_last_wait_is_repeated() {
        let wait = |tries| after_failure(&policy(), tries, secs(1), None, 0.5);
        assert_eq!(wait(1), Next::Retry(secs(60)));
        assert_eq!(wait(2), Next::Retry(secs(120)));
        assert_eq!(wait(3), Next::Retry(secs(600)));
        assert_eq!(wait(u32::MAX), Next::Retry(secs(600)));
    }

    #[test]
    fn jitter_stays_within_its_share_and_uses_the_chance_given() {
        let policy = RetryPolicy {
            jitter: 0.5,
            ..policy()
        };
        assert_eq!(
            after_failure(&policy, 1, secs(1), None, 0.0),
            Next::Retry(secs(30))
        );
        assert_eq!(
            after_failure(&policy, 1, secs(1), None, 0.5),
            Next::Retry(secs(60))
        );
        assert_eq!(
            after_failure(&policy, 1, secs(1), None, 1.0),
            Next::Retry(secs(90))
        );
    }

    #[test]
    fn an_advised_wait_is_never_shortened_by_jitter() {
        let policy = RetryPolicy {
            jitter: 0.5,
            ..policy()
        };
        for chance in [0.0, 0.3, 1.0] {
            let Next::Retry(wait) = after_failure(&policy, 4, secs(1), Some(secs(300)), chance)
            else {
                panic!("it has not expired")
            };
            assert!(wait >= secs(300) && wait <= secs(450), "{wait:?}");
        }
    }

    #[test]
    fn nobody_asks_for_more_than_the_operators_longest_wait() {
        let wait = after_failure(&policy(), 1, secs(1), Some(secs(86_400)), 0.0);
        assert_eq!(wait, Next::Retry(secs(600)));
    }

    #[test]
    fn the_last_try_falls_on_the_end_of_the_lifetime() {
        let policy = policy();
        let age = policy.lifetime - secs(5);
        assert_eq!(
            after_failure(&policy, 30, age, None, 0.5),
            Next::Retry(secs(5))
        );
        assert_eq!(
            after_failure(&policy, 30, policy.lifetime, None, 0.5),
            Next::Expire
        );
    }

    #[test]
    fn a_warning_is_due_once_and_only_when_wanted() {
        let policy = policy();
        assert!(!warning_is_due(&policy, secs(10), false));
        assert!(warning_is_due(&policy, secs(4 * 3600), false));
        assert!(!warning_is_due(&policy, secs(5 * 3600), true));
        let never = RetryPolicy {
            warn_after: None,
            ..policy
        };
        assert!(!warning_is_due(&never, secs(90 * 3600), false));
    }
}
