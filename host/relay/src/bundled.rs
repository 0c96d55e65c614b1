//! The plugins that are part of the program: components that the build script made, embedded as they are.

/// Name and component of each, in the order in which they are listed.
pub const COMPONENTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

#[cfg(test)]
mod tests {
    use super::COMPONENTS;

    #[test]
    fn every_bundled_plugin_is_a_component_and_no_bare_module() {
        const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
        let names: Vec<&str> = COMPONENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "link-tracking",
                "isp-responses",
                "routing",
                "policy",
                "suppression"
            ]
        );
        for (name, bytes) in COMPONENTS {
            assert!(bytes.starts_with(&COMPONENT), "{name}");
        }
    }
}
