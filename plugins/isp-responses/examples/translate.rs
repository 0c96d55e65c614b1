//! Translates the lines of standard input: `cargo run -p isp-responses --example translate < replies`.

use isp_responses::translate::{Reply, Translator};

fn main() {
    let translator = Translator::default();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let text = line.replace("\\n", "\n");
        let found = translator.translate(&Reply {
            text: &text,
            ..Reply::default()
        });
        println!(
            "{:22} {:12} {:.2} {:34} {line}",
            found.reason.name(),
            found.disposition.name(),
            found.confidence,
            found.rule
        );
    }
}
