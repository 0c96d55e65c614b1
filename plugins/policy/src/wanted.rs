//! Which hooks the configuration has a use for: one that no rule looks at is not called.

use baton_sdk::prelude::*;

use crate::lists::Of;
use crate::rate::{Count, Key};
use crate::settings::Settings;

/// The hooks of these settings, and of what was written into key-value.
pub fn hooks(settings: &Settings) -> Result<Vec<Hook>> {
    let blocks = kv::any("block/")?;
    let traps = kv::any("trap/")? || !settings.traps.is_empty();
    let remembers = settings.reputation.is_some();
    let rates = |count: Count| {
        let mut rates = settings.rates.iter();
        rates.any(|rate| rate.count == count && rate.per != Key::Key)
    };
    let lists = |links: bool| {
        let mut lists = settings.block_lists.iter();
        lists.any(|list| (list.of == Of::Links) == links)
    };
    Ok(Hook::needed([
        (Hook::OnConnect, blocks || !settings.blocked_ips.is_empty()),
        (Hook::OnAuth, rates(Count::Logins)),
        (
            Hook::OnMail,
            blocks
                || remembers
                || !settings.blocked_ips.is_empty()
                || !settings.blocked_senders.is_empty()
                || !settings.senders.is_empty()
                || lists(false)
                || rates(Count::Messages),
        ),
        (
            Hook::OnRcpt,
            traps || !settings.blocked_recipients.is_empty() || rates(Count::Recipients),
        ),
        (
            Hook::OnData,
            remembers
                || settings.rates.iter().any(|rate| rate.per == Key::Key)
                || settings.check_from && !settings.senders.is_empty()
                || !settings.brands.is_empty()
                || settings.impersonation.is_on_without_brands()
                || !settings.authentication.is_empty()
                || !settings.attachments.is_idle()
                || lists(true)
                || !settings.content.is_idle()
                || settings.scanner.is_some(),
        ),
        (Hook::OnReply, remembers),
        (Hook::OnBounce, remembers),
        (Hook::OnFeedback, remembers),
    ]))
}
