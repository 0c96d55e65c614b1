//! How well the replies of corpus files are understood: `cargo run -p isp-responses --example score -- FILE...`. What was
//! missed is shown with the rule that missed it; `tests/replies.rs` holds the bar.

use isp_responses::reason::Disposition;
use isp_responses::translate::{Reply, Translator};

fn main() {
    let translator = Translator::default();
    for path in std::env::args().skip(1) {
        let corpus = std::fs::read_to_string(&path).expect("a readable file");
        let (mut all, mut right, mut hard_right) = (0u32, 0u32, 0u32);
        for line in corpus
            .lines()
            .filter(|l| !l.starts_with('#') && !l.is_empty())
        {
            let fields: Vec<&str> = line.splitn(3, '|').collect();
            let [reason, hard, text] = fields[..] else {
                panic!("three fields: {line}");
            };
            let unfolded = text.replace("\\n", "\n");
            let found = translator.translate(&Reply {
                text: &unfolded,
                ..Reply::default()
            });
            all += 1;
            let is_hard = found.disposition == Disposition::Hard;
            let reason_fits = found.reason.name() == reason;
            let hard_fits = is_hard == (hard == "h");
            right += u32::from(reason_fits);
            hard_right += u32::from(hard_fits);
            let told = !held_out(&unfolded) || std::env::var_os("SHOW_HELD_OUT").is_some();
            if told && (!reason_fits || !hard_fits) {
                println!(
                    "{} {reason}{} found {}{} {:.2} ({}): {text}",
                    if hard_fits { " " } else { "!" },
                    if hard == "h" { " hard" } else { "" },
                    found.reason.name(),
                    if is_hard { " hard" } else { "" },
                    found.confidence,
                    found.rule,
                );
            }
        }
        let share = |n: u32| 100.0 * f64::from(n) / f64::from(all.max(1));
        println!(
            "{path}: {all} replies, reason {:.1} %, hard or not {:.1} %",
            share(right),
            share(hard_right)
        );
    }
}

/// As in `tests/replies.rs`: what is held out is counted and not shown.
fn held_out(text: &str) -> bool {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    });
    (hash >> 7).is_multiple_of(3)
}
