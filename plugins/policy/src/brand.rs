//! Who pretends to be somebody: domains that look like a protected brand's, names in front of an address that say something
//! else than the address.
//!
//! Domains are compared by their skeletons (UTS 39): what looks alike has the same one. The forms of digits and pairs of letters
//! that deceive in lower case are folded as well, and hyphens left out.

use baton_sdk::prelude::*;
use unicode_security::skeleton;

use crate::action::{Action, Finding};

/// One `[[plugins.policy.brands]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Brand {
    /// As people know it, such as "Example Bank".
    name: String,
    /// All its domains; what is below them is its own too.
    domains: Vec<String>,
    /// Who may send as this brand; anybody where absent (`senders` says more).
    #[serde(default)]
    accounts: Vec<String>,
}

/// `[plugins.policy.impersonation]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Impersonation {
    /// A domain that looks as a brand's does.
    look_alike: Action,
    /// A brand's word in a domain that is not its own.
    embedded: Action,
    /// One letter off.
    typo: Action,
    /// A brand's name in front of an address that is not its own.
    brand_name: Action,
    /// A brand's own domain, from an account that may not.
    brand_domain: Action,
    /// A name that carries an address of another domain.
    display_address: Action,
}

impl Default for Impersonation {
    fn default() -> Self {
        Self {
            look_alike: Action::Reject,
            embedded: Action::Tag,
            typo: Action::Tag,
            brand_name: Action::Tag,
            brand_domain: Action::Reject,
            display_address: Action::Off,
        }
    }
}

impl Impersonation {
    /// Whether a rule is on that asks for no brand.
    pub fn is_on_without_brands(&self) -> bool {
        self.display_address != Action::Off
    }
}

impl Brand {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.domains.is_empty() {
            return Err("a name and at least one domain are wanted".to_owned());
        }
        for domain in &self.domains {
            let is_good = domain.is_ascii()
                && domain.contains('.')
                && *domain == domain.to_ascii_lowercase()
                && domain.split('.').all(|label| !label.is_empty())
                && !domain.contains(|c: char| c.is_whitespace() || "@*".contains(c));
            if !is_good {
                return Err(format!(
                    "`{domain}` is no domain in lower case and in its ASCII form (xn--...)"
                ));
            }
        }
        Ok(())
    }

    fn owns(&self, domain: &str) -> bool {
        self.domains.iter().any(|own| {
            domain
                .strip_suffix(own.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

/// What a message says about its author.
pub struct Claims<'a> {
    /// Every domain that stands for the author: From, Reply-To, the envelope's sender.
    pub domains: Vec<String>,
    /// The From field, decoded.
    pub from: &'a str,
    /// Domains of the From field alone.
    pub authors: Vec<String>,
    pub account: Option<&'a str>,
}

/// Every pretence that was found.
pub fn findings(rules: &Impersonation, brands: &[Brand], claims: &Claims<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for domain in &claims.domains {
        let owner = brands.iter().find(|brand| brand.owns(domain));
        match owner {
            Some(brand) => found.extend(brand_domain(rules, brand, domain, claims.account)),
            None => found.extend(
                brands
                    .iter()
                    .find_map(|brand| pretends(rules, brand, domain)),
            ),
        }
    }
    found.extend(
        brands
            .iter()
            .find_map(|brand| brand_name(rules, brand, claims)),
    );
    found.extend(display_address(rules, claims));
    found.retain(|finding| finding.action != Action::Off);
    found
}

fn brand_domain(
    rules: &Impersonation,
    brand: &Brand,
    domain: &str,
    account: Option<&str>,
) -> Option<Finding> {
    let may = brand.accounts.is_empty()
        || account.is_some_and(|account| brand.accounts.iter().any(|known| known == account));
    (!may).then(|| {
        let text = format!(
            "The domain {domain} belongs to {}, for whom you may not send",
            brand.name
        );
        finding("brand-domain", rules.brand_domain, text, brand, domain)
    })
}

fn pretends(rules: &Impersonation, brand: &Brand, domain: &str) -> Option<Finding> {
    let shown = unicode(domain);
    let folded = fold(&shown);
    for own in &brand.domains {
        let target = fold(&unicode(own));
        if suffixes(&folded).any(|suffix| suffix == target) {
            let text = format!(
                "The domain {domain} looks like {own}, which belongs to {}; write from a domain of your own",
                brand.name
            );
            return Some(finding("look-alike", rules.look_alike, text, brand, domain));
        }
        let word = target.split('.').next().unwrap_or_default();
        let labels = || folded_labels(&shown);
        if word.chars().count() >= EMBEDDED_CHARACTERS_MIN && labels().any(|label| label == word) {
            let text = format!(
                "The domain {domain} carries the name of {}, to whom it does not belong",
                brand.name
            );
            return Some(finding(
                "brand-in-domain",
                rules.embedded,
                text,
                brand,
                domain,
            ));
        }
        if word.chars().count() >= TYPO_CHARACTERS_MIN
            && labels().any(|label| is_one_off(&label, word))
        {
            let text = format!(
                "The domain {domain} is one letter away from {own}, which belongs to {}",
                brand.name
            );
            return Some(finding("typo", rules.typo, text, brand, domain));
        }
    }
    None
}

/// Shorter words stand in too many honest names.
const EMBEDDED_CHARACTERS_MIN: usize = 4;
const TYPO_CHARACTERS_MIN: usize = 6;

fn finding(rule: &str, action: Action, text: String, brand: &Brand, domain: &str) -> Finding {
    Finding::new(rule, action, text)
        .with("brand", brand.name.clone())
        .with("domain", domain)
        .abuse()
}

fn brand_name(rules: &Impersonation, brand: &Brand, claims: &Claims<'_>) -> Option<Finding> {
    if rules.brand_name == Action::Off || claims.authors.iter().all(|domain| brand.owns(domain)) {
        return None;
    }
    let name = words(&brand.name);
    let display: String = claims
        .from
        .split_once('<')
        .map_or("", |(display, _)| display)
        .chars()
        .collect();
    if !format!(" {} ", words(&display)).contains(&format!(" {name} ")) {
        return None;
    }
    let text = format!(
        "The name of {} stands in front of an address that is not theirs",
        brand.name
    );
    let domain = claims.authors.first().map_or("", String::as_str);
    Some(finding("brand-name", rules.brand_name, text, brand, domain))
}

fn display_address(rules: &Impersonation, claims: &Claims<'_>) -> Option<Finding> {
    if rules.display_address == Action::Off {
        return None;
    }
    let is_part = |c: char| c.is_alphanumeric() || ".-_+@".contains(c);
    let other = claims
        .from
        .split(|c: char| !is_part(c))
        .filter_map(|token| token.trim_matches(['.', '-']).rsplit_once('@'))
        .map(|(_, domain)| domain.to_ascii_lowercase())
        .find(|domain| domain.contains('.') && !claims.authors.contains(domain))?;
    let author = claims.authors.first().map_or("", String::as_str);
    let text = format!(
        "The name in the From field shows an address at {other}, but the message is from {author}; leave the address out of the name"
    );
    Some(
        Finding::new("display-address", rules.display_address, text)
            .with("shown", other)
            .with("domain", author)
            .abuse(),
    )
}

/// As people see it: labels in punycode decoded.
fn unicode(domain: &str) -> String {
    let decoded = domain.split('.').map(|label| {
        label
            .strip_prefix("xn--")
            .and_then(crate::punycode::decode)
            .unwrap_or_else(|| label.to_owned())
    });
    decoded.collect::<Vec<_>>().join(".")
}

/// What looks alike becomes the same.
fn fold(text: &str) -> String {
    let skeleton: String = match text.is_ascii() {
        true => text.to_owned(),
        false => skeleton(text).collect(),
    };
    let mut folded = String::with_capacity(skeleton.len());
    for c in skeleton.to_lowercase().chars() {
        match c {
            '-' => {}
            '0' => folded.push('o'),
            '1' | '|' | 'i' | 'j' => folded.push('l'),
            '3' => folded.push('e'),
            '4' => folded.push('a'),
            '5' => folded.push('s'),
            '8' => folded.push('b'),
            'm' => folded.push_str("rn"),
            // Accents that the skeleton keeps apart.
            '\u{300}'..='\u{36f}' => {}
            other => folded.push(other),
        }
    }
    folded.replace("vv", "w").replace("cl", "d")
}

/// `a.b.c`, `b.c` and `c`.
fn suffixes(domain: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(domain);
    std::iter::from_fn(move || {
        let now = rest?;
        rest = now.split_once('.').map(|(_, above)| above);
        Some(now)
    })
}

/// Labels, and what hyphens divide in them.
fn folded_labels(shown: &str) -> impl Iterator<Item = String> {
    let pieces = shown.split('.').flat_map(|label| {
        let parts = label.contains('-').then(|| label.split('-'));
        std::iter::once(label).chain(parts.into_iter().flatten())
    });
    pieces.map(fold)
}

/// Damerau: one letter more, less, another, or two exchanged.
fn is_one_off(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 1 || a == b {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (x, y) = (&a[same..], &b[same..]);
    match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Less => *x == y[1..],
        std::cmp::Ordering::Greater => x[1..] == *y,
        std::cmp::Ordering::Equal => {
            x[1..] == y[1..] || (x.len() > 1 && x[0] == y[1] && x[1] == y[0] && x[2..] == y[2..])
        }
    }
}

/// Letters and digits in lower case, one space between words, what looks alike folded.
fn words(text: &str) -> String {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    let folded: Vec<String> = words.filter(|word| !word.is_empty()).map(fold).collect();
    folded.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brand() -> Brand {
        Brand {
            name: "Example Bank".to_owned(),
            domains: vec!["paypal.test".to_owned(), "example-bank.test".to_owned()],
            accounts: Vec::new(),
        }
    }

    fn rules() -> Impersonation {
        Impersonation {
            display_address: Action::Tag,
            ..Impersonation::default()
        }
    }

    fn rule_of(domain: &str) -> Option<String> {
        let claims = Claims {
            domains: vec![domain.to_owned()],
            from: "",
            authors: vec![domain.to_owned()],
            account: None,
        };
        let found = findings(&rules(), &[brand()], &claims);
        found.first().map(|finding| finding.rule.clone())
    }

    #[test]
    fn domains_that_look_alike_are_found_in_every_script() {
        for (domain, expected) in [
            ("paypal.test", None),
            ("mail.paypal.test", None),
            ("paypa1.test", Some("look-alike")),
            ("mail.paypa1.test", Some("look-alike")),
            ("pay-pal.test", Some("look-alike")),
            // Cyrillic letters: раураl, and one alone.
            ("xn--l-7sba6dbr.test", Some("look-alike")),
            ("xn--pypal-4ve.test", Some("look-alike")),
            ("paypal.evil.test", Some("brand-in-domain")),
            ("secure-paypal-login.evil.test", Some("brand-in-domain")),
            ("paypal.test.evil.test", Some("brand-in-domain")),
            ("paypol.test", Some("typo")),
            ("paypaal.test", Some("typo")),
            ("apypal.test", Some("typo")),
            ("unrelated.test", None),
            ("pal.test", None),
            ("exarnple-bank.test", Some("look-alike")),
            ("xn--", None),
            ("xn--99999999999.test", None),
        ] {
            assert_eq!(
                rule_of(domain).as_deref(),
                expected,
                "{domain} {}",
                unicode(domain)
            );
        }
    }

    #[test]
    fn names_that_say_something_else_than_the_address_are_found() {
        for (from, author, expected) in [
            (
                "Example Bank <x@evil.test>",
                "evil.test",
                vec!["brand-name"],
            ),
            (
                "\"The EXAMPLE-bank team\" <x@evil.test>",
                "evil.test",
                vec!["brand-name"],
            ),
            (
                "Ехample Bank <x@evil.test>",
                "evil.test",
                vec!["brand-name"],
            ),
            ("Example Banking <x@evil.test>", "evil.test", vec![]),
            ("Example Bank <x@paypal.test>", "paypal.test", vec![]),
            (
                "boss@firm.test <x@evil.test>",
                "evil.test",
                vec!["display-address"],
            ),
            ("x@evil.test <x@evil.test>", "evil.test", vec![]),
            ("Ann @ home <x@evil.test>", "evil.test", vec![]),
        ] {
            let claims = Claims {
                domains: vec![author.to_owned()],
                from,
                authors: vec![author.to_owned()],
                account: None,
            };
            let found = findings(&rules(), &[brand()], &claims);
            let rules: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
            assert_eq!(rules, expected, "{from}");
        }
    }

    #[test]
    fn a_brands_own_domain_is_for_its_accounts() {
        let brand = Brand {
            accounts: vec!["bank".to_owned()],
            ..brand()
        };
        let of = |account: Option<&str>| {
            let claims = Claims {
                domains: vec!["paypal.test".to_owned()],
                from: "",
                authors: vec!["paypal.test".to_owned()],
                account,
            };
            findings(&rules(), std::slice::from_ref(&brand), &claims).len()
        };
        assert_eq!((of(Some("bank")), of(Some("shop")), of(None)), (0, 1, 1));
    }

    #[test]
    fn one_letter_off_is_one_letter() {
        for (a, b, expected) in [
            ("abc", "abc", false),
            ("abc", "abd", true),
            ("abc", "ab", true),
            ("abc", "xabc", true),
            ("abc", "acb", true),
            ("abc", "cba", false),
            ("", "a", true),
            ("abcd", "abef", false),
        ] {
            assert_eq!(is_one_off(a, b), expected, "{a} {b}");
            assert_eq!(is_one_off(b, a), expected, "{b} {a}");
        }
    }
}
