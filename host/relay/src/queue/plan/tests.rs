use std::path::Path;

use super::*;

fn config(more: &str) -> Config {
    let text = format!(
        r#"
        hostname = "relay.test"
        [[listener]]
        name = "in"
        address = "127.0.0.1:0"
        {more}
        "#
    );
    Config::parse(&text, Path::new("baton.toml")).expect("a configuration")
}

const EGRESSES: &str = r#"
    [delivery]
    pool = "all"
    [[egress]]
    name = "one"
    address = "192.0.2.1"
    ehlo = "out1.test"
    [[egress]]
    name = "two"
    address = "192.0.2.2"
    [[pool]]
    name = "all"
    egress = ["one", "two"]
"#;

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain")
}

#[test]
fn without_a_route_mail_goes_to_the_exchangers_of_its_domain() {
    let config = config("");
    let plan = plan(&config, &Route::default(), &domain("dest.test"), &[], 0.5).expect("a plan");
    assert_eq!(plan.key.hop, Hop::Next(NextHop::Mx(domain("dest.test"))));
    assert_eq!(
        (plan.key.port, plan.priority, plan.key.site()),
        (25, 128, "dest.test".to_owned())
    );
}

#[test]
fn a_route_decides_what_it_names_and_leaves_the_rest() {
    let config = config("[delivery]\ntls = \"encrypt\"");
    let route = Route {
        next_hop: NextHop::parse("[192.0.2.9]"),
        port: Some(2526),
        queue: Some("bulk".into()),
        priority: Some(1),
        ..Route::default()
    };
    let plan = plan(&config, &route, &domain("dest.test"), &[], 0.5).expect("a plan");
    assert_eq!(plan.key.to_string(), "[192.0.2.9] (bulk)");
    assert_eq!(
        (plan.key.port, plan.priority, plan.key.tls),
        (2526, 1, TlsDemand::Encrypt)
    );
}

#[test]
fn in_the_dev_mode_no_route_leads_out() {
    let any = || "127.0.0.1:0".parse().expect("an address");
    let config = Config::dev("state".into(), any(), any(), None);
    let route = Route {
        next_hop: NextHop::parse("[192.0.2.9]"),
        ..Route::default()
    };
    let plan = plan(&config, &route, &domain("dest.test"), &[], 0.5).expect("a plan");
    assert_eq!(plan.key.hop, Hop::Inbox);
    assert!(destination(&config, &plan.key).is_none());
}

#[test]
fn a_pool_gives_its_members_by_chance_and_not_the_one_to_avoid() {
    let config = config(EGRESSES);
    let pick = |avoid: &[String], chance| {
        let planned = plan(&config, &Route::default(), &domain("d.test"), avoid, chance);
        planned
            .expect("a plan")
            .key
            .egress
            .map(|name| name.to_string())
    };
    assert_eq!(pick(&[], 0.0).as_deref(), Some("one"));
    assert_eq!(pick(&[], 0.999).as_deref(), Some("two"));
    assert_eq!(pick(&[], 1.0).as_deref(), Some("two"));
    for chance in [0.0, 0.5, 1.0] {
        assert_eq!(pick(&["one".to_owned()], chance).as_deref(), Some("two"));
    }
}

#[test]
fn an_egress_speaks_by_its_own_name() {
    let config = config(EGRESSES);
    let route = Route {
        egress_pool: Some("one".into()),
        ..Route::default()
    };
    let plan = plan(&config, &route, &domain("d.test"), &[], 0.5).expect("a plan");
    let destination = destination(&config, &plan.key).expect("a destination");
    assert_eq!(destination.ehlo.as_str(), "out1.test");
    assert_eq!(
        destination.egress.expect("an egress").address.to_string(),
        "192.0.2.1"
    );
}

#[test]
fn a_smart_host_brings_its_port_encryption_and_name() {
    let config = config(
        r#"
        [delivery]
        route = "smarthost:up"
        [[smarthost]]
        name = "up"
        host = "smtp.up.test"
        port = 465
        tls = "implicit"
        username = "me"
        password = "secret"
        "#,
    );
    let plan = plan(&config, &Route::default(), &domain("d.test"), &[], 0.5).expect("a plan");
    assert_eq!((plan.key.port, plan.key.tls), (465, TlsDemand::Verify));
    let destination = destination(&config, &plan.key).expect("a destination");
    assert!(destination.implicit_tls && destination.credentials.is_some());
    assert_eq!(destination.hop, NextHop::SmartHost("smtp.up.test".into()));
}

#[test]
fn what_is_not_configured_is_the_operators_mistake() {
    let config = config("");
    let smarthost = Route {
        next_hop: NextHop::parse("smarthost:none"),
        ..Route::default()
    };
    let error = plan(&config, &smarthost, &domain("d.test"), &[], 0.5).err();
    assert_eq!(error, Some(PlanError::NoSmarthost("none".into())));
    let pool = Route {
        egress_pool: Some("none".into()),
        ..Route::default()
    };
    let error = plan(&config, &pool, &domain("d.test"), &[], 0.5).err();
    assert_eq!(error, Some(PlanError::NoEgress("none".into())));
}
