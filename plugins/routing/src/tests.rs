use std::collections::BTreeMap;
use std::time::Duration;

use baton_sdk::prelude::*;
use baton_sdk::serde_json::{Value, json};

use super::Routing;

fn plugin(routes: Value) -> Routing {
    let _relay = testing::Relay::new().config(json!({ "routes": routes }));
    Routing::new().expect("a good configuration")
}

fn route(plugin: &mut Routing, to: &str) -> Option<Route> {
    plugin
        .on_route(&testing::attempt("ann@a.test", to))
        .expect("no fault")
}

fn next_hop(plugin: &mut Routing, to: &str) -> Option<String> {
    route(plugin, to)?.next_hop
}

#[test]
fn without_routes_the_relay_decides() {
    let _relay = testing::Relay::new();
    let mut plugin = Routing::new().expect("a good configuration");
    assert_eq!(route(&mut plugin, "bob@b.test"), None);
}

#[test]
fn every_field_of_a_route_is_handed_on() {
    let mut plugin = plugin(json!([{
        "domain": "d1.test", "next-hop": "[127.0.1.1]", "port": 2526, "egress-pool": "warm", "queue": "bulk", "priority": 7, "tls": "verify"
    }]));
    assert_eq!(
        route(&mut plugin, "bob@d1.test"),
        Some(Route {
            next_hop: Some("[127.0.1.1]".to_owned()),
            port: Some(2526),
            egress_pool: Some("warm".to_owned()),
            queue: Some("bulk".to_owned()),
            priority: Some(7),
            tls: Some(TlsDemand::Verify),
        })
    );
    assert_eq!(route(&mut plugin, "bob@d2.test"), None);
}

#[test]
fn the_first_route_that_matches_wins() {
    let mut plugin = plugin(json!([
        { "domain": ["a.test", "b.test"], "next-hop": "one.test" },
        { "domain": ".b.test", "next-hop": "two.test" },
        { "domain": "c.b.test", "next-hop": "three.test" },
        { "domain": "*", "next-hop": "mx:four.test" },
    ]));
    for (to, expected) in [
        ("x@a.test", "one.test"),
        ("x@B.test", "one.test"),
        ("x@c.b.test", "two.test"),
        ("x@d.test", "mx:four.test"),
    ] {
        assert_eq!(next_hop(&mut plugin, to).as_deref(), Some(expected), "{to}");
    }
}

#[test]
fn sender_account_site_and_tags_are_conditions_too() {
    let relay = testing::Relay::new().config(json!({ "routes": [
        { "sender-domain": "a.test", "account": "shop", "next-hop": "one.test" },
        { "site": ".google.test", "next-hop": "two.test" },
        { "tag": ["campaign=spring", "bulk"], "next-hop": "three.test" },
    ]}));
    let mut plugin = Routing::new().expect("a good configuration");
    let mut attempt = testing::attempt("ann@a.test", "bob@b.test");
    let mut next_hop = |attempt: &Attempt| {
        plugin
            .on_route(attempt)
            .expect("no fault")
            .and_then(|route| route.next_hop)
    };
    assert_eq!(next_hop(&attempt), None);
    attempt.account = Some("shop".to_owned());
    assert_eq!(next_hop(&attempt).as_deref(), Some("one.test"));
    attempt.sender = None;
    assert_eq!(next_hop(&attempt), None);
    attempt.site = "mx.google.test".to_owned();
    assert_eq!(next_hop(&attempt).as_deref(), Some("two.test"));
    attempt.site = "b.test".to_owned();
    context::set_tag("campaign", "spring");
    assert_eq!(next_hop(&attempt), None);
    context::set_tag("bulk", "");
    assert_eq!(next_hop(&attempt).as_deref(), Some("three.test"));
    assert_eq!(relay.tag("campaign").as_deref(), Some("spring"));
}

#[test]
fn weighted_pools_share_messages_and_keep_each_to_one() {
    let mut plugin = plugin(json!([{ "egress-pools": [
        { "name": "old", "weight": 90 }, { "name": "new", "weight": 10 }, { "name": "off", "weight": 0 }
    ]}]));
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..2000 {
        let attempt = Attempt {
            message: format!("01JH2Q00000000000000{number:06}"),
            ..testing::attempt("a@a.test", "b@b.test")
        };
        let mut pool = || {
            plugin
                .on_route(&attempt)
                .expect("no fault")
                .and_then(|route| route.egress_pool)
                .expect("a pool")
        };
        let first = pool();
        assert_eq!(pool(), first);
        *counts.entry(first).or_default() += 1;
    }
    assert_eq!(counts.values().sum::<u32>(), 2000);
    assert!((150..=250).contains(&counts["new"]), "{counts:?}");
    assert!(!counts.contains_key("off"));
}

#[test]
fn wrong_configuration_is_named_with_its_place() {
    for (routes, words) in [
        (
            json!([{ "domain": "a.test", "nexthop": "x" }]),
            "unknown field `nexthop`",
        ),
        (
            json!([{ "domain": "a.test", "next-hop": "127.0.0.1" }]),
            "route 1: next-hop: an address stands in brackets: \"[127.0.0.1]\"",
        ),
        (
            json!([{ "domain": "a.test", "next-hop": "mail.b.test:2525" }]),
            "next-hop = \"mail.b.test\", port = 2525",
        ),
        (
            json!([{ "domain": "a.test", "next-hop": "[x]" }]),
            "no address in brackets",
        ),
        (
            json!([{ "domain": "a.test", "next-hop": "a b" }]),
            "is none of",
        ),
        (
            json!([{ "domain": "a.test", "next-hop": "smarthost:" }]),
            "names no smart host",
        ),
        (json!([{ "domain": "a.test", "port": 70000 }]), "70000"),
        (json!([{ "domain": "a.test", "port": 0 }]), "0 is no port"),
        (
            json!([{ "domain": "a@a.test", "port": 25 }]),
            "a domain is wanted",
        ),
        (json!([{ "domain": [], "port": 25 }]), "an empty list"),
        (
            json!([{ "domain": 5, "port": 25 }]),
            "a text or a list of texts",
        ),
        (json!([{ "domain": "a.test" }]), "not where to"),
        (
            json!([{ "domain": "a.test", "tls": "always" }]),
            "unknown variant `always`",
        ),
        (
            json!([{ "port": 25 }, { "domain": "a.test", "port": 26 }]),
            "route 2 is never used: route 1",
        ),
        (
            json!([{ "egress-pools": [{ "name": "a", "weight": 0 }] }]),
            "every weight is 0",
        ),
        (
            json!([{ "egress-pool": "a", "egress-pools": [{ "name": "a", "weight": 1 }] }]),
            "both there",
        ),
    ] {
        let _relay = testing::Relay::new().config(json!({ "routes": routes }));
        let error = Routing::new().err().expect("a mistake").to_string();
        assert!(error.contains(words), "{error} should contain {words}");
    }
}

#[test]
fn a_route_may_ask_where_the_mail_of_a_domain_is_taken() {
    let _relay = testing::Relay::new()
        .config(json!({ "routes": [
            { "mx": ".big.test", "next-hop": "in.big.test", "queue": "big" },
            { "mx": "small.test", "next-hop": "in.small.test" },
        ]}))
        .dns("MX", "a.test", &["10 mx1.big.test", "20 mx2.big.test"])
        .dns("MX", "b.test", &["10 mx.other.test"])
        .dns_error("MX", "small.test", dns::Error::NoData)
        .dns_error("MX", "slow.test", dns::Error::Timeout)
        .dns_error("MX", "ungranted.test", dns::Error::NotGranted);
    let mut plugin = Routing::new().expect("a good configuration");
    assert_eq!(
        next_hop(&mut plugin, "x@a.test").as_deref(),
        Some("in.big.test")
    );
    assert_eq!(next_hop(&mut plugin, "x@b.test"), None);
    let itself = next_hop(&mut plugin, "x@small.test");
    assert_eq!(itself.as_deref(), Some("in.small.test"));
    assert_eq!(next_hop(&mut plugin, "x@slow.test"), None);
    let error = plugin.on_route(&testing::attempt("a@a.test", "x@ungranted.test"));
    assert!(
        error
            .expect_err("a mistake")
            .to_string()
            .contains("dns = true")
    );
}

#[test]
fn a_field_of_the_message_decides_through_a_tag() {
    let relay = testing::Relay::new()
        .config(json!({ "routes": [
            { "header": "X-Queue: Bulk", "queue": "bulk" },
            { "header": ["X-Urgent", "Importance: high"], "priority": 255 },
        ]}))
        .message("X-Queue:  bulk \r\nImportance: low\r\nSubject: x\r\n\r\n");
    let mut plugin = Routing::new().expect("a good configuration");
    let envelope = testing::envelope("a@a.test", &["b@b.test"]);
    let session = testing::session();
    plugin.on_data(&session, &envelope).expect("no fault");
    assert_eq!(relay.tag("routing.header.x-queue").as_deref(), Some("bulk"));
    assert_eq!(relay.tag("routing.header.subject"), None);
    let found = route(&mut plugin, "b@b.test").expect("a route");
    assert_eq!(found.queue.as_deref(), Some("bulk"));

    let _relay = relay.message("X-Urgent:\r\n\r\n");
    context::set_tag("routing.header.x-queue", "other");
    plugin.on_data(&session, &envelope).expect("no fault");
    assert_eq!(
        route(&mut plugin, "b@b.test").expect("a route").priority,
        Some(255)
    );
}

fn pool_of(plugin: &mut Routing, message: usize) -> Option<String> {
    let attempt = Attempt {
        message: format!("01JH2Q00000000000000{message:06}"),
        ..testing::attempt("a@a.test", "b@b.test")
    };
    plugin.on_route(&attempt).expect("no fault")?.egress_pool
}

#[test]
fn a_pool_that_warms_up_takes_no_more_than_its_day_allows() {
    // The stand-in's clock stands at 2026-01-01.
    let relay = testing::Relay::new().config(json!({
        "routes": [{ "egress-pools": [{ "name": "new", "weight": 99 }, { "name": "old", "weight": 1 }] }],
        "warm-up": { "new": { "start": "2025-12-31", "days": [5, 10] } },
    }));
    let mut plugin = Routing::new().expect("a good configuration");
    let mut count = |from: usize| {
        (from..from + 200)
            .filter(|n| pool_of(&mut plugin, *n).as_deref() == Some("new"))
            .count()
    };
    assert_eq!(count(0), 10, "the second day's cap");
    let full = relay
        .events()
        .into_iter()
        .filter(|(kind, _)| kind == "warm-up-full");
    assert_eq!(full.count(), 1, "told once");
    relay.advance(Duration::from_secs(86_400));
    assert!(count(1000) > 150, "after the last day there is no cap");

    let relay = testing::Relay::new().config(json!({
        "routes": [{ "egress-pools": [{ "name": "new", "weight": 99 }, { "name": "old", "weight": 1 }] }],
        "warm-up": { "new": { "start": "2026-01-02", "days": [5] } },
    }));
    let mut plugin = Routing::new().expect("a good configuration");
    assert!((0..200).all(|n| pool_of(&mut plugin, n).as_deref() == Some("old")));
    relay.advance(Duration::from_secs(86_400));
    let taken = (0..200).filter(|n| pool_of(&mut plugin, *n).as_deref() == Some("new"));
    assert_eq!(taken.count(), 5);
}

#[test]
fn mail_goes_round_a_pool_that_is_suspended() {
    let relay = testing::Relay::new()
        .config(json!({ "routes": [{ "egress-pools": [
            { "name": "one", "weight": 50 }, { "name": "two", "weight": 50 }
        ]}]}))
        .property("egresses:one", "ip1 ip2")
        .property("egresses:two", "ip3");
    let mut plugin = Routing::new().expect("a good configuration");
    let mut all = || -> Vec<String> {
        let mut pools: Vec<String> = (0..100).filter_map(|n| pool_of(&mut plugin, n)).collect();
        pools.sort_unstable();
        pools.dedup();
        pools
    };
    assert_eq!(all(), ["one", "two"]);
    let relay = relay.property("suspended-egresses:b.test", "ip1");
    assert_eq!(all(), ["one", "two"], "one of its egresses still works");
    let relay = relay.property("suspended-egresses:b.test", "ip1 ip2");
    assert_eq!(all(), ["two"]);
    assert!(relay.events().iter().any(|(kind, _)| kind == "failover"));
    let relay = relay.property("suspended-egresses:b.test", "ip1 ip2 ip3");
    assert_eq!(
        all(),
        ["one", "two"],
        "where all rest, each keeps its own and waits"
    );
    let _relay = relay.property("suspended-egresses:b.test", "");
    kv::set_string("suspend/two", "listed at bl.test", None).expect("kv");
    assert_eq!(all(), ["one"]);
}

#[test]
fn tables_in_key_value_change_routes_while_mail_flows() {
    let mut plugin = plugin(json!([{ "domain": "a.test", "next-hop": "config.test" }]));
    assert_eq!(
        next_hop(&mut plugin, "x@a.test").as_deref(),
        Some("config.test")
    );
    kv::set_string(
        "routes",
        r#"[{"domain":["a.test","c.test"],"next-hop":"live.test"}]"#,
        None,
    )
    .expect("kv");
    assert_eq!(
        next_hop(&mut plugin, "x@a.test").as_deref(),
        Some("live.test")
    );
    kv::set_string("domain/c.test", r#"{"next-hop":"own.test"}"#, None).expect("kv");
    assert_eq!(
        next_hop(&mut plugin, "x@c.test").as_deref(),
        Some("own.test")
    );
    kv::set_string("routes/shop", r#"[{"next-hop":"shop.test"}]"#, None).expect("kv");
    let mut attempt = testing::attempt("a@a.test", "x@c.test");
    attempt.account = Some("shop".to_owned());
    let of_shop = plugin
        .on_route(&attempt)
        .expect("no fault")
        .expect("a route");
    assert_eq!(of_shop.next_hop.as_deref(), Some("shop.test"));
    assert_eq!(
        next_hop(&mut plugin, "x@c.test").as_deref(),
        Some("own.test")
    );
    kv::delete("routes").expect("kv");
    assert_eq!(
        next_hop(&mut plugin, "x@a.test").as_deref(),
        Some("config.test")
    );

    for (key, value, to, words) in [
        ("routes", "[{]", "x@d.test", "key-value `routes`"),
        (
            "routes",
            r#"[{"domain":"a.test"}]"#,
            "x@d.test",
            "route 1: it says which mail",
        ),
        (
            "domain/c.test",
            r#"{"next-hop":"127.0.0.1"}"#,
            "x@c.test",
            "stands in brackets",
        ),
    ] {
        kv::set_string(key, value, None).expect("kv");
        let error = plugin.on_route(&testing::attempt("a@a.test", to));
        let error = error.expect_err("a mistake").to_string();
        assert!(error.contains(words), "{error} should contain {words}");
        kv::delete(key).expect("kv");
    }
}

#[test]
fn each_tenant_has_tables_and_a_queue_of_its_own() {
    let _relay = testing::Relay::new().config(json!({
        "routes": [{ "domain": "a.test", "next-hop": "all.test" }],
        "tenants": { "shop": {
            "routes": [{ "domain": "a.test", "next-hop": "shop.test" }],
            "aliases": { "info@a.test": "ann@shop.test" },
            "egress-pool": "warm",
        }},
        "separate-accounts": true,
    }));
    let mut plugin = Routing::new().expect("a good configuration");
    let mut of = |account: &str, to: &str| {
        let attempt = Attempt {
            account: (!account.is_empty()).then(|| account.to_owned()),
            ..testing::attempt("x@x.test", to)
        };
        plugin.on_route(&attempt).expect("no fault")
    };
    let shop = of("shop", "b@a.test").expect("a route");
    assert_eq!(shop.next_hop.as_deref(), Some("shop.test"));
    assert_eq!(
        (shop.queue.as_deref(), shop.egress_pool.as_deref()),
        (Some("shop"), Some("warm"))
    );
    let other = of("other", "b@a.test").expect("a route");
    assert_eq!(other.next_hop.as_deref(), Some("all.test"));
    assert_eq!(
        (other.queue.as_deref(), other.egress_pool),
        (Some("other"), None)
    );
    assert_eq!(
        of("other", "b@b.test").expect("a queue").queue.as_deref(),
        Some("other")
    );
    assert_eq!(of("", "b@b.test"), None);
    assert_eq!(
        resolve(&mut plugin, "shop", "info@a.test"),
        Ok(vec!["ann@shop.test".to_owned()])
    );
    assert_eq!(resolve(&mut plugin, "other", "info@a.test"), Ok(Vec::new()));
}

/// Whom a recipient stands for; nobody new where it stands for itself, and the code where it is refused.
fn resolve(plugin: &mut Routing, account: &str, to: &str) -> std::result::Result<Vec<String>, u16> {
    let session = Session {
        account: (!account.is_empty()).then(|| account.to_owned()),
        ..testing::session()
    };
    let envelope = testing::envelope("x@x.test", &[]);
    match plugin
        .on_rcpt(&session, &envelope, &testing::recipient(to))
        .expect("no fault")
    {
        RecipientDecision::Rewrite(to) => Ok(to.iter().map(ToString::to_string).collect()),
        RecipientDecision::Decide(Decision::Next) => Ok(Vec::new()),
        RecipientDecision::Decide(Decision::Reject(reply)) => Err(reply.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn aliases_catch_alls_and_moved_domains_lead_to_mailboxes() {
    let _relay = testing::Relay::new().config(json!({
        "aliases": {
            "info@a.test": ["ann@a.test", "bob@b.test"],
            "ann@a.test": ["ann@a.test", "archive@b.test"],
            "@old.test": "@a.test",
            "@a.test": "catch@a.test",
            "@.sub.test": "@b.test",
            "loop1@c.test": "loop2@c.test", "loop2@c.test": "loop1@c.test",
        },
        "known-recipients-only": ["c.test", "a.test"],
    }));
    let mut plugin = Routing::new().expect("a good configuration");
    for (to, expected) in [
        ("x@elsewhere.test", Ok(vec![])),
        (
            "Info@A.test",
            Ok(vec!["ann@a.test", "archive@b.test", "bob@b.test"]),
        ),
        ("ann@a.test", Ok(vec!["ann@a.test", "archive@b.test"])),
        (
            "info@old.test",
            Ok(vec!["ann@a.test", "archive@b.test", "bob@b.test"]),
        ),
        ("any@old.test", Ok(vec!["catch@a.test"])),
        ("any@a.test", Ok(vec!["catch@a.test"])),
        ("Joe@x.y.sub.test", Ok(vec!["Joe@b.test"])),
        ("loop1@c.test", Ok(vec![])),
        ("stranger@c.test", Err(550)),
    ] {
        let expected = expected.map(|to| to.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(resolve(&mut plugin, "", to), expected, "{to}");
    }
    kv::set_string("alias/stranger@c.test", "new@c.test", None).expect("kv");
    kv::set_string(
        "alias/shop/stranger@c.test",
        r#"["s1@d.test","s2@d.test"]"#,
        None,
    )
    .expect("kv");
    assert_eq!(
        resolve(&mut plugin, "", "stranger@c.test"),
        Ok(vec!["new@c.test".to_owned()])
    );
    let of_shop = resolve(&mut plugin, "shop", "stranger@c.test");
    assert_eq!(
        of_shop,
        Ok(vec!["s1@d.test".to_owned(), "s2@d.test".to_owned()])
    );
    kv::set_string("alias/@e.test", "nonsense", None).expect("kv");
    let envelope = testing::envelope("x@x.test", &[]);
    let error = plugin
        .on_rcpt(
            &testing::session(),
            &envelope,
            &testing::recipient("x@e.test"),
        )
        .expect_err("a mistake");
    assert!(
        error.to_string().contains("key-value `alias/@e.test`"),
        "{error}"
    );
}

#[test]
fn wrong_tables_are_named_with_their_place() {
    for (config, words) in [
        (
            json!({ "aliases": { "ann": "b@b.test" } }),
            "`ann` is no address",
        ),
        (
            json!({ "aliases": { "Ann@a.test": "b@b.test" } }),
            "must be in lower case",
        ),
        (
            json!({ "aliases": { "ann@a.test": "bob" } }),
            "ann@a.test: `bob` is no address",
        ),
        (json!({ "aliases": { "ann@a.test": [] } }), "an empty list"),
        (
            json!({ "tenants": { "shop": { "routes": [{ "port": 0 }] } } }),
            "tenant shop: route 1: port",
        ),
        (
            json!({ "tenants": { "shop": { "rutes": [] } } }),
            "unknown field `rutes`",
        ),
        (
            json!({ "warm-up": { "new": { "start": "soon", "days": [1] } } }),
            "warm-up of new: start: `soon`",
        ),
        (
            json!({ "warm-up": { "new": { "start": "2026-01-01", "days": [] } } }),
            "a list of caps",
        ),
        (
            json!({ "routes": [{ "egress-pool": "new" }], "warm-up": { "new": { "start": "2026-01-01", "days": [1] } } }),
            "add one without a schedule",
        ),
        (
            json!({ "routes": [{ "header": ": x", "port": 25 }] }),
            "no \"Name: value\"",
        ),
        (
            json!({ "routes": [{ "mx": "a b", "port": 25 }] }),
            "mx: `a b`",
        ),
        (
            json!({ "known-recipients-only": ["x@a.test"] }),
            "known-recipients-only",
        ),
        (
            json!({ "routes": [{ "header": ["A", "B", "C", "D", "E", "F", "G", "H", "I"], "port": 25 }] }),
            "more than 8 different header fields",
        ),
    ] {
        let _relay = testing::Relay::new().config(config);
        let error = Routing::new().err().expect("a mistake").to_string();
        assert!(error.contains(words), "{error} should contain {words}");
    }
}

#[test]
fn every_key_is_in_the_readme() {
    let sections = [
        json!({ "no-such-key": 1 }),
        json!({ "routes": [{ "no-such-key": 1 }] }),
        json!({ "routes": [{ "egress-pools": [{ "no-such-key": 1 }] }] }),
        json!({ "tenants": { "shop": { "no-such-key": 1 } } }),
        json!({ "warm-up": { "new": { "no-such-key": 1 } } }),
    ];
    testing::keys_are_described::<Routing>(include_str!("../README.md"), sections);
}
