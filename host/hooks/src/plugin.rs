//! A plugin as sittings see it: a loaded component and what the operator decided about it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::grant::Granted;
use crate::health::Health;
use crate::hook::HookSet;
use crate::load::Loaded;
use crate::settings::PluginSettings;
use crate::trial::canary::{Canary, Side};
use crate::trial::shadow::Shadow;

/// See the module. Made anew when the component or the settings change; `health` lives as long as the version does.
pub(crate) struct Plugin {
    pub name: Arc<str>,
    pub loaded: Arc<Loaded>,
    pub settings: PluginSettings,
    pub granted: Granted,
    /// The hooks that are called: those it exports, without the ones its configuration has no use for.
    pub hooks: HookSet,
    /// The top level of the plugin's section: text as it is, everything else as JSON.
    pub config: HashMap<String, Arc<str>>,
    pub health: Arc<Health>,
    /// A candidate that answers its calls a second time.
    pub shadow: Option<Arc<Shadow>>,
    /// The canary this is one side of.
    pub canary: Option<(Arc<Canary>, Side)>,
}

impl Plugin {
    pub fn new(
        name: Arc<str>,
        loaded: Arc<Loaded>,
        settings: PluginSettings,
        health: Arc<Health>,
    ) -> Plugin {
        let granted = Granted::new(&settings.grants);
        let config = top_level(&settings.config);
        let hooks = loaded.hooks;
        Plugin {
            name,
            loaded,
            settings,
            granted,
            hooks,
            config,
            health,
            shadow: None,
            canary: None,
        }
    }
}

fn top_level(json: &str) -> HashMap<String, Arc<str>> {
    let Ok(serde_json::Value::Object(section)) = serde_json::from_str(json) else {
        return HashMap::new();
    };
    section
        .into_iter()
        .map(|(key, value)| match value {
            serde_json::Value::String(text) => (key, Arc::from(text)),
            other => (key, Arc::from(other.to_string())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_by_key_as_text_or_json() {
        let section = top_level(r#"{"a":"text","b":3,"c":["x"],"d":null}"#);
        let get = |key: &str| section.get(key).map(|v| &**v);
        assert_eq!(get("a"), Some("text"));
        assert_eq!(get("b"), Some("3"));
        assert_eq!(get("c"), Some(r#"["x"]"#));
        assert_eq!(get("e"), None);
        assert!(top_level("nonsense").is_empty());
    }
}
