//! What a plugin may reach beyond the sitting, and what it hears when it may not.

use crate::house::{Site, envelope, tag};

async fn run(site: &Site, act: &str, key: &str) -> String {
    let mut sitting = site.transaction(act);
    sitting.on_data(&envelope()).await;
    let records = sitting.take_records();
    assert!(records[0].fault.is_none(), "{act}: {:?}", records[0].fault);
    tag(&sitting, key).unwrap()
}

#[tokio::test]
async fn without_grants_every_door_answers_not_granted_and_says_so_once() {
    let site = Site::actor(|own| own.grants.kv_bytes_max = 0);
    for _ in 0..2 {
        assert_eq!(run(&site, "kv-get a", "kv").await, "Err(not-granted)");
        assert_eq!(
            run(&site, "dns example.net", "dns").await,
            "Err(not-granted)"
        );
        assert_eq!(
            run(&site, "http https://api.test/", "http").await,
            "Err(not-granted)"
        );
        assert_eq!(
            run(&site, "submit example.net", "submit").await,
            "Err(Error::NotGranted)"
        );
        assert_eq!(
            run(&site, "secret key", "secret").await,
            "Err(\"not granted\")"
        );
    }
    assert_eq!(
        site.house.events("plugin-not-granted"),
        [
            "plugin-not-granted actor kv",
            "plugin-not-granted actor dns",
            "plugin-not-granted actor http api.test:443",
            "plugin-not-granted actor submit",
            "plugin-not-granted actor secret key",
        ]
    );
    assert!(site.house.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_granted_reaches_the_relay() {
    let site = Site::actor(|own| {
        own.grants.dns = true;
        own.grants.submit = true;
        own.grants.http = vec!["api.test".into()];
        own.grants.secrets = vec!["key".into(), "absent".into()];
        own.secrets.insert("key".into(), "s3cret".into());
        own.secrets.insert("other".into(), "hidden".into());
    });
    assert_eq!(
        run(&site, "dns example.net", "dns").await,
        "Ok([\"text of example.net\"])"
    );
    assert_eq!(run(&site, "mx example.net", "dns").await, "Ok(1)");
    assert_eq!(
        run(&site, "ptr 192.0.2.1", "dns").await,
        "Ok([\"name-of-192.0.2.1\"])"
    );
    assert_eq!(run(&site, "ptr nonsense", "dns").await, "Err(failed)");
    assert_eq!(
        run(&site, "listed bl.test 127.0.0.2", "dns").await,
        "Ok(Some(\"127.0.0.4\"))"
    );
    assert_eq!(
        run(&site, "listed bl.test 127.0.0.3", "dns").await,
        "Ok(None)"
    );
    assert_eq!(
        run(&site, "http https://api.test/x", "http").await,
        "Ok((200, 0))"
    );
    assert_eq!(
        run(&site, "http https://other.test/x", "http").await,
        "Err(not-granted)"
    );
    assert_eq!(
        run(&site, "submit example.net", "submit").await,
        "Ok(\"id-of-it\")"
    );
    assert_eq!(run(&site, "secret key", "secret").await, "Ok(\"s3cret\")");
    assert_eq!(
        run(&site, "secret absent", "secret").await,
        "Err(\"no such secret\")"
    );
    assert_eq!(
        run(&site, "secret other", "secret").await,
        "Err(\"not granted\")"
    );
    assert_eq!(site.house.submitted.lock().unwrap().len(), 1);
    let mut sitting = site.transaction("http-message https://api.test/scan");
    let size = sitting.draft().unwrap().message().size();
    sitting.on_data(&envelope()).await;
    assert_eq!(tag(&sitting, "http"), Some(format!("Ok({size})")));
}

#[tokio::test]
async fn waits_of_one_call_have_a_budget() {
    let site = Site::actor(|own| {
        own.grants.dns = true;
        own.limits.waits_max = 5;
    });
    assert_eq!(run(&site, "dns-flood", "dns").await, "Some(Err(budget))");
    assert_eq!(
        run(&site, "dns example.net", "dns").await,
        "Ok([\"text of example.net\"])"
    );
}

#[tokio::test]
async fn key_value_is_the_plugins_own_and_has_a_quota() {
    let site = Site::new(&[("a", "actor"), ("b", "brief")], |settings| {
        let mut own = baton_hooks::PluginSettings::default();
        own.grants.kv_bytes_max = 10;
        settings.plugins.insert("a".into(), own);
    });
    assert_eq!(run(&site, "kv-set key value", "kv").await, "Ok(())");
    assert_eq!(run(&site, "kv-get key", "kv").await, "Ok(Some(\"value\"))");
    assert_eq!(
        run(&site, "kv-set key more-than-ten-bytes", "kv").await,
        "Err(quota)"
    );
    assert_eq!(run(&site, "kv-long", "kv").await, "Err(too-large)");
    assert_eq!(run(&site, "kv-incr n", "kv").await, "Ok(1.0)");
    assert_eq!(run(&site, "kv-incr n", "kv").await, "Ok(2.0)");
    assert_eq!(
        run(&site, "kv-take t;kv-take t;kv-take t", "kv").await,
        "Ok(false)"
    );
    assert_eq!(run(&site, "kv-absent key", "kv").await, "Ok(false)");
    assert_eq!(run(&site, "kv-keys k", "kv").await, "Ok([\"key\"])");
    assert_eq!(run(&site, "kv-delete key", "kv").await, "Ok(true)");
    let kv = site.house.kv.lock().unwrap();
    assert!(kv.keys().all(|(plugin, _)| plugin == "a"));
}

#[tokio::test]
async fn what_a_plugin_emits_is_an_event_of_the_relay() {
    let site = Site::actor(|_| {});
    let mut sitting = site.transaction("emit greeted");
    sitting.on_data(&envelope()).await;
    assert_eq!(
        site.house.events("plugin-emitted"),
        ["plugin-emitted actor greeted [(\"key\", \"value\")]"]
    );
}

#[tokio::test]
async fn random_bytes_come_in_the_number_asked_for() {
    let site = Site::actor(|_| {});
    assert_eq!(run(&site, "random 32", "random").await, "(32, 4)");
}
