//! The window: which due entries are in memory now, and whose turn it is.
//!
//! The spool may hold millions of entries; here are at most `leased_max`. An entry is *leased* from the moment it is seen
//! due until its outcome is durable, and *active* from the moment it is handed out to be routed and attempted. Each
//! domain has its own share of the active ones, and domains take turns, so that a slow one never slows another. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

/// How much may be in memory.
#[derive(Clone, Copy, Debug)]
pub struct WindowLimits {
    /// Entries in memory; further due ones wait in the spool.
    pub leased_max: usize,
    /// Entries of one domain in memory.
    pub leased_per_domain_max: usize,
    /// Entries that are being routed, queued for a site, or attempted.
    pub active_max: usize,
    /// The same of one domain; an eighth of it while more than half of `active_max` is in use.
    pub active_per_domain_max: usize,
}

/// Recipients of one message that are handed out together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<M, P> {
    pub message: M,
    /// What the one who admitted it knows of the message.
    pub payload: P,
    /// Number of each recipient within the message, and its domain.
    pub recipients: Vec<(u32, Arc<str>)>,
}

/// See the module.
#[derive(Debug)]
pub struct Window<M, P> {
    limits: WindowLimits,
    leased: HashSet<(M, u32)>,
    domains: HashMap<Arc<str>, DomainShare<M, P>>,
    ready: VecDeque<Group<M, P>>,
    turn: VecDeque<Arc<str>>,
    active: usize,
}

#[derive(Debug)]
struct DomainShare<M, P> {
    backlog: VecDeque<Group<M, P>>,
    leased: usize,
    active: usize,
    has_turn: bool,
}

impl<M, P> Default for DomainShare<M, P> {
    fn default() -> Self {
        DomainShare {
            backlog: VecDeque::new(),
            leased: 0,
            active: 0,
            has_turn: false,
        }
    }
}

impl<M: Copy + Eq + Hash, P: Clone> Window<M, P> {
    /// An empty window.
    pub fn new(limits: WindowLimits) -> Window<M, P> {
        Window {
            limits,
            leased: HashSet::new(),
            domains: HashMap::new(),
            ready: VecDeque::new(),
            turn: VecDeque::new(),
            active: 0,
        }
    }

    /// Leases those recipients that are not leased already. False if some found no room: they must be offered again
    /// when there is some.
    pub fn admit(&mut self, message: M, payload: P, recipients: Vec<(u32, Arc<str>)>) -> bool {
        let mut all_admitted = true;
        let mut ready = Vec::new();
        for (number, domain) in recipients {
            if self.leased.contains(&(message, number)) {
                continue;
            }
            let full = self.leased.len() >= self.limits.leased_max
                || self
                    .domains
                    .get(&domain)
                    .is_some_and(|d| d.leased >= self.limits.leased_per_domain_max);
            if full {
                all_admitted = false;
                continue;
            }
            self.leased.insert((message, number));
            let share_max = self.share_max();
            let room = self.active < self.limits.active_max;
            let domain_share = self.domains.entry(domain.clone()).or_default();
            domain_share.leased += 1;
            if room && domain_share.backlog.is_empty() && domain_share.active < share_max {
                domain_share.active += 1;
                self.active += 1;
                ready.push((number, domain));
            } else {
                domain_share.push_back(message, &payload, number, domain.clone());
                if !domain_share.has_turn {
                    domain_share.has_turn = true;
                    self.turn.push_back(domain);
                }
            }
        }
        if !ready.is_empty() {
            self.ready.push_back(Group {
                message,
                payload,
                recipients: ready,
            });
        }
        all_admitted
    }

    /// The next recipients to work on, if any may be begun now.
    pub fn take(&mut self) -> Option<Group<M, P>> {
        if let Some(group) = self.ready.pop_front() {
            return Some(group);
        }
        for _ in 0..self.turn.len() {
            if self.active >= self.limits.active_max {
                return None;
            }
            let share_max = self.share_max();
            let domain = self.turn.pop_front()?;
            let Some(share) = self.domains.get_mut(&domain) else {
                continue;
            };
            share.has_turn = false;
            if share.active >= share_max {
                continue;
            }
            let Some(group) = share.backlog.pop_front() else {
                continue;
            };
            share.active += group.recipients.len();
            self.active += group.recipients.len();
            if !share.backlog.is_empty() {
                share.has_turn = true;
                self.turn.push_back(domain);
            }
            return Some(group);
        }
        None
    }

    /// Whether there may be something to work on.
    pub fn has_more(&self) -> bool {
        !self.ready.is_empty() || !self.turn.is_empty()
    }

    /// The outcome of an active recipient is durable, or it was given back undone.
    pub fn release(&mut self, message: M, number: u32, domain: &Arc<str>) {
        if !self.leased.remove(&(message, number)) {
            return;
        }
        self.active -= 1;
        if let Some(share) = self.domains.get_mut(domain) {
            share.leased -= 1;
            share.active -= 1;
            if !share.backlog.is_empty() && !share.has_turn {
                share.has_turn = true;
                self.turn.push_back(domain.clone());
            } else if share.leased == 0 && !share.has_turn {
                self.domains.remove(domain);
            }
        }
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.leased.len() < self.limits.leased_max
    }

    /// Entries in memory.
    pub fn leased(&self) -> usize {
        self.leased.len()
    }

    /// Entries that are being worked on.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Whether this entry is in memory.
    pub fn holds(&self, message: M, number: u32) -> bool {
        self.leased.contains(&(message, number))
    }

    fn share_max(&self) -> usize {
        let whole = self.limits.active_per_domain_max;
        if self.active * 2 > self.limits.active_max {
            (whole / 8).max(1)
        } else {
            whole
        }
    }
}

impl<M: Copy + Eq, P: Clone> DomainShare<M, P> {
    /// Recipients of one message that come one after the other stay together.
    fn push_back(&mut self, message: M, payload: &P, number: u32, domain: Arc<str>) {
        match self.backlog.back_mut() {
            Some(last) if last.message == message => last.recipients.push((number, domain)),
            _ => self.backlog.push_back(Group {
                message,
                payload: payload.clone(),
                recipients: vec![(number, domain)],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window<u64, ()> {
        Window::new(WindowLimits {
            leased_max: 100,
            leased_per_domain_max: 50,
            active_max: 20,
            active_per_domain_max: 8,
        })
    }

    fn to(domains: &[&str]) -> Vec<(u32, Arc<str>)> {
        domains
            .iter()
            .enumerate()
            .map(|(n, d)| (n as u32, Arc::from(*d)))
            .collect()
    }

    fn release_all(window: &mut Window<u64, ()>, group: &Group<u64, ()>) {
        for (number, domain) in &group.recipients {
            window.release(group.message, *number, domain);
        }
    }

    #[test]
    fn recipients_of_one_message_are_handed_out_together() {
        let mut window = window();
        assert!(window.admit(1, (), to(&["a", "b", "a"])));
        let group = window.take().expect("a group");
        assert_eq!(group.recipients, to(&["a", "b", "a"]));
        assert_eq!(window.take(), None);
    }

    #[test]
    fn an_entry_is_leased_once_until_it_is_released() {
        let mut window = window();
        window.admit(1, (), to(&["a"]));
        window.admit(1, (), to(&["a"]));
        let group = window.take().expect("a group");
        assert_eq!(window.take(), None);
        window.admit(1, (), to(&["a"]));
        assert_eq!(window.take(), None);
        release_all(&mut window, &group);
        assert_eq!((window.leased(), window.active()), (0, 0));
        window.admit(1, (), to(&["a"]));
        assert!(window.take().is_some());
    }

    #[test]
    fn a_domain_that_is_stuck_does_not_hold_up_another() {
        let mut window = window();
        for message in 0..40 {
            window.admit(message, (), to(&["stuck"]));
        }
        window.admit(40, (), to(&["quick", "stuck"]));
        let mut quick = 0;
        let mut stuck = 0;
        while let Some(group) = window.take() {
            for (_, domain) in &group.recipients {
                if &**domain == "quick" {
                    quick += 1
                } else {
                    stuck += 1
                }
            }
        }
        assert_eq!((quick, stuck), (1, 8));
    }

    #[test]
    fn what_waits_comes_out_as_others_finish_and_nothing_is_lost() {
        let mut window = window();
        for message in 0..40 {
            assert!(window.admit(message, (), to(&["a", "b"])));
        }
        let mut seen = HashSet::new();
        let mut under_way = VecDeque::new();
        loop {
            while let Some(group) = window.take() {
                for (number, _) in &group.recipients {
                    assert!(seen.insert((group.message, *number)), "handed out twice");
                }
                under_way.push_back(group);
            }
            assert!(window.active() <= 20);
            let Some(done) = under_way.pop_front() else {
                break;
            };
            release_all(&mut window, &done);
        }
        assert_eq!(seen.len(), 80);
        assert_eq!(
            (window.leased(), window.active(), window.domains.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_domain_and_the_window_have_limits_and_say_so() {
        let mut window = window();
        let admitted = (0..60).filter(|m| window.admit(*m, (), to(&["a"]))).count();
        assert_eq!(admitted, 50);
        let admitted = (100..200)
            .filter(|m| window.admit(*m, (), to(&["b"])))
            .count();
        assert_eq!(admitted, 50);
        assert!(!window.admit(300, (), to(&["c"])));
        assert!(!window.has_room());
    }
}
