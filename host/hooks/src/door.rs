//! The host functions, below all contract versions: budgets, limits and grants are kept here.
//!
//! The outer error of each function is a fault and ends the call; the inner one is an answer to the plugin.

mod context;
mod message;
mod taped;
mod world;

use crate::fault::Fault;
use crate::guest::Guest;
use crate::services::{PluginEvent, PluginEventKind};

pub(crate) use message::DraftError;
pub(crate) use taped::{octets, read_octets};

/// A fault, or what the plugin gets to hear.
pub(crate) type Met<T> = Result<T, Fault>;

impl Guest {
    /// Counts a host call.
    pub fn enter(&mut self) -> Met<()> {
        match self.call.calls.checked_sub(1) {
            Some(left) => {
                self.call.calls = left;
                Ok(())
            }
            None => Err(Fault::HostCalls),
        }
    }

    /// Counts a host call that waits; false where the budget of the call is used up.
    fn may_wait(&mut self) -> bool {
        match self.call.waits.checked_sub(1) {
            Some(left) => {
                self.call.waits = left;
                true
            }
            None => false,
        }
    }

    /// Says once for each version of a plugin that it asks for something it was not granted.
    fn not_granted(&mut self, capability: &str) {
        if self.plugin.health.first_refusal(capability)
            && let Some(desk) = &self.desk
        {
            desk.house.services.event(PluginEvent {
                plugin: &self.plugin.name,
                message: desk.message_id.as_deref(),
                kind: PluginEventKind::NotGranted { capability },
            });
        }
    }
}
