//! `on-load`: a plugin says what its configuration needs before it serves.

use std::time::Duration;

use baton_hooks::{Hook, PluginInfo, PluginSettings, PluginState, Settings};

use crate::house::{Site, envelope, guest, recipient, tag};

/// One `choosy` with that section.
fn site(config: &str) -> Site {
    Site::new(&[("choosy", "choosy")], |settings| {
        configure(settings, config)
    })
}

fn configure(settings: &mut Settings, config: &str) {
    let mut own = PluginSettings {
        config: config.into(),
        ..PluginSettings::default()
    };
    own.grants.dns = true;
    own.limits.cpu = Duration::from_millis(100);
    settings.plugins.insert("choosy".into(), own);
}

/// The hooks that were called in a transaction of all stages.
async fn called(site: &Site) -> Vec<&'static str> {
    let mut sitting = site.transaction("");
    sitting.on_mail(&envelope()).await;
    sitting.on_rcpt(&envelope(), &recipient("ann")).await;
    sitting.on_data(&envelope()).await;
    let hooks = ["on-mail", "on-rcpt", "on-data"];
    let mut hooks = hooks.to_vec();
    hooks.retain(|hook| tag(&sitting, hook).is_some());
    hooks
}

fn info(site: &Site) -> PluginInfo {
    let list = site.plugins.list();
    list.into_iter()
        .find(|info| &*info.name == "choosy")
        .unwrap()
}

#[tokio::test]
async fn only_the_hooks_that_the_configuration_has_a_use_for_are_called() {
    let site = site(r#"{"wants": "on-rcpt"}"#);
    assert_eq!(called(&site).await, ["on-rcpt"]);
    let generation = site.plugins.generation();
    assert!(generation.exports(Hook::Rcpt) && !generation.exports(Hook::Mail));
    let info = info(&site);
    assert_eq!(info.called.iter().collect::<Vec<_>>(), [Hook::Rcpt]);
    assert!(info.hooks.contains(Hook::Data), "{:?}", info.hooks);
}

#[tokio::test]
async fn without_an_answer_all_hooks_are_called() {
    assert_eq!(called(&site("{}")).await, ["on-mail", "on-rcpt", "on-data"]);
}

#[tokio::test]
async fn another_configuration_is_asked_about_anew() {
    let site = site(r#"{"wants": "on-rcpt"}"#);
    let mut settings = site.settings.clone();
    configure(&mut settings, r#"{"wants": "on-mail on-data"}"#);
    site.plugins.reconfigure(settings).unwrap();
    assert_eq!(called(&site).await, ["on-mail", "on-data"]);
}

#[tokio::test]
async fn what_was_written_into_key_value_is_seen_when_the_plugin_is_asked_again() {
    let site = site(r#"{"wants": "on-rcpt"}"#);
    let before = site.plugins.generation();
    site.plugins.consult_again("choosy");
    assert!(
        std::sync::Arc::ptr_eq(&before, &site.plugins.generation()),
        "the same answer swaps nothing"
    );
    let key = ("choosy".to_owned(), "also".to_owned());
    site.house.kv.lock().unwrap().insert(key, "on-data".into());
    site.plugins.consult_again("choosy");
    assert_eq!(called(&site).await, ["on-rcpt", "on-data"]);
    site.plugins.consult_again("nobody");
}

#[tokio::test]
async fn a_version_that_cannot_work_with_its_configuration_does_not_replace_one_that_can() {
    let site = Site::new(&[("choosy", "brief")], |settings| {
        configure(settings, r#"{"fail": "rates: 5 is no rate"}"#);
    });
    let served = info(&site).digest;
    std::fs::write(site.dir.join("choosy.wasm"), guest("choosy")).unwrap();
    site.until("the file is refused", |site| info(site).problem.is_some());
    let info = info(&site);
    assert_eq!(info.problem.as_deref(), Some("rates: 5 is no rate"));
    assert_eq!((info.state, info.digest), (PluginState::Active, served));
}

#[tokio::test]
async fn a_plugin_that_was_never_in_order_is_not_left_out_of_the_chain() {
    let site = site(r#"{"fail": "rates: 5 is no rate"}"#);
    assert_eq!(info(&site).problem.as_deref(), Some("rates: 5 is no rate"));
    let refused = site.house.events("plugin-refused");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("rates: 5 is no rate"), "{refused:?}");
    assert_eq!(called(&site).await, ["on-mail", "on-rcpt", "on-data"]);
    // And is in order again with another configuration.
    let mut settings = site.settings.clone();
    configure(&mut settings, r#"{"wants": "on-mail"}"#);
    site.plugins.reconfigure(settings).unwrap();
    assert_eq!(info(&site).problem, None);
    assert_eq!(called(&site).await, ["on-mail"]);
}

#[test]
fn a_hook_that_is_none_an_endless_loop_and_a_question_to_the_world_are_named() {
    let why = |config: &str| info(&site(config)).problem.unwrap_or_default();
    let misspelt = why(r#"{"wants": "on-dta"}"#);
    assert!(misspelt.contains("\"on-dta\" is no hook"), "{misspelt}");
    let endless = why(r#"{"loop": "yes"}"#);
    assert!(endless.contains("on-load processor time"), "{endless}");
    // `budget` is the last of the errors of dns.
    assert_eq!(why(r#"{"ask": "yes"}"#), "Err(5)");
}

#[test]
fn what_is_logged_at_load_reaches_the_relay() {
    let site = site("{}");
    let logged = site.house.events("log");
    assert!(
        logged.iter().any(|line| line.contains("loading")),
        "{logged:?}"
    );
}
