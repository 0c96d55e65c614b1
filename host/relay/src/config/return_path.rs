//! `[return-path]`.

use std::time::Duration;

use baton_smtp::Mailbox;

use super::raw::Section;
use super::{Per, ReturnPath, network};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// None where there is no such section.
pub(super) fn return_path(section: &Section<'_, '_>) -> Option<ReturnPath> {
    let domain = section.parsed("domain", network::host_name);
    let per = section.choice(
        "per",
        &[
            ("transaction", Per::Transaction),
            ("recipient", Per::Recipient),
        ],
    );
    let valid_for = section.duration("valid-for", DAY, 400 * DAY);
    let rotate_after = section.duration("rotate-after", DAY, 400 * DAY);
    let key_file = section.file("key-file");
    let feedback = section.list("feedback", |text| mailbox(text).map(|m| m.to_string()));
    let postmaster = section.parsed("postmaster", mailbox);
    let header = section.flag("header");
    section.finish();
    let is_empty = section.is_empty();
    let Some(domain) = domain else {
        if !is_empty && section.get("domain", |_| Ok(())).is_none() {
            let hint = "add domain = \"bounce.example.net\": a name whose MX is this relay, and that has no other mail";
            section.wrong(
                section.span(),
                "domain",
                "return paths need a domain of their own",
                Some(hint),
            );
        }
        return None;
    };
    if let Some(found) = &postmaster
        && found.value.domain().as_str() == domain.value
    {
        let message = "the postmaster's mail would come back to the same domain";
        section.wrong(found.span.clone(), "postmaster", message, None);
    }
    let feedback = feedback.map_or_else(
        || vec![format!("fbl@{}", domain.value)],
        |found| {
            let lower = |one: super::raw::Located<String>| one.value.to_ascii_lowercase();
            found.into_iter().map(lower).collect()
        },
    );
    Some(ReturnPath {
        domain: domain.value,
        per: per.unwrap_or(Per::Transaction),
        valid_for: valid_for.map_or(60 * DAY, |found| found.value),
        rotate_after: rotate_after.map_or(30 * DAY, |found| found.value),
        key_file,
        feedback,
        postmaster: postmaster.map(|found| found.value),
        header: header.is_none_or(|found| found.value),
    })
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    Mailbox::parse(text).map_err(|e| format!("{text:?} is not an address: {e}"))
}
