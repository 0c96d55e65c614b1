//! Texts with places for values: `{{ name }}`, in the syntax of Jinja.

use std::io;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

/// Steps of one text: turns of loops, and bytes that are written.
const STEPS_MAX: u64 = 2_000_000;
/// What one text may become.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// How values are written into a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As they are.
    Plain,
    /// With the characters of markup escaped.
    Html,
}

/// Fills values into texts.
pub struct Templates(Environment<'static>);

impl Templates {
    pub fn new() -> Templates {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(STEPS_MAX));
        environment.set_auto_escape_callback(|name| match name {
            "html" => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        Templates(environment)
    }

    /// The text with its values; `key` names it in the error.
    pub fn fill(
        &self,
        key: &str,
        text: &str,
        kind: Kind,
        values: &Value,
    ) -> Result<String, String> {
        let name = match kind {
            Kind::Plain => "text",
            Kind::Html => "html",
        };
        let wrong = |error: minijinja::Error| match error.line() {
            Some(line) => format!("{key}, line {line}: {error}"),
            None => format!("{key}: {error}"),
        };
        let template = self.0.template_from_named_str(name, text).map_err(wrong)?;
        let mut written = Bounded::default();
        let done = template.render_captured_to(values.clone(), &mut written);
        if written.is_full {
            return Err(format!("{key} becomes longer than {TEXT_BYTES_MAX} bytes"));
        }
        done.map_err(wrong)?;
        String::from_utf8(written.bytes).map_err(|_| format!("{key} is no text"))
    }
}

/// Takes so much and no more.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > TEXT_BYTES_MAX {
            self.is_full = true;
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, kind: Kind) -> Result<String, String> {
        let values = serde_json::json!({ "name": "Ann & <Bob>", "items": ["a", "b"], "big": "x".repeat(1 << 19) });
        let values = Value::from(minijinja::value::Serde(values));
        Templates::new().fill("text", text, kind, &values)
    }

    #[test]
    fn values_are_filled_in_and_escaped_in_markup_alone() {
        let text = "Dear {{ name }}{% for item in items %} {{ item }}{% endfor %}";
        assert_eq!(fill(text, Kind::Plain).unwrap(), "Dear Ann & <Bob> a b");
        assert_eq!(
            fill(text, Kind::Html).unwrap(),
            "Dear Ann &amp; &lt;Bob&gt; a b"
        );
        assert_eq!(fill("{{ name|safe }}", Kind::Html).unwrap(), "Ann & <Bob>");
    }

    #[test]
    fn a_value_that_is_not_there_and_a_broken_text_are_named_with_their_line() {
        let missing = fill("a\nb {{ surname }}", Kind::Plain).unwrap_err();
        assert!(
            missing.starts_with("text, line 2: undefined value"),
            "{missing}"
        );
        let broken = fill("{% if %}", Kind::Plain).unwrap_err();
        assert!(broken.starts_with("text, line 1: syntax error"), "{broken}");
    }

    #[test]
    fn neither_endless_loops_nor_endless_texts_are_written() {
        let turns =
            "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}";
        let endless = fill(turns, Kind::Plain).unwrap_err();
        assert!(endless.contains("fuel"), "{endless}");
        let long = fill("{{ big }}{{ big }}{{ big }}", Kind::Plain);
        let long = long.unwrap_err();
        assert!(long.contains("longer than"), "{long}");
    }
}
