//! Patterns of domains: `example.com`, `.example.com` for all below it (and `*.example.com`, the same), or `*`; and lists of them as operators
//! write them.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// A pattern as the operator wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Pattern<'a>(&'a str);

impl<'a> Pattern<'a> {
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// What is wrong with it.
    pub fn check(self) -> Result<(), String> {
        let domain = self
            .0
            .strip_prefix("*.")
            .or_else(|| self.0.strip_prefix('.'))
            .unwrap_or(self.0);
        if !self.0.is_ascii() {
            return Err(format!("`{}` must be in its ASCII form (xn--...)", self.0));
        }
        if self.0.contains('@') {
            return Err(format!("`{}` is an address; a domain is wanted", self.0));
        }
        if self.0 == "*" || is_domain(domain) || is_literal(self.0) {
            return Ok(());
        }
        Err(format!(
            "`{}` is no domain, no \".domain\" and no \"*\"",
            self.0
        ))
    }

    /// Whether it covers that domain; a literal address such as `[192.0.2.1]` is one too.
    pub fn matches(self, domain: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        match self
            .0
            .strip_prefix("*.")
            .or_else(|| self.0.strip_prefix('.'))
        {
            Some(parent) => domain.len().checked_sub(parent.len()).is_some_and(|start| {
                start > 1
                    && domain.as_bytes()[start - 1] == b'.'
                    && domain.as_bytes()[start..].eq_ignore_ascii_case(parent.as_bytes())
            }),
            None => domain.eq_ignore_ascii_case(self.0),
        }
    }
}

/// RFC 1123 2.1, with the underscore that some have.
pub fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_literal(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']')
}

/// A text, or a list of texts.
pub fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            if texts.is_empty() {
                return Err(de::Error::custom(
                    "an empty list matches nothing; leave the key out to match all",
                ));
            }
            Ok(texts)
        }
    }

    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_and_a_dotted_one_what_is_below() {
        for (pattern, domain, expected) in [
            ("a.test", "a.test", true),
            ("A.test", "a.TEST", true),
            ("a.test", "b.a.test", false),
            (".a.test", "b.a.test", true),
            ("*.a.test", "c.b.a.test", true),
            (".a.test", "a.test", false),
            (".a.test", "ba.test", false),
            (".a.test", ".a.test", false),
            ("*", "", true),
            ("[192.0.2.1]", "[192.0.2.1]", true),
            ("a.test", "", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(domain),
                expected,
                "{pattern} {domain}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for pattern in [
            "",
            ".",
            "*.",
            "a..b",
            "a b",
            "x@a.test",
            "münchen.test",
            "-a.test",
            "**",
        ] {
            assert!(Pattern::new(pattern).check().is_err(), "{pattern}");
        }
        for pattern in [
            "a.test",
            ".a.test",
            "*.a.test",
            "*",
            "localhost",
            "xn--mnchen-3ya.test",
            "[192.0.2.1]",
            "_x.test",
        ] {
            assert_eq!(Pattern::new(pattern).check(), Ok(()), "{pattern}");
        }
    }
}
