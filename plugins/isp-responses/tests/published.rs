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
