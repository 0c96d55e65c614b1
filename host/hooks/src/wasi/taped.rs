//! Clocks and chance of WASI with a tape around them: the standard libraries of some languages take theirs from here.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngCore;
use rand_core::TryRng;
use serde_json::{Value, json};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, MonotonicClock, WallClock};

use crate::trial::tape::Tape;

/// Where the tape of the running call is; one for each instance.
#[derive(Clone, Default)]
pub(super) struct Head(Arc<Mutex<Option<Tape>>>);

impl Head {
    pub fn set(&self, tape: Option<Tape>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tape;
    }

    fn tape(&self) -> Option<Tape> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What `insecure-seed` answers for the life of the instance.
    pub fn seed(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill("random.seed", &mut bytes);
        u128::from_le_bytes(bytes)
    }

    fn fill(&self, name: &str, bytes: &mut [u8]) {
        let Some(tape) = self.tape() else {
            return rand::rng().fill_bytes(bytes);
        };
        let asked = json!([bytes.len()]);
        let known = tape.answer(name, &asked).and_then(|value| {
            let known: Vec<u8> = serde_json::from_value(value).ok()?;
            (known.len() == bytes.len()).then_some(known)
        });
        match known.or_else(|| tape.chance(bytes.len())) {
            Some(known) => bytes.copy_from_slice(&known),
            None => {
                rand::rng().fill_bytes(bytes);
                tape.keep(name, asked, json!(bytes));
            }
        }
    }

    /// A time in nanoseconds; as text, since not every number of them fits into a float.
    fn time(&self, name: &str, now: impl FnOnce() -> u128) -> u128 {
        let Some(tape) = self.tape() else {
            return now();
        };
        let asked = json!([]);
        let known = tape.answer(name, &asked);
        if let Some(known) = known.as_ref() {
            return known
                .as_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
        }
        let now = now();
        tape.keep(name, asked, Value::from(now.to_string()));
        now
    }
}

/// A clock of the system, taped.
pub(super) struct TapedTime<C>(pub Head, pub C);

impl HostWallClock for TapedTime<WallClock> {
    fn resolution(&self) -> Duration {
        self.1.resolution()
    }

    fn now(&self) -> Duration {
        let nanos = self.0.time("clock.wasi-wall", || self.1.now().as_nanos());
        let second = 1_000_000_000;
        Duration::new(
            u64::try_from(nanos / second).unwrap_or(0),
            u32::try_from(nanos % second).unwrap_or(0),
        )
    }
}

impl HostMonotonicClock for TapedTime<MonotonicClock> {
    fn resolution(&self) -> u64 {
        self.1.resolution()
    }

    fn now(&self) -> u64 {
        let nanos = self
            .0
            .time("clock.wasi-monotonic", || u128::from(self.1.now()));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// The system's generator, taped.
pub(super) struct Chance(pub Head);

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill("random.wasi", &mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill("random.wasi", &mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill("random.wasi", bytes);
        Ok(())
    }
}
