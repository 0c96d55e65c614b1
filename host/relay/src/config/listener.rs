//! `[[listener]]`.

use std::net::SocketAddr;
use std::time::Duration;

use super::raw::{Located, Section};
use super::read::{Names, certificate, networks};
use super::{
    Account, Certificate, Listener, ListenerLimits, ListenerTls, Relay, is_loopback, network,
};

/// A listener with nothing but a name and an address.
pub(super) fn defaults(name: &str, address: SocketAddr) -> Listener {
    Listener {
        name: name.into(),
        address,
        tls: ListenerTls::None,
        require_tls: false,
        auth: false,
        require_auth: false,
        auth_in_clear: false,
        authenticate: false,
        proxy_protocol: false,
        proxy_from: Vec::new(),
        relay_from: network::loopback(),
        certificate: None,
        limits: ListenerLimits::default(),
    }
}

impl Default for ListenerLimits {
    fn default() -> ListenerLimits {
        ListenerLimits {
            connections_max: 2_000,
            connections_per_address_max: 100,
            errors_max: 20,
            idle_commands_max: 100,
            transactions_max: 10_000,
            recipients_max: 1_000,
            message_bytes_max: 50 << 20,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(300),
            session_timeout: Duration::from_secs(4 * 3600),
        }
    }
}

pub(super) fn listeners(
    sections: Vec<Section<'_, '_>>,
    tls: Option<&Certificate>,
    relay: &Relay,
    accounts: &[Account],
) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut names = Names::default();
    for section in sections {
        let name = names.take(&section, "listener");
        let address = section.address("address");
        if address.is_none() && section.get("address", |_| Ok(())).is_none() {
            let hint = "add address = \"0.0.0.0:25\" or the like";
            section.wrong(
                section.span(),
                "address",
                "the listener has no address",
                Some(hint),
            );
        }
        if let Some(Located { value, span }) = &address
            && value.port() != 0
            && let Some(other) = listeners.iter().find(|other| other.address == *value)
        {
            let message = format!("{value} is taken by listener {:?} already", other.name);
            section.wrong(span.clone(), "address", message, None);
        }
        let placeholder = SocketAddr::from(([127, 0, 0, 1], 0));
        let known = address.as_ref().map_or(placeholder, |found| found.value);
        let listener = listener(
            &section,
            name.unwrap_or_default(),
            known,
            tls,
            relay,
            accounts,
        );
        section.finish();
        listeners.push(listener);
    }
    listeners
}

fn listener(
    section: &Section<'_, '_>,
    name: String,
    address: SocketAddr,
    tls: Option<&Certificate>,
    relay: &Relay,
    accounts: &[Account],
) -> Listener {
    let kinds = [
        ("none", ListenerTls::None),
        ("starttls", ListenerTls::StartTls),
        ("implicit", ListenerTls::Implicit),
    ];
    let kind = section.choice("tls", &kinds);
    let certificate = certificate(section).or_else(|| tls.cloned());
    let kind = kind.unwrap_or(ListenerTls::None);
    if kind != ListenerTls::None && certificate.is_none() {
        let hint = "add [tls] with certificate and key, or both keys to the listener";
        section.wrong(
            section.span(),
            "tls",
            "there is no certificate for it",
            Some(hint),
        );
    }
    let require_tls = section.flag("require-tls");
    if let Some(Located { value: true, span }) = &require_tls
        && kind == ListenerTls::None
    {
        let hint = Some("set tls = \"starttls\" or \"implicit\"");
        section.wrong(
            span.clone(),
            "require-tls",
            "the listener offers no TLS",
            hint,
        );
    }
    let auth = section.flag("auth");
    let require_auth = section.flag("require-auth");
    let in_clear = section.flag("auth-in-clear");
    let offered = auth.as_ref().is_some_and(|found| found.value);
    check_auth(
        section,
        address,
        kind,
        accounts,
        auth.as_ref(),
        in_clear.as_ref(),
    );
    if let Some(Located { value: true, span }) = &require_auth
        && !offered
    {
        let message = "authentication is required but not offered";
        section.wrong(
            span.clone(),
            "require-auth",
            message,
            Some("set auth = true"),
        );
    }
    let authenticate = section.flag("authenticate");
    let proxy = section.flag("proxy-protocol");
    let proxy_from = networks(section, "proxy-from");
    if proxy_from.is_some() && !proxy.as_ref().is_some_and(|found| found.value) {
        let hint = Some("set proxy-protocol = true, or remove proxy-from");
        section.wrong(
            section.span(),
            "proxy-from",
            "proxy-protocol is not on",
            hint,
        );
    }
    Listener {
        name,
        address,
        tls: kind,
        require_tls: require_tls.is_some_and(|found| found.value),
        auth: offered,
        require_auth: require_auth.is_some_and(|found| found.value),
        auth_in_clear: in_clear.is_some_and(|found| found.value),
        authenticate: authenticate.is_some_and(|found| found.value),
        proxy_protocol: proxy.is_some_and(|found| found.value),
        proxy_from: proxy_from.unwrap_or_default(),
        relay_from: networks(section, "relay-from").unwrap_or_else(|| relay.from.clone()),
        certificate: certificate.filter(|_| kind != ListenerTls::None),
        limits: limits(section),
    }
}

fn check_auth(
    section: &Section<'_, '_>,
    address: SocketAddr,
    tls: ListenerTls,
    accounts: &[Account],
    auth: Option<&Located<bool>>,
    in_clear: Option<&Located<bool>>,
) {
    if let Some(Located { value: true, span }) = in_clear
        && !is_loopback(address.ip())
    {
        let hint = Some("set tls = \"starttls\" or \"implicit\" instead");
        let message = "passwords in clear are allowed on a loopback address alone";
        section.wrong(span.clone(), "auth-in-clear", message, hint);
    }
    let Some(Located { value: true, span }) = auth else {
        return;
    };
    if tls == ListenerTls::None && !in_clear.is_some_and(|found| found.value) {
        let hint = Some("set tls = \"starttls\" or \"implicit\"");
        section.wrong(
            span.clone(),
            "auth",
            "authentication is offered under TLS only",
            hint,
        );
    }
    // A plugin may know accounts of its own, so that none here is no mistake; a listener that also requires it is
    // then the plugin's business.
    let _ = accounts;
}

fn limits(section: &Section<'_, '_>) -> ListenerLimits {
    let default = ListenerLimits::default();
    let time = |key: &str, default: Duration| {
        let day = Duration::from_secs(86_400);
        section
            .duration(key, Duration::from_secs(1), day)
            .map_or(default, |found| found.value)
    };
    ListenerLimits {
        connections_max: section
            .number("connections-max", 1..=1_000_000)
            .unwrap_or(default.connections_max),
        connections_per_address_max: section
            .number("connections-per-address-max", 1..=1_000_000)
            .unwrap_or(default.connections_per_address_max),
        errors_max: section
            .number("errors-max", 1..=10_000)
            .unwrap_or(default.errors_max),
        idle_commands_max: section
            .number("idle-commands-max", 1..=1_000_000)
            .unwrap_or(default.idle_commands_max),
        transactions_max: section
            .number("transactions-max", 1..=1_000_000_000)
            .unwrap_or(default.transactions_max),
        recipients_max: section
            .number("recipients-max", 1..=100_000)
            .unwrap_or(default.recipients_max),
        // RFC 5321 4.5.3.1.7 asks for 64 KiB at least.
        message_bytes_max: section
            .size("message-bytes-max", 64 << 10)
            .map_or(default.message_bytes_max, |size| {
                usize::try_from(size).unwrap_or(usize::MAX)
            }),
        command_timeout: time("command-timeout", default.command_timeout),
        data_timeout: time("data-timeout", default.data_timeout),
        session_timeout: time("session-timeout", default.session_timeout),
    }
}
