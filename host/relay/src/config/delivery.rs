//! `[delivery]`, `[[egress]]`, `[[pool]]` and `[[smarthost]]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::raw::{Located, Section, duration};
use super::read::Names;
use super::{
    Credentials, DefaultRoute, Delivery, Egress, IpFamilies, RetrySchedule, Smarthost,
    SmarthostTls, TlsDemand, network,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn delivery(
    section: &Section<'_, '_>,
    hostname: &str,
    egresses: BTreeMap<String, Egress>,
    pools: BTreeMap<String, Vec<String>>,
    smarthosts: &BTreeMap<String, Smarthost>,
) -> (Delivery, Option<DefaultRoute>) {
    let time = |key: &str, default: Duration| {
        section
            .duration(key, SECOND, HOUR)
            .map_or(default, |found| found.value)
    };
    let families = [
        ("both", IpFamilies::Both),
        ("ipv4", IpFamilies::V4),
        ("ipv6", IpFamilies::V6),
    ];
    let demands = [
        ("never", TlsDemand::Never),
        ("may", TlsDemand::May),
        ("encrypt", TlsDemand::Encrypt),
        ("verify", TlsDemand::Verify),
    ];
    let expire_after = section.duration("expire-after", SECOND, 30 * DAY);
    let delay_warning = section.duration("delay-warning-after", Duration::ZERO, 30 * DAY);
    let expires = expire_after.as_ref().map_or(5 * DAY, |found| found.value);
    if let Some(Located { value, span }) = &delay_warning
        && *value >= expires
    {
        let message = "the warning would come after the message has expired";
        section.wrong(
            span.clone(),
            "delay-warning-after",
            message,
            Some("0 means no warning"),
        );
    }
    let warn_after = delay_warning.map_or(4 * HOUR, |found| found.value);
    let default_pool = section.text("pool");
    if let Some(Located { value, span }) = &default_pool
        && !pools.contains_key(value)
        && !egresses.contains_key(value)
    {
        let message = format!("there is no pool or egress called {value:?}");
        section.wrong(
            span.clone(),
            "pool",
            message,
            Some("add it as [[pool]] or [[egress]]"),
        );
    }
    let delivery = Delivery {
        ehlo: section
            .parsed("ehlo", network::host_name)
            .map_or_else(|| hostname.to_owned(), |found| found.value),
        port: section.number("port", 1..=65_535).unwrap_or(25),
        connections_max: section
            .number("connections-max", 1..=100_000)
            .unwrap_or(500),
        connections_per_site_max: section
            .number("connections-per-site-max", 1..=10_000)
            .unwrap_or(20),
        messages_per_connection_max: section
            .number("messages-per-connection-max", 1..=1_000_000)
            .unwrap_or(1_000),
        recipients_per_transaction_max: section
            .number("recipients-per-transaction-max", 1..=10_000)
            .unwrap_or(100),
        retry: retry(section),
        expire_after: expires,
        delay_warning_after: Some(warn_after).filter(|after| !after.is_zero() && *after < expires),
        connect_timeout: time("connect-timeout", 30 * SECOND),
        command_timeout: time("command-timeout", 300 * SECOND),
        data_timeout: time("data-timeout", 600 * SECOND),
        idle_timeout: time("idle-timeout", 5 * SECOND),
        families: section.choice("ip", &families).unwrap_or(IpFamilies::Both),
        tls: section.choice("tls", &demands).unwrap_or(TlsDemand::May),
        mta_sts: section.flag("mta-sts").is_none_or(|found| found.value),
        mta_sts_port: section.number("mta-sts-port", 1..=65_535).unwrap_or(443),
        ca_file: section.file("ca-file"),
        egresses,
        pools,
        default_pool: default_pool.map(|found| found.value),
        drain_timeout: time("drain-timeout", 30 * SECOND),
    };
    let route = route(section, smarthosts);
    section.finish();
    (delivery, route)
}

/// `retry` as a list, or `retry-min` and `retry-max` with doubling in between.
fn retry(section: &Section<'_, '_>) -> RetrySchedule {
    let list = section.items("retry", |value| duration(value, SECOND, 7 * DAY));
    let min = section.duration("retry-min", SECOND, 7 * DAY);
    let max = section.duration("retry-max", SECOND, 7 * DAY);
    let jitter = section
        .number::<u8>("retry-jitter-percent", 0..=100)
        .unwrap_or(10);
    if let (Some(_), Some(Located { span, .. })) = (&list, min.as_ref().or(max.as_ref())) {
        let hint = Some("remove one of the two");
        section.wrong(
            span.clone(),
            "retry-min",
            "there is a list in retry already",
            hint,
        );
    }
    let (shortest, longest) = (
        min.as_ref().map_or(300 * SECOND, |found| found.value),
        max.as_ref().map_or(4 * HOUR, |found| found.value),
    );
    if let Some(Located { span, .. }) = max.as_ref().or(min.as_ref())
        && shortest > longest
    {
        section.wrong(
            span.clone(),
            "retry-max",
            "it is shorter than retry-min",
            None,
        );
    }
    let waits = match list {
        Some(waits) if !waits.is_empty() => waits.into_iter().map(|found| found.value).collect(),
        Some(_) => {
            section.wrong(section.span(), "retry", "the list is empty", None);
            vec![shortest]
        }
        None => doubling(shortest, longest.max(shortest)),
    };
    RetrySchedule {
        waits,
        jitter: f64::from(jitter) / 100.0,
    }
}

fn doubling(min: Duration, max: Duration) -> Vec<Duration> {
    let mut waits = vec![min];
    let mut wait = min;
    while wait < max {
        wait = (wait * 2).min(max);
        waits.push(wait);
    }
    waits
}

fn route(
    section: &Section<'_, '_>,
    smarthosts: &BTreeMap<String, Smarthost>,
) -> Option<DefaultRoute> {
    let found = section.parsed("route", |text| match text {
        "mx" => Ok(DefaultRoute::Mx),
        "inbox" => Ok(DefaultRoute::Inbox),
        other => match other.strip_prefix("smarthost:") {
            Some(name) => Ok(DefaultRoute::Smarthost(name.to_owned())),
            None => Err(format!(
                "{text:?} is not \"mx\", \"inbox\" or \"smarthost:NAME\""
            )),
        },
    })?;
    if let DefaultRoute::Smarthost(name) = &found.value
        && !smarthosts.contains_key(name)
    {
        let message = format!("there is no smart host called {name:?}");
        section.wrong(
            found.span,
            "route",
            message,
            Some("add it as [[smarthost]]"),
        );
        return None;
    }
    Some(found.value)
}

pub(super) fn egresses(sections: Vec<Section<'_, '_>>) -> BTreeMap<String, Egress> {
    let mut egresses = BTreeMap::new();
    let mut names = Names::default();
    for section in sections {
        let name = names.take(&section, "egress");
        let address = section.parsed("address", |text| {
            text.parse()
                .map_err(|_| format!("{text:?} is not an IP address"))
        });
        if address.is_none() && section.get("address", |_| Ok(())).is_none() {
            let hint = Some("add address = \"192.0.2.1\"");
            section.wrong(section.span(), "address", "the egress has no address", hint);
        }
        let ehlo = section
            .parsed("ehlo", network::host_name)
            .map(|found| found.value);
        section.finish();
        if let (Some(name), Some(address)) = (name, address) {
            egresses.insert(
                name.clone(),
                Egress {
                    name,
                    address: address.value,
                    ehlo,
                },
            );
        }
    }
    egresses
}

pub(super) fn pools(
    sections: Vec<Section<'_, '_>>,
    egresses: &BTreeMap<String, Egress>,
) -> BTreeMap<String, Vec<String>> {
    let mut pools = BTreeMap::new();
    let mut names = Names::default();
    for section in sections {
        let name = names.take(&section, "pool");
        let members = section.list("egress", |text| {
            if egresses.contains_key(text) {
                Ok(text.to_owned())
            } else {
                Err(format!("there is no egress called {text:?}"))
            }
        });
        let members = members.unwrap_or_default();
        if members.is_empty() {
            let hint = Some("add egress = [\"NAME\", ...]");
            section.wrong(section.span(), "egress", "the pool has no egress", hint);
        }
        section.finish();
        if let Some(name) = name {
            pools.insert(name, members.into_iter().map(|found| found.value).collect());
        }
    }
    pools
}

pub(super) fn smarthosts(sections: Vec<Section<'_, '_>>) -> BTreeMap<String, Smarthost> {
    let kinds = [
        ("none", SmarthostTls::None),
        ("opportunistic", SmarthostTls::Opportunistic),
        ("starttls", SmarthostTls::StartTls),
        ("implicit", SmarthostTls::Implicit),
    ];
    let mut smarthosts = BTreeMap::new();
    let mut names = Names::default();
    for section in sections {
        let name = names.take(&section, "smart host");
        let host = section.parsed("host", |text| match text.parse::<std::net::IpAddr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => network::host_name(text),
        });
        if host.is_none() && section.get("host", |_| Ok(())).is_none() {
            let hint = Some("add host = \"smtp.example.net\"");
            section.wrong(section.span(), "host", "the smart host has no host", hint);
        }
        let tls = section
            .choice("tls", &kinds)
            .unwrap_or(SmarthostTls::StartTls);
        let usual = if tls == SmarthostTls::Implicit {
            465
        } else {
            587
        };
        let port = section.number("port", 1..=65_535).unwrap_or(usual);
        let credentials = credentials(&section, tls);
        section.finish();
        if let (Some(name), Some(host)) = (name, host) {
            let smarthost = Smarthost {
                name: name.clone(),
                host: host.value,
                port,
                tls,
                credentials,
            };
            smarthosts.insert(name, smarthost);
        }
    }
    smarthosts
}

fn credentials(section: &Section<'_, '_>, tls: SmarthostTls) -> Option<Credentials> {
    let username = section.text("username");
    let password = section.text("password");
    let file = section.file("password-file");
    let password = match (password, file) {
        (Some(Located { span, .. }), Some(_)) => {
            let hint = Some("remove one of the two");
            section.wrong(span, "password", "there is a password-file already", hint);
            return None;
        }
        (Some(found), None) => Some(found.value),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(e) => {
                section.wrong(section.span(), "password-file", e.to_string(), None);
                return None;
            }
        },
        (None, None) => None,
    };
    match (username, password) {
        (Some(Located { span, .. }), Some(_))
            if matches!(tls, SmarthostTls::None | SmarthostTls::Opportunistic) =>
        {
            let hint = Some("set tls = \"starttls\" or \"implicit\"");
            section.wrong(
                span,
                "username",
                "a password would be sent without TLS",
                hint,
            );
            None
        }
        (Some(username), Some(password)) => Some(Credentials {
            username: username.value,
            password,
        }),
        (Some(Located { span, .. }), None) => {
            section.wrong(span, "password", "a username needs its password", None);
            None
        }
        (None, Some(_)) => {
            section.wrong(
                section.span(),
                "username",
                "a password needs its username",
                None,
            );
            None
        }
        (None, None) => None,
    }
}
