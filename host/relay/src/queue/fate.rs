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

/// Where mail left from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Egresses<'a> {
    /// This time.
    pub used: Option<&'a str>,
    /// The last time that the site wanted another one.
    pub unwanted: Option<&'a str>,
}

/// The fate of one recipient.
pub fn of(reported: &Reported, translation: Option<&Translation>, egresses: Egresses<'_>) -> Fate {
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
        Some(Advice::RotateEgress) => match (egresses.used, egresses.unwanted) {
            (Some(_), None) => Fate::Retry(Some(Duration::ZERO)),
            // Neither of them: those that are left, if any are, are tried at the usual pace.
            (Some(used), Some(unwanted)) if used != unwanted => Fate::Retry(None),
            // There is no other.
            _ => by_code,
        },
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
        let of = |reported: &Reported, translation: Option<&Translation>| {
            super::of(reported, translation, Egresses::default())
        };
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
        let of = |reported: &Reported, translation: Option<&Translation>| {
            super::of(reported, translation, Egresses::default())
        };
        assert_eq!(of(&reported(0, "5.1.10"), None), Fate::Fail);
        assert_eq!(of(&reported(0, "4.4.1"), None), Fate::Retry(None));
        assert_eq!(of(&reported(0, ""), None), Fate::Retry(None));
    }

    #[test]
    fn advice_outweighs_the_code() {
        let of = |reported: &Reported, translation: Option<&Translation>| {
            super::of(reported, translation, Egresses::default())
        };
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

    #[test]
    fn another_egress_is_tried_at_once_and_where_there_is_none_the_code_decides() {
        let rotate = advised(Advice::RotateEgress);
        let fate = |code, used, unwanted| {
            let egresses = Egresses { used, unwanted };
            of(&reported(code, "5.7.1"), Some(&rotate), egresses)
        };
        let at_once = Fate::Retry(Some(Duration::ZERO));
        assert_eq!(fate(554, Some("one"), None), at_once);
        assert_eq!(fate(554, Some("two"), Some("one")), Fate::Retry(None));
        // The second attempt left from the same address: it is the only one.
        assert_eq!(fate(554, Some("one"), Some("one")), Fate::Fail);
        assert_eq!(fate(554, None, None), Fate::Fail);
        assert_eq!(fate(450, None, None), Fate::Retry(None));
    }
}
