//! The dev mode's remote host: an address that says which reply it wants.
//!
//! `550-5.1.1@sim.test` is answered 550 5.1.1, `451-4.7.1@sim.test` 451 4.7.1, `421@sim.test` 421. Words after the codes
//! become the text: `550-5.7.1-blocked-by-policy@sim.test`. So what plugins make of an ISP's answer, retries and bounces
//! can be seen without an ISP.

use baton_hooks::{RemoteReply, Stage};
use baton_smtp::{EnhancedStatus, Mailbox};

use super::Reported;

/// The domain whose addresses ask for a reply. `.test` never exists (RFC 6761 6.2).
pub const DOMAIN: &str = "sim.test";

/// The reply that the address asks for; none for an address that is like any other.
pub fn reply_for(recipient: &Mailbox) -> Option<Reported> {
    if recipient.domain().as_str() != DOMAIN {
        return None;
    }
    let mut words = recipient.local().split('-');
    let code: u16 = words
        .next()?
        .parse()
        .ok()
        .filter(|code| (400..600).contains(code))?;
    let rest: Vec<&str> = words.collect();
    let status: Option<EnhancedStatus> = rest.first().and_then(|word| word.parse().ok());
    let text = match &rest[usize::from(status.is_some())..] {
        [] => format!("the address asked for a simulated {code} reply"),
        words => words.join(" "),
    };
    let reply = RemoteReply {
        code,
        status,
        text: text.into(),
    };
    Some(Reported {
        stage: Stage::RcptTo,
        reply,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(address: &str) -> Option<(u16, Option<String>, String)> {
        let reported = reply_for(&address.parse().expect("an address"))?;
        let status = reported.reply.status.map(|status| status.to_string());
        Some((reported.reply.code, status, reported.reply.text.to_string()))
    }

    #[test]
    fn an_address_gets_the_reply_it_asks_for() {
        let (code, status, _) = asked("550-5.1.1@sim.test").expect("a reply");
        assert_eq!((code, status.as_deref()), (550, Some("5.1.1")));
        let (code, status, text) = asked("421@sim.test").expect("a reply");
        assert_eq!((code, status), (421, None));
        assert!(text.contains("simulated"));
        let (_, _, text) = asked("451-4.7.1-try-again-in-5-minutes@sim.test").expect("a reply");
        assert_eq!(text, "try again in 5 minutes");
    }

    #[test]
    fn other_addresses_are_delivered() {
        for address in [
            "550-5.1.1@example.net",
            "joe@sim.test",
            "250-2.0.0@sim.test",
            "999@sim.test",
        ] {
            assert_eq!(asked(address), None, "{address}");
        }
    }
}
