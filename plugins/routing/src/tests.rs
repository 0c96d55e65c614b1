use std::collections::BTreeMap;

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
