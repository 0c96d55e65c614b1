//! What the README and the mappings promise.

use isp_responses::reason::REASONS;

#[test]
fn every_reason_has_its_words_in_other_services_and_its_line_in_the_readme() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let mappings: toml::Table = std::fs::read_to_string(format!("{folder}/mappings.toml"))
        .expect("mappings")
        .parse()
        .expect("TOML");
    let readme = std::fs::read_to_string(format!("{folder}/README.md")).expect("README");
    for reason in REASONS {
        let words = mappings.get(reason.name()).and_then(|w| w.as_table());
        let words = words.unwrap_or_else(|| panic!("no mapping for {}", reason.name()));
        for service in ["ses", "mailgun", "postmark", "sparkpost", "kumomta"] {
            let word = words.get(service).and_then(|w| w.as_str()).expect("a word");
            assert!(readme.contains(word), "{} of {service}", word);
        }
        assert!(
            readme.matches(&format!("| `{}` |", reason.name())).count() >= 2,
            "{}",
            reason.name()
        );
    }
    assert_eq!(mappings.len(), REASONS.len());
}

#[test]
fn the_words_of_other_services_are_those_that_they_publish() {
    // Bounce types of Postmark's API, and bounce types of Amazon SES's notifications.
    const POSTMARK: [&str; 23] = [
        "HardBounce",
        "Transient",
        "Unsubscribe",
        "Subscribe",
        "AutoResponder",
        "AddressChange",
        "DnsError",
        "SpamNotification",
        "OpenRelayTest",
        "Unknown",
        "SoftBounce",
        "VirusNotification",
        "ChallengeVerification",
        "BadEmailAddress",
        "SpamComplaint",
        "ManuallyDeactivated",
        "Unconfirmed",
        "Blocked",
        "SMTPApiError",
        "InboundError",
        "DMARCPolicy",
        "TemplateRenderingFailed",
        "Delivery",
    ];
    const SES: [&str; 12] = [
        "Undetermined/Undetermined",
        "Permanent/General",
        "Permanent/NoEmail",
        "Permanent/Suppressed",
        "Transient/General",
        "Transient/MailboxFull",
        "Transient/MessageTooLarge",
        "Transient/ContentRejected",
        "Transient/AttachmentRejected",
        "Complaint",
        "DeliveryDelay",
        "Delivery",
    ];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings.toml");
    let mappings: toml::Table = std::fs::read_to_string(path)
        .expect("mappings")
        .parse()
        .expect("TOML");
    for (reason, words) in &mappings {
        for (service, published) in [("postmark", &POSTMARK[..]), ("ses", &SES[..])] {
            let word = words.get(service).and_then(|w| w.as_str()).expect("a word");
            assert!(
                word == "-" || published.contains(&word),
                "{word} of {service} for {reason}"
            );
        }
    }
}
