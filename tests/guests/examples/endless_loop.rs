//! Never comes back.

use baton_sdk::prelude::*;

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_rcpt(
        &mut self,
        _: &Session,
        _: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        let mut n = recipient.address.local.len() as u64;
        while std::hint::black_box(n) != 0 {
            n = n.wrapping_mul(3) | 1;
        }
        Ok(Decision::Next.into())
    }
}
