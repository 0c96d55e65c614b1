//! Speaks the second version of the contract that the tests of the host know.

wit_bindgen::generate!({
    path: "wit/toy",
    world: "toy",
});

use baton::relay::verdicts::{Refusal, Verdict};
use baton::relay::{mail, names};

struct Toy;
export!(Toy);

impl exports::baton::relay::on_data::Guest for Toy {
    fn on_data(sender: String, recipients: Vec<String>) -> Verdict {
        let act = mail::field("X-Act").join(" ");
        match act.split_once(' ').unwrap_or((&act, "")) {
            ("refuse", words) => Verdict::Refuse(Refusal {
                code: 550,
                words: words.split(' ').map(str::to_owned).collect(),
            }),
            ("fail", words) => Verdict::Error(words.into()),
            ("loop", _) => {
                let mut n = 0u32;
                loop {
                    n = std::hint::black_box(n.wrapping_add(1));
                }
            }
            ("texts", name) => {
                let found = format!("{:?}", names::texts(name));
                match mail::add_field("X-Texts", &found) {
                    Ok(()) => Verdict::Pass,
                    Err(why) => Verdict::Error(why),
                }
            }
            _ => match mail::add_field("X-Toy", &format!("{sender} {}", recipients.join(" "))) {
                Ok(()) => Verdict::Pass,
                Err(why) => Verdict::Error(why),
            },
        }
    }
}
