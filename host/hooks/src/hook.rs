//! The hooks by name, and small sets of them.
//!
//! A hook is a variant and never a string, so that a typo does not compile instead of never running.

use std::fmt;

/// A place in the journey of a message where plugins are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Hook {
    /// A version of the plugin was loaded, or its configuration changed.
    Load,
    /// A socket was accepted, before the greeting.
    Connect,
    /// Credentials were presented.
    Auth,
    /// MAIL FROM.
    Mail,
    /// Each RCPT TO.
    Rcpt,
    /// The whole message was received.
    Data,
    /// Once per recipient, after [`Hook::Data`].
    Copy,
    /// Before an attempt.
    Route,
    /// A remote reply that is not success, or a failure without one.
    Reply,
    /// Final success.
    Delivered,
    /// A message arrived at a return-path address of the relay.
    Report,
    /// Permanent failure.
    Bounce,
    /// A complaint was reported.
    Feedback,
    /// HTTP below the plugin's own prefix.
    Request,
}

impl Hook {
    /// How many hooks there are.
    pub const COUNT: usize = 14;

    /// Every hook: the one before all mail, then in the order in which a message meets them.
    pub const ALL: [Hook; Hook::COUNT] = [
        Hook::Load,
        Hook::Connect,
        Hook::Auth,
        Hook::Mail,
        Hook::Rcpt,
        Hook::Data,
        Hook::Copy,
        Hook::Route,
        Hook::Reply,
        Hook::Delivered,
        Hook::Report,
        Hook::Bounce,
        Hook::Feedback,
        Hook::Request,
    ];

    /// The name of the interface in the contract, such as `on-data`.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Load => "on-load",
            Hook::Connect => "on-connect",
            Hook::Auth => "on-auth",
            Hook::Mail => "on-mail",
            Hook::Rcpt => "on-rcpt",
            Hook::Data => "on-data",
            Hook::Copy => "on-copy",
            Hook::Route => "on-route",
            Hook::Reply => "on-reply",
            Hook::Delivered => "on-delivered",
            Hook::Report => "on-report",
            Hook::Bounce => "on-bounce",
            Hook::Feedback => "on-feedback",
            Hook::Request => "on-request",
        }
    }

    /// The hook of that interface name.
    pub fn from_name(name: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.name() == name)
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of hooks.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct HookSet(u16);

impl HookSet {
    /// Whether the hook is in the set.
    pub fn contains(self, hook: Hook) -> bool {
        self.0 & (1 << hook as u8) != 0
    }

    /// Adds a hook.
    pub fn insert(&mut self, hook: Hook) {
        self.0 |= 1 << hook as u8;
    }

    /// The hooks that are in both.
    pub fn and(self, other: HookSet) -> HookSet {
        HookSet(self.0 & other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The hooks of the set, in the order of [`Hook::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Hook> {
        Hook::ALL
            .into_iter()
            .filter(move |hook| self.contains(*hook))
    }
}

impl FromIterator<Hook> for HookSet {
    fn from_iter<I: IntoIterator<Item = Hook>>(hooks: I) -> HookSet {
        let mut set = HookSet::default();
        hooks.into_iter().for_each(|hook| set.insert(hook));
        set
    }
}

impl fmt::Debug for HookSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_is_found_by_its_name_and_held_by_a_set() {
        for hook in Hook::ALL {
            assert_eq!(Hook::from_name(hook.name()), Some(hook));
            let set: HookSet = [hook].into_iter().collect();
            assert_eq!(set.iter().collect::<Vec<_>>(), [hook]);
        }
        assert_eq!(Hook::from_name("on-dta"), None);
    }
}
