//! What a reply means for a recipient: the code decides, and a plugin's advice may know better. Pure.

use std::time::Duration;

use baton_hooks::{Advice, Translation};

use crate::outbound::Reported;

/// What becomes of a recipient after an attempt, before the schedule has its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    /// It will never be delivered.
    Fail,
    /// Try again, after that time if somebody asked for one.
    Retry(Option<Duration>),
}

/// The fate of one recipient.
pub fn of(reported: &Reported, translation: Option<&Translation>) -> Fate {
    if reported.is_success() {
        return Fate::Delivered;
    }
    let by_code = if reported.is_permanent() {
        Fate::Fail
    } else {
        Fate::Retry(None)
    };
    match translation.map(|translation| translation.advice) {
        None | Some(Advice::None) => by_code,
        // Who will never be written to again need not be waited for.
        Some(Advice::Suppress) => Fate::Fail,
        // The rest say that this was not about the recipient or not for ever, whatever the code.
        Some(Advice::Retry(after)) => Fate::Retry(after),
        Some(Advice::BackOff(after) | Advice::Suspend(after)) => Fate::Retry(Some(after)),
        Some(Advice::RotateEgress) => Fate::Retry(Some(Duration::ZERO)),
    }
}

#[cfg(test)]
mod tests {
    use baton_hooks::{Disposition, RemoteReply, Scope, Stage};

    use super::*;

    fn reported(code: u16, status: &str) -> Reported {
        let reply = RemoteReply {
            code,
            status: status.parse().ok(),
            text: "".into(),
        };
        Reported {
            stage: Stage::RcptTo,
            reply,
        }
    }

    fn advised(advice: Advice) -> Translation {
        Translation {
            disposition: Disposition::Block,
            reason: "other".into(),
            scope: Scope::Connection,
            advice,
            explanation: String::new(),
            confidence: 1.0,
            rule: "test".into(),
        }
    }

    #[test]
    fn without_advice_the_code_decides() {
        assert_eq!(of(&reported(250, "2.0.0"), None), Fate::Delivered);
        assert_eq!(of(&reported(450, "4.2.1"), None), Fate::Retry(None));
        assert_eq!(of(&reported(550, "5.1.1"), None), Fate::Fail);
        assert_eq!(
            of(&reported(550, "5.1.1"), Some(&advised(Advice::None))),
            Fate::Fail
        );
    }

    #[test]
    fn a_failure_without_a_reply_is_judged_by_its_status() {
        assert_eq!(of(&reported(0, "5.1.10"), None), Fate::Fail);
        assert_eq!(of(&reported(0, "4.4.1"), None), Fate::Retry(None));
        assert_eq!(of(&reported(0, ""), None), Fate::Retry(None));
    }

    #[test]
    fn advice_outweighs_the_code() {
        let five = reported(554, "5.7.1");
        let minute = Duration::from_secs(60);
        assert_eq!(
            of(&five, Some(&advised(Advice::Retry(None)))),
            Fate::Retry(None)
        );
        assert_eq!(
            of(&five, Some(&advised(Advice::Suspend(minute)))),
            Fate::Retry(Some(minute))
        );
        let four = reported(450, "4.1.1");
        assert_eq!(of(&four, Some(&advised(Advice::Suppress))), Fate::Fail);
        assert_eq!(
            of(&reported(250, ""), Some(&advised(Advice::Suppress))),
            Fate::Delivered
        );
    }
}
