use super::*;

const EXAMPLE: &str = include_str!("../../baton.example.toml");

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(text, Path::new("test.toml")).map_err(|e| match e {
        ConfigError::Invalid { problems, .. } => problems,
        ConfigError::Unreadable { .. } => unreachable!("nothing is read"),
    })
}

fn mistakes(text: &str) -> Vec<(usize, String, String)> {
    let problems = parse(text).expect_err("a mistake");
    problems
        .into_iter()
        .map(|p| (p.place.line, p.key, p.message))
        .collect()
}

const LISTENER: &str = "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:2525\"\n";

#[test]
fn the_example_is_a_valid_configuration() {
    let config = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(config.hostname, "relay.example.net");
    assert_eq!(config.listeners.len(), 2);
    assert!(config.relay.serves("sub.example.net"));
    assert_eq!(config.delivery.default_pool.as_deref(), Some("all"));
    let example = &config.plugins.sections["example"];
    assert_eq!(example.settings.keys().collect::<Vec<_>>(), ["greeting"]);
    assert_eq!(example.memory_bytes, Some(64 << 20));
    assert_eq!(example.grants.kv_bytes, Some(16 << 20));
}

/// A key that can be set but is in no documentation helps nobody.
#[test]
fn every_key_that_is_read_stands_in_the_example() {
    let keys = read::keys(EXAMPLE, Path::new("."));
    assert!(keys.contains("listener[].require-tls"), "{keys:?}");
    for key in keys {
        let name = key.rsplit('.').next().unwrap_or(&key);
        let shown = EXAMPLE.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.split_once(" =")
                .is_some_and(|(shown, _)| shown == name)
                || line.trim_matches(['[', ']']).split('.').next_back() == Some(name)
        });
        assert!(shown, "{key} is not in baton.example.toml");
    }
}

/// The example says that it shows defaults; a default that changes must change there too.
#[test]
fn the_numbers_of_the_example_are_the_defaults() {
    let config = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let defaults = read::defaults();
    assert_eq!(config.listeners[0].limits, ListenerLimits::default());
    assert_eq!(config.delivery.retry, defaults.delivery.retry);
    assert_eq!(config.delivery.expire_after, defaults.delivery.expire_after);
    assert_eq!(
        config.delivery.delay_warning_after,
        defaults.delivery.delay_warning_after
    );
    assert_eq!(
        config.delivery.connect_timeout,
        defaults.delivery.connect_timeout
    );
    assert_eq!(
        config.delivery.command_timeout,
        defaults.delivery.command_timeout
    );
    assert_eq!(config.delivery.data_timeout, defaults.delivery.data_timeout);
    assert_eq!(config.delivery.idle_timeout, defaults.delivery.idle_timeout);
    assert_eq!(
        config.delivery.drain_timeout,
        defaults.delivery.drain_timeout
    );
    assert_eq!(
        config.limits.spool_bytes_max,
        defaults.limits.spool_bytes_max
    );
    assert_eq!(
        config.limits.disk_free_bytes_min,
        defaults.limits.disk_free_bytes_min
    );
    assert_eq!(
        config.limits.history_messages_max,
        defaults.limits.history_messages_max
    );
    assert_eq!(
        config.limits.inbox_messages_max,
        defaults.limits.inbox_messages_max
    );
    assert_eq!(config.limits.received_max, defaults.limits.received_max);
    assert_eq!(config.http.body_bytes_max, defaults.http.body_bytes_max);
    assert_eq!(config.dns.timeout, defaults.dns.timeout);
    assert_eq!(config.relay.from, defaults.relay.from);
}

#[test]
fn the_configuration_of_the_benchmark_is_valid() {
    let text = include_str!("../../../../tests/bench.toml");
    let config = parse(text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let routes = config.plugins.sections["routing"].settings["routes"]
        .as_array()
        .unwrap();
    assert_eq!(routes.len(), 20);
    assert_eq!(
        config.listeners[0].address,
        "127.0.0.1:2525".parse().unwrap()
    );
}

#[test]
fn the_smallest_configuration_is_a_listener_and_relays_for_loopback_alone() {
    let config = parse(LISTENER).unwrap();
    let listener = &config.listeners[0];
    assert!(
        listener
            .relay_from
            .iter()
            .any(|n| n.contains("127.0.0.1".parse().unwrap()))
    );
    assert!(
        !listener
            .relay_from
            .iter()
            .any(|n| n.contains("192.0.2.1".parse().unwrap()))
    );
    assert!(config.relay.domains.is_empty());
    assert!(config.http.admin.is_none());
    assert_eq!(config.mode, Mode::Serve);
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_lines() {
    let text = "\
hostnam = \"a.example\"
state = 5

[[listener]]
name = \"a\"
adress = \"127.0.0.1:2525\"
message-bytes-max = \"huge\"

[delivery]
retry = [\"1m\", \"soon\", 0]
tls = \"maybe\"

[plugin]
dir = \"x\"
";
    let found = mistakes(text);
    let seen: Vec<_> = found
        .iter()
        .map(|(line, key, _)| (*line, key.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (1, "hostnam"),
            (2, "state"),
            (4, "listener[0].address"),
            (6, "listener[0].adress"),
            (7, "listener[0].message-bytes-max"),
            (10, "delivery.retry"),
            (10, "delivery.retry"),
            (11, "delivery.tls"),
            (13, "plugin"),
        ],
        "{found:#?}"
    );
}

#[test]
fn an_unknown_key_comes_with_the_one_that_was_meant() {
    let problems = parse(&format!("{LISTENER}require_tls = true\nzzz = 1\n")).unwrap_err();
    assert_eq!(
        problems[0].hint.as_deref(),
        Some("did you mean \"require-tls\"?")
    );
    assert_eq!(problems[0].place, Place { line: 4, column: 1 });
    assert_eq!(problems[1].hint, None);
}

#[test]
fn broken_syntax_is_a_mistake_with_a_line() {
    let found = mistakes("hostname = \"a.example\"\nstate = \n\n[[listener\n");
    assert!(found.iter().any(|(line, ..)| *line == 2), "{found:#?}");
    assert!(found.iter().any(|(line, ..)| *line == 4), "{found:#?}");
}

#[test]
fn listeners_may_not_share_a_name_or_an_address() {
    let found = mistakes(&format!("{LISTENER}{LISTENER}"));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (5, "listener[1].name"));
    assert_eq!(
        (found[1].0, found[1].1.as_str()),
        (6, "listener[1].address")
    );
}

#[test]
fn a_configuration_without_listener_is_refused() {
    let found = mistakes("hostname = \"a.example\"\n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, "listener");
}

#[test]
fn tls_needs_a_certificate_that_can_be_read() {
    let found = mistakes(&format!("{LISTENER}tls = \"starttls\"\n"));
    assert_eq!(found[0].1, "listener[0].tls");
    let found = mistakes(&format!(
        "[tls]\ncertificate = \"nowhere.pem\"\nkey = \"no.key\"\n{LISTENER}"
    ));
    assert_eq!((found[0].0, found[0].1.as_str()), (2, "tls.certificate"));
    let found = mistakes(&format!("[tls]\ncertificate = \"nowhere.pem\"\n{LISTENER}"));
    assert_eq!(found[0].1, "tls.key");
}

#[test]
fn passwords_in_clear_are_for_loopback_alone() {
    let open = "[[listener]]\nname = \"a\"\naddress = \"192.0.2.1:2525\"\nauth = true\nauth-in-clear = true\n";
    assert_eq!(mistakes(open)[0].1, "listener[0].auth-in-clear");
    assert_eq!(
        mistakes(&format!("{LISTENER}auth = true\n"))[0].1,
        "listener[0].auth"
    );
    assert!(parse(&format!("{LISTENER}auth = true\nauth-in-clear = true\n")).is_ok());
    assert_eq!(
        mistakes(&format!("{LISTENER}require-auth = true\n"))[0].1,
        "listener[0].require-auth"
    );
}

#[test]
fn an_account_needs_an_argon2_hash() {
    for hash in [
        "secret",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
    ] {
        let text = format!("{LISTENER}[[account]]\nname = \"x\"\npassword-hash = {hash:?}\n");
        assert_eq!(mistakes(&text)[0].1, "account[0].password-hash", "{hash}");
    }
    let text = format!("{LISTENER}[[account]]\nname = \"x\"\n");
    assert_eq!(mistakes(&text)[0].1, "account[0].password-hash");
}

#[test]
fn what_one_section_names_must_be_there_in_another() {
    let text = format!(
        "{LISTENER}[delivery]\nroute = \"smarthost:x\"\npool = \"y\"\n[[pool]]\nname = \"z\"\negress = [\"w\"]\n"
    );
    let keys: Vec<_> = mistakes(&text).into_iter().map(|(_, key, _)| key).collect();
    assert!(keys.contains(&"delivery.route".to_owned()), "{keys:?}");
    assert!(keys.contains(&"delivery.pool".to_owned()), "{keys:?}");
    assert!(keys.contains(&"pool[0].egress".to_owned()), "{keys:?}");
}

#[test]
fn an_admin_listener_that_others_reach_needs_a_token() {
    let admin =
        |address: &str, rest: &str| format!("{LISTENER}[http]\nadmin = {address:?}\n{rest}");
    assert_eq!(mistakes(&admin("0.0.0.0:8025", ""))[0].1, "http.admin");
    assert_eq!(
        mistakes(&admin("0.0.0.0:8025", "open = true\n"))[0].1,
        "http.open"
    );
    assert_eq!(mistakes(&admin("127.0.0.1:8025", ""))[0].1, "http.admin");
    assert!(parse(&admin("127.0.0.1:8025", "open = true\n")).is_ok());
    let token = format!(
        "[[http.token]]\nname = \"a\"\nsha256 = \"{}\"\n",
        "0f".repeat(32)
    );
    let config = parse(&admin("0.0.0.0:8025", &token)).unwrap();
    assert_eq!(config.http.tokens[0].sha256, [0x0f; 32]);
    assert_eq!(
        mistakes(&admin(
            "0.0.0.0:8025",
            "[[http.token]]\nname = \"a\"\nsha256 = \"0f\"\n"
        ))[0]
            .1,
        "http.token[0].sha256"
    );
}

#[test]
fn a_plugin_gets_its_own_keys_as_json_and_the_host_keeps_its_own() {
    let text = format!(
        "{LISTENER}[plugins.x]\norder = -5\nrate = 2.5\nwhen = 2020-01-02\nlist = [1, {{ a = true }}]\n\
         [plugins.x.limits]\ncpu-ms = 20\n[plugins.x.secrets]\nk = \"v\"\n"
    );
    let config = parse(&text).unwrap();
    let section = &config.plugins.sections["x"];
    assert_eq!(section.order, Some(-5));
    let begin = text.find("[plugins.x]").unwrap();
    let line = text[..begin].matches('\n').count() + 1;
    assert_eq!(section.place, Place { line, column: 10 });
    assert_eq!(section.cpu, Some(Duration::from_millis(20)));
    assert_eq!(
        serde_json::Value::from(section.settings.clone()),
        serde_json::json!({"rate": 2.5, "when": "2020-01-02", "list": [1, {"a": true}]})
    );
    assert!(
        !format!("{config:?}").contains("\"v\""),
        "secrets stay out of debug output"
    );
}

#[test]
fn the_reserved_tables_of_a_plugin_are_checked_too() {
    let text = format!("{LISTENER}[plugins.x.grants]\nhtpp = []\n[plugins.x.limits]\ncpu-ms = 0\n");
    let keys: Vec<_> = mistakes(&text).into_iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys, ["plugins.x.grants.htpp", "plugins.x.limits.cpu-ms"]);
}

#[test]
fn retries_double_between_their_bounds() {
    let text = format!("{LISTENER}[delivery]\nretry-min = \"1m\"\nretry-max = \"5m\"\n");
    let waits = parse(&text).unwrap().delivery.retry.waits;
    assert_eq!(waits, [60, 120, 240, 300].map(Duration::from_secs));
    let text = format!("{LISTENER}[delivery]\nretry = [60]\nretry-min = \"1m\"\n");
    assert_eq!(mistakes(&text)[0].1, "delivery.retry-min");
}

#[test]
fn the_dev_mode_listens_on_loopback_and_delivers_to_the_inbox() {
    let config = Config::dev(
        "state".into(),
        "127.0.0.1:2525".parse().unwrap(),
        "127.0.0.1:8025".parse().unwrap(),
        None,
    );
    assert_eq!(config.default_route, DefaultRoute::Inbox);
    assert!(config.http.open);
    assert!(config.listeners[0].auth_in_clear);
    assert!(
        config.listeners[0]
            .relay_from
            .iter()
            .any(|n| n.contains("::1".parse().unwrap()))
    );
}

#[test]
fn the_dev_mode_on_an_address_that_others_reach_is_not_open_to_them() {
    let config = Config::dev(
        "state".into(),
        "0.0.0.0:2525".parse().unwrap(),
        "0.0.0.0:8025".parse().unwrap(),
        None,
    );
    assert!(!config.http.open);
    assert!(!config.listeners[0].auth_in_clear);
}

#[test]
fn a_mistake_is_printed_with_its_place_and_hint() {
    let error = Config::parse(
        "hostnme = 1\n[[listener]]\nname = \"a\"\naddress = \"[::1]:25\"\n",
        Path::new("x/b.toml"),
    );
    let text = error.unwrap_err().to_string();
    assert!(
        text.starts_with(
            "x/b.toml:1:1: hostnme: unknown key\n    hint: did you mean \"hostname\"?"
        ),
        "{text}"
    );
    assert!(text.ends_with("1 mistake in x/b.toml"), "{text}");
}
