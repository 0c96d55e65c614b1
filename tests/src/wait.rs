//! Waiting on conditions. A test never waits for time to pass, only for something to become true.

use std::future::Future;
use std::time::Duration;

/// How often a condition is looked at.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Polls until `condition` gives a value, and returns it.
///
/// # Panics
/// After `limit`, saying what was waited for.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut condition: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let mut ticks = tokio::time::interval(POLL_EVERY);
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        ticks.tick().await;
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within {limit:?}: {what}"
        );
    }
}

/// The output of a future that must end within `limit`.
///
/// # Panics
/// After `limit`, saying what was waited for.
pub async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, work).await {
        Ok(value) => value,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}
