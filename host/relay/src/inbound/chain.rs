//! Messages that beget messages: which ones are being taken now, and how long their chain is already.
//!
//! A plugin that submits from a hook of a message that was itself submitted by a plugin could go on for ever. Messages in
//! the spool carry their number; those under way are here. Only chains are remembered, so this is nearly always empty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Length of the chain by message.
type Lengths = Arc<Mutex<HashMap<Arc<str>, u8>>>;

/// See the module.
#[derive(Default)]
pub struct Chains {
    under_way: Lengths,
}

/// Forgets the message when dropped.
pub struct UnderWay {
    of: Option<(Lengths, Arc<str>)>,
}

impl Chains {
    /// A message whose chain is so long is being taken.
    pub fn begin(&self, message: &Arc<str>, hops: u8) -> UnderWay {
        if hops == 0 {
            return UnderWay { of: None };
        }
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.insert(message.clone(), hops);
        UnderWay {
            of: Some((self.under_way.clone(), message.clone())),
        }
    }

    /// The length of the chain of a message that is being taken; none if it is none.
    pub fn hops(&self, message: &str) -> Option<u8> {
        let under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.get(message).copied()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some((under_way, message)) = self.of.take() {
            under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_known_as_long_as_its_message_is_being_taken() {
        let chains = Chains::default();
        let guard = chains.begin(&"a".into(), 2);
        let _none = chains.begin(&"b".into(), 0);
        assert_eq!((chains.hops("a"), chains.hops("b")), (Some(2), None));
        drop(guard);
        assert_eq!(chains.hops("a"), None);
    }
}
