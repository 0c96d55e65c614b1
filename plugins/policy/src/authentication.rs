//! What the relay found out about the sender's domain (SPF, DKIM, DMARC, ARC), in the words of RFC 8601.

use baton_sdk::prelude::*;

use crate::action::{Action, Finding};
use crate::settings::Settings;

/// Of mail that comes from elsewhere: who has an account has shown who they are.
pub fn findings(settings: &Settings, session: &Session) -> Vec<Finding> {
    if settings.authentication.is_empty() || session.account.is_some() {
        return Vec::new();
    }
    let results = context::authentication_results();
    // One signature that holds is enough, whatever the others are.
    let passes = |method: &str| {
        results
            .iter()
            .any(|(known, result)| known == method && result == "pass")
    };
    let mut found: Vec<Finding> = Vec::new();
    for ((method, result), action) in &settings.authentication {
        let met = results
            .iter()
            .any(|(known, given)| known == method && given == result);
        if *action == Action::Off || !met || (result != "pass" && passes(method)) {
            continue;
        }
        let text = format!(
            "The check of the sender's domain by {} said {result}; ask its postmaster",
            method.to_uppercase()
        );
        found.push(
            Finding::new(format!("{method}={result}"), *action, text)
                .status(status(method))
                .with("method", method.clone())
                .with("result", result.clone()),
        );
    }
    found
}

/// RFC 7372.
fn status(method: &str) -> &'static str {
    match method {
        "spf" => "7.23",
        "dkim" => "7.20",
        _ => "7.26",
    }
}
