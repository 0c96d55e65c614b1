//! Token buckets: how often something may happen. Pure; the time is an argument, in milliseconds of any clock that
//! does not go back by much.

/// A bucket that fills by `per_second` up to `burst`. Full at first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    tokens: f64,
    at_ms: u64,
}

impl Bucket {
    /// A full bucket.
    pub fn full(burst: f64, now_ms: u64) -> Bucket {
        Bucket {
            tokens: burst.max(0.0),
            at_ms: now_ms,
        }
    }

    /// A bucket as it was left at `at_ms`, for one that was kept on disk.
    pub fn restored(tokens: f64, at_ms: u64) -> Bucket {
        Bucket {
            tokens: if tokens.is_finite() { tokens } else { 0.0 },
            at_ms,
        }
    }

    /// Tokens left, as of [`Bucket::at_ms`].
    pub fn tokens(&self) -> f64 {
        self.tokens
    }

    /// When the tokens were counted last.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Takes `wanted` tokens if they are there.
    pub fn take(&mut self, wanted: f64, per_second: f64, burst: f64, now_ms: u64) -> bool {
        self.fill(per_second, burst, now_ms);
        if wanted <= self.tokens {
            self.tokens -= wanted.max(0.0);
            true
        } else {
            false
        }
    }

    /// How long until `wanted` tokens are there, in milliseconds; `None` if never.
    pub fn wait_ms(
        &mut self,
        wanted: f64,
        per_second: f64,
        burst: f64,
        now_ms: u64,
    ) -> Option<u64> {
        self.fill(per_second, burst, now_ms);
        if wanted <= self.tokens {
            return Some(0);
        }
        if wanted > burst || per_second <= 0.0 {
            return None;
        }
        Some(((wanted - self.tokens) / per_second * 1000.0).ceil() as u64)
    }

    fn fill(&mut self, per_second: f64, burst: f64, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.tokens = (self.tokens + passed * per_second.max(0.0)).min(burst.max(0.0));
        self.at_ms = self.at_ms.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(3.0, 1_000);
        for _ in 0..3 {
            assert!(bucket.take(1.0, 2.0, 3.0, 1_000));
        }
        assert!(!bucket.take(1.0, 2.0, 3.0, 1_000));
        assert_eq!(bucket.wait_ms(1.0, 2.0, 3.0, 1_000), Some(500));
        assert!(!bucket.take(1.0, 2.0, 3.0, 1_499));
        assert!(bucket.take(1.0, 2.0, 3.0, 1_500));
    }

    #[test]
    fn it_never_holds_more_than_the_burst() {
        let mut bucket = Bucket::full(2.0, 0);
        assert!(bucket.take(2.0, 1.0, 2.0, 1_000_000));
        assert!(!bucket.take(0.5, 1.0, 2.0, 1_000_000));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_for_free() {
        let mut bucket = Bucket::full(1.0, 10_000);
        assert!(bucket.take(1.0, 1.0, 1.0, 10_000));
        assert!(!bucket.take(1.0, 1.0, 1.0, 5_000));
        assert!(!bucket.take(1.0, 1.0, 1.0, 10_500));
        assert!(bucket.take(1.0, 1.0, 1.0, 11_000));
    }

    #[test]
    fn more_than_the_burst_never_comes() {
        let mut bucket = Bucket::full(1.0, 0);
        assert_eq!(bucket.wait_ms(2.0, 1.0, 1.0, 0), None);
        assert_eq!(Bucket::full(0.0, 0).wait_ms(1.0, 0.0, 5.0, 0), None);
    }
}
