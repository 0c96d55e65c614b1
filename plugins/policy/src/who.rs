//! Who really sent this: an account, an address, or the script behind a shared host. One key stands for them in rates, in
//! reputations and in events.
//!
//! Web hosts send the mail of thousands of sites through one account or address. Their mailers write the script or the
//! authenticated user into the header section; where the operator says that a client is such a host, that is believed. The key
//! of a script begins with that of its host, so that nobody can be blamed from elsewhere.

use baton_sdk::prelude::*;

use crate::matcher::{Network, counted_ip};

/// Characters of a script that tell it from others.
const SCRIPT_CHARACTERS_MAX: usize = 160;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The account, or the address where there is none: `account:shop`, `address:192.0.2.1`.
    pub base: String,
    /// The script's key, where one is known.
    pub script: Option<String>,
}

/// The tags that carry it to the deliveries.
const KEY_TAG: &str = "policy.key";
const BASE_TAG: &str = "policy.base";

impl Who {
    pub fn of(session: &Session) -> Self {
        let base = match &session.account {
            Some(account) => format!("account:{}", clip(account)),
            None => format!("address:{}", counted_ip(&session.peer_ip)),
        };
        Self { base, script: None }
    }

    /// The one key.
    pub fn key(&self) -> &str {
        self.script.as_deref().unwrap_or(&self.base)
    }

    /// As the sender should read it.
    pub fn words(&self) -> String {
        let key = self.key();
        match key.split_once(':') {
            Some(("script", rest)) => {
                let script = rest.split_once('|').map_or(rest, |(_, script)| script);
                format!("the script {script}")
            }
            Some((kind, name)) => format!("{kind} {name}"),
            None => key.to_owned(),
        }
    }

    /// Notes it on the message, for what is said about its deliveries.
    pub fn note(&self) {
        context::set_tag(KEY_TAG, self.key());
        if self.script.is_some() {
            context::set_tag(BASE_TAG, &self.base);
        }
    }

    /// Who sent the message that a delivery is about.
    pub fn noted(account: Option<&str>) -> Option<Self> {
        match (context::tag(KEY_TAG), context::tag(BASE_TAG)) {
            (Some(key), Some(base)) => Some(Self {
                base,
                script: Some(key),
            }),
            (Some(key), None) => Some(Self {
                base: key,
                script: None,
            }),
            _ => account.map(|account| Self {
                base: format!("account:{}", clip(account)),
                script: None,
            }),
        }
    }
}

/// Clients that send for many, and how they say for whom.
#[derive(Debug, Default)]
pub struct SharedHosts {
    pub accounts: Vec<String>,
    pub networks: Vec<Network>,
}

impl SharedHosts {
    /// Whether what the client's header section says about the script is believed.
    pub fn include(&self, session: &Session) -> bool {
        let account = session.account.as_deref();
        account.is_some_and(|account| self.accounts.iter().any(|known| known == account))
            || self
                .networks
                .iter()
                .any(|network| network.contains(&session.peer_ip))
    }

    /// Looks into the message for the script.
    pub fn identify(&self, session: &Session, who: &mut Who) {
        if !self.include(session) {
            return;
        }
        if let Some(script) = script(message::header) {
            who.script = Some(format!("script:{}|{script}", who.base));
        }
    }
}

/// The script or user that the mailers of shared hosts name, the most telling first.
fn script(header: impl Fn(&str) -> Option<String>) -> Option<String> {
    let first = |name: &str, read: fn(&str) -> Option<String>| {
        header(name).and_then(|value| read(value.trim()))
    };
    // PHP's mail.add_x_header: "1001:contact.php", also "1001:x.php(12) : eval()'d code".
    first("X-PHP-Originating-Script", |value| {
        let script = value.split('(').next().unwrap_or(value);
        named("php", script)
    })
    // A patch that many hosts carry: "www.example.com/contact.php for 192.0.2.7, 192.0.2.8".
    .or_else(|| {
        first("X-PHP-Script", |value| {
            let script = value.split(" for ").next().unwrap_or(value);
            named("php", script.split('?').next().unwrap_or(script))
        })
    })
    .or_else(|| first("X-PHP-Filename", |value| named("php", value)))
    // Exim under cPanel: the command line, and the folder it ran in.
    .or_else(|| {
        let arguments = header("X-Source-Args").filter(|value| !value.trim().is_empty());
        let dir = header("X-Source-Dir").filter(|value| !value.trim().is_empty());
        match (arguments, dir) {
            (Some(arguments), Some(dir)) => named("source", &format!("{dir} {arguments}")),
            (Some(only), None) | (None, Some(only)) => named("source", &only),
            (None, None) => None,
        }
    })
    // "server.example.com: authenticated_id: ann@example.com", ": ann/from_h", ": acl_c_vhost_owner: ann".
    .or_else(|| {
        first("X-Get-Message-Sender-Via", |value| {
            named("user", user_of(value))
        })
    })
    // "server.example.com: ann@example.com".
    .or_else(|| {
        first("X-Authenticated-Sender", |value| {
            named("user", user_of(value))
        })
    })
    .or_else(|| {
        first("X-Authenticated-User", |value| {
            named("user", user_of(value))
        })
    })
    .or_else(|| first("X-Authenticated-Id", |value| named("user", user_of(value))))
    // "Originator/Caller UID/GID - [1001 1002] / [47 12]".
    .or_else(|| {
        first("X-AntiAbuse", |value| {
            let rest = value.strip_prefix("Originator/Caller UID/GID - [")?;
            named("uid", rest.split([' ', ']']).next()?)
        })
    })
}

/// What follows the last colon, without how it was found out.
fn user_of(value: &str) -> &str {
    let user = value.rsplit(':').next().unwrap_or(value).trim();
    user.split_once("/from_h").map_or(user, |(user, _)| user)
}

fn named(kind: &str, what: &str) -> Option<String> {
    let what = clip(what.trim());
    (!what.is_empty()).then(|| format!("{kind}={}", what.to_ascii_lowercase()))
}

/// What may stand in keys and replies.
fn clip(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    text.chars()
        .map(shown)
        .take(SCRIPT_CHARACTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_users_are_read_as_shared_hosts_write_them() {
        for (field, expected) in [
            (
                "X-PHP-Originating-Script: 1001:contact.php",
                "php=1001:contact.php",
            ),
            (
                "X-PHP-Originating-Script: 33:mail.php(12) : eval()'d code",
                "php=33:mail.php",
            ),
            (
                "X-PHP-Script: www.a.test/wp/mail.php?x=1 for 192.0.2.7, 192.0.2.8",
                "php=www.a.test/wp/mail.php",
            ),
            (
                "X-Source-Args: /usr/bin/php /home/ann/public_html/x.php \r\nX-Source-Dir: a.test:/public_html",
                "source=a.test:/public_html /usr/bin/php /home/ann/public_html/x.php",
            ),
            (
                "X-Source-Args: \r\nX-Source-Dir: a.test:/www",
                "source=a.test:/www",
            ),
            (
                "X-Get-Message-Sender-Via: srv.test: authenticated_id: Ann@a.test",
                "user=ann@a.test",
            ),
            ("X-Get-Message-Sender-Via: srv.test: ann/from_h", "user=ann"),
            (
                "X-Authenticated-Sender: srv.test: ann@a.test",
                "user=ann@a.test",
            ),
            (
                "X-AntiAbuse: Originator/Caller UID/GID - [1001 1002] / [47 12]",
                "uid=1001",
            ),
        ] {
            let _relay = testing::Relay::new().message(format!("{field}\r\n\r\n"));
            assert_eq!(
                script(message::header).as_deref(),
                Some(expected),
                "{field}"
            );
        }
        let _relay =
            testing::Relay::new().message("X-PHP-Originating-Script: \r\nX-AntiAbuse: x\r\n\r\n");
        assert_eq!(script(message::header), None);
    }

    #[test]
    fn nobody_but_a_shared_host_names_scripts() {
        let _relay = testing::Relay::new().message("X-PHP-Originating-Script: 1:x.php\r\n\r\n");
        let hosts = SharedHosts {
            accounts: vec!["web".to_owned()],
            networks: vec![Network::parse("198.51.100.0/24").expect("a network")],
        };
        let key = |account: Option<&str>, ip: &str| {
            let session = Session {
                account: account.map(str::to_owned),
                peer_ip: ip.to_owned(),
                ..testing::session()
            };
            let mut who = Who::of(&session);
            hosts.identify(&session, &mut who);
            who.key().to_owned()
        };
        assert_eq!(
            key(Some("web"), "192.0.2.1"),
            "script:account:web|php=1:x.php"
        );
        assert_eq!(
            key(None, "198.51.100.7"),
            "script:address:198.51.100.7|php=1:x.php"
        );
        assert_eq!(key(Some("shop"), "192.0.2.1"), "account:shop");
        assert_eq!(key(None, "192.0.2.1"), "address:192.0.2.1");
        assert_eq!(key(None, "2001:db8::1"), "address:2001:db8::/64");
    }
}
