//! Candidates, records and replays against real components: what is compared, what serves, and that nobody is harmed.

#[allow(dead_code)]
#[path = "../it/house.rs"]
mod house;

mod canary;
mod record;
mod shadow;

use std::fs;

use baton_hooks::{PluginInfo, Trial};

use house::{Site, guest};

/// A site whose plugin `p` is the actor, with this candidate tried in this way.
fn site(
    trial: Trial,
    candidate: &str,
    change: impl FnOnce(&mut baton_hooks::PluginSettings),
) -> Site {
    let site = Site::new(&[("p", "actor")], |settings| {
        let mut own = baton_hooks::PluginSettings {
            trial,
            ..Default::default()
        };
        own.limits.cpu = std::time::Duration::from_millis(100);
        change(&mut own);
        settings.plugins.insert("p".into(), own);
        settings.thresholds.reject = Some(100.0);
    });
    fs::write(site.dir.join("p.candidate.wasm"), guest(candidate)).unwrap();
    site.until("the candidate is there", |s| {
        info(s).candidate.is_some_and(|c| c.digest.is_some())
    });
    site
}

fn info(site: &Site) -> PluginInfo {
    site.plugins.list().remove(0)
}
