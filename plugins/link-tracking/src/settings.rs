//! `[plugins.link-tracking]`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Every key, with what holds where it is absent. The README explains them.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Where this plugin's pages are reached, without a final slash; the relay's own answer where absent.
    pub base_url: Option<String>,
    /// Rewrite links.
    pub clicks: bool,
    /// Add the pixel that reports an opening.
    pub opens: bool,
    /// Rewrite links in plain text too.
    pub text: bool,
    /// A copy with tokens of its own for each recipient of a message to several; otherwise they share one copy, and only a
    /// message to a single recipient tells who clicked.
    pub per_recipient: bool,
    /// Hosts whose links stay: "example.com" is that host, ".example.com" or "*.example.com" also what is below it.
    pub exclude_domains: Vec<String>,
    /// The header by which an application says what is tracked in its message.
    pub opt_out_header: String,
    /// Add List-Unsubscribe for one click (RFC 8058) where the message has none.
    pub list_unsubscribe: bool,
    /// The key that signs. Another id makes another key, and the old ones still verify.
    pub key_id: String,
    /// Key ids and the granted secrets they stand for; other keys are made at random and kept in key-value.
    pub key_secrets: BTreeMap<String, String>,
    /// Days after which a link is dead; never where 0.
    pub expire_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: None,
            clicks: true,
            opens: true,
            text: false,
            per_recipient: true,
            exclude_domains: Vec::new(),
            opt_out_header: "X-Baton-Track".to_owned(),
            list_unsubscribe: false,
            key_id: "1".to_owned(),
            key_secrets: BTreeMap::new(),
            expire_days: 0,
        }
    }
}

impl Settings {
    /// What is wrong in it, in words for the operator.
    pub fn check(mut self) -> Result<Self, String> {
        if let Some(base) = &mut self.base_url {
            let absolute = base.starts_with("https://") || base.starts_with("http://");
            if !absolute || base.contains(|c: char| !c.is_ascii_graphic() || "\"'<>&?#".contains(c))
            {
                return Err(format!(
                    "base-url: `{base}` is no http or https URL without query"
                ));
            }
            base.truncate(base.trim_end_matches('/').len());
        }
        if !crate::key::is_id(&self.key_id) {
            return Err(format!(
                "key-id: `{}` is not 1 to 16 letters, digits or dashes",
                self.key_id
            ));
        }
        if let Some(id) = self.key_secrets.keys().find(|id| !crate::key::is_id(id)) {
            return Err(format!(
                "key-secrets: `{id}` is not 1 to 16 letters, digits or dashes"
            ));
        }
        for domain in &mut self.exclude_domains {
            *domain = domain.trim_start_matches('*').to_ascii_lowercase();
            if domain.trim_start_matches('.').is_empty() {
                return Err("exclude-domains: an entry names no domain".to_owned());
            }
        }
        Ok(self)
    }

    /// Whether links to that host, in lower case, stay as they are.
    pub fn excludes(&self, host: &str) -> bool {
        self.exclude_domains
            .iter()
            .any(|domain| match domain.strip_prefix('.') {
                Some(parent) => host == parent || host.ends_with(domain.as_str()),
                None => host == domain,
            })
    }
}
