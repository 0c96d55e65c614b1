//! Takes all memory it can get and touches it.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            hoard.push(vec![hoard.len() as u8 | 1; 1 << 20]);
            std::hint::black_box(&hoard);
        }
    }
}
