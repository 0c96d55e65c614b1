//! What receive-side hooks decide, as plain data the engine understands.
//!
//! A verdict is what the whole chain came to: one plugin's final decision, a fault and its policy, or nothing.

use std::fmt;

use baton_smtp::{EnhancedStatus, Mailbox, Reply};

use crate::delivery::Route;
use crate::fault::Fault;
use crate::hook::Hook;
use crate::settings::FaultPolicy;

/// What a chain of receive-side hooks came to. Reasons to hold are beside it, in [`crate::Sitting::holds`]: they neither
/// end the chain nor change what the peer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No plugin had an opinion.
    Pass,
    /// A plugin said yes. The relay's own safety rules still hold.
    Accept,
    /// 5xx.
    Reject(Reply),
    /// 4xx.
    Defer(Reply),
    /// Say 250 and drop it.
    Discard,
    /// Reply (4xx or 5xx), then close the connection.
    Disconnect(Reply),
}

impl Verdict {
    /// Whether the mail goes on.
    pub fn passes(&self) -> bool {
        matches!(self, Verdict::Pass | Verdict::Accept)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Pass => f.write_str("next"),
            Verdict::Accept => f.write_str("accept"),
            Verdict::Reject(reply) => write!(f, "reject {reply}"),
            Verdict::Defer(reply) => write!(f, "defer {reply}"),
            Verdict::Discard => f.write_str("discard"),
            Verdict::Disconnect(reply) => write!(f, "disconnect {reply}"),
        }
    }
}

/// What a chain of `on-rcpt` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientVerdict {
    /// As for any hook.
    Decide(Verdict),
    /// Accept, and deliver to others instead.
    Rewrite(Rewritten),
}

/// What became of the addresses that plugins put in the place of one recipient, once the plugins after them were asked too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Deliver to these; each once, and never empty in a verdict.
    pub to: Vec<Mailbox>,
    /// A later plugin refused these for good, each with its reply. The peer has its 250 for the others: the sender is to be
    /// told by a notification.
    pub refused: Vec<(Mailbox, Reply)>,
    /// A later plugin dropped these: each with the plugin's name.
    pub discarded: Vec<(Mailbox, String)>,
}

/// What a chain of `on-auth` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthVerdict {
    /// No plugin knows; the relay's own accounts decide.
    Pass,
    /// The credentials are those of this account.
    Allow(String),
    /// They are wrong.
    Deny,
    /// Nobody can tell now: 454 4.7.0.
    Defer,
}

/// What a chain of `on-route` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteVerdict {
    /// The relay's default route.
    Default,
    /// This one.
    Route(Route),
    /// A plugin faulted and its policy is not `skip`: sending by a wrong route may be worse than sending late.
    Defer,
}

/// Whether the sender is told of a permanent failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BounceVerdict {
    /// RFC 3464.
    Notify,
    /// Nothing is sent.
    Silent,
}

/// The verdict a fault stands for, or none for `skip`. The text is bland: the peer learns nothing about plugins.
pub(crate) fn of_fault(policy: FaultPolicy, fault: &Fault, hook: Hook) -> Option<Verdict> {
    match policy {
        FaultPolicy::Skip => None,
        // A pool that is exhausted is our own trouble: nobody's mail is refused for good.
        FaultPolicy::Reject if *fault != Fault::Exhausted => {
            let code = if matches!(hook, Hook::Connect | Hook::Data) {
                554
            } else {
                550
            };
            Some(Verdict::Reject(Reply::new(
                code,
                EnhancedStatus::new(5, 3, 0),
                "Cannot be processed here",
            )))
        }
        FaultPolicy::Defer | FaultPolicy::Reject => Some(Verdict::Defer(Reply::new(
            451,
            EnhancedStatus::new(4, 3, 0),
            "Local trouble, try again later",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_becomes_what_its_policy_says() {
        let fault = Fault::Cpu;
        assert_eq!(of_fault(FaultPolicy::Skip, &fault, Hook::Data), None);
        let Some(Verdict::Defer(reply)) = of_fault(FaultPolicy::Defer, &fault, Hook::Data) else {
            panic!("no defer");
        };
        assert_eq!(
            reply.to_string(),
            "451 4.3.0 Local trouble, try again later"
        );
        let Some(Verdict::Reject(reply)) = of_fault(FaultPolicy::Reject, &fault, Hook::Data) else {
            panic!("no reject");
        };
        assert_eq!(reply.code(), 554);
        let exhausted = of_fault(FaultPolicy::Reject, &Fault::Exhausted, Hook::Rcpt);
        assert!(matches!(exhausted, Some(Verdict::Defer(_))));
    }
}
