//! What the messages in the files report: `cargo run -p isp-responses --example report -- FILE...`.

use isp_responses::report;
use isp_responses::translate::Translator;

fn main() {
    for path in std::env::args().skip(1) {
        let raw = std::fs::read(&path).expect("a readable file");
        println!("{path}");
        for found in report::read(&Translator::default(), &raw) {
            let (reason, disposition, rule) =
                found.translation.as_ref().map_or(("-", "-", "-"), |t| {
                    (t.reason.name(), t.disposition.name(), t.rule.as_str())
                });
            println!(
                "  {} {:?} {reason} {disposition} {rule} {:?}",
                found.kind.name(),
                found.recipient,
                found.reply
            );
        }
    }
}
