//! What other recipients take over when a plugin puts them in the place of one (RFC 3461 5.2.7). Pure.

use baton_hooks::Rewritten;
use baton_smtp::envelope::{Notify, encode_xtext};
use baton_smtp::{Mailbox, Parameter, Recipient, Reply};

/// What a recipient became.
#[derive(Debug, PartialEq, Eq)]
pub struct Others {
    /// Who gets the message.
    pub to: Vec<Recipient>,
    /// Who does not, and why: the sender is told as of any other failure.
    pub refused: Vec<(Recipient, Reply)>,
    /// The sender wants to know that there are several.
    pub is_expansion: bool,
}

/// What `asked` became, as the plugins say.
pub fn others(asked: &Recipient, rewritten: Rewritten) -> Others {
    let Rewritten {
        mut to, refused, ..
    } = rewritten;
    let count = to.len();
    let (refused, replies): (Vec<Mailbox>, Vec<Reply>) = refused.into_iter().unzip();
    to.extend(refused);
    let is_expansion = is_expansion(asked, to.len());
    let mut to = instead(asked, to);
    let refused = to.split_off(count);
    Others {
        to,
        refused: refused.into_iter().zip(replies).collect(),
        is_expansion,
    }
}

/// The recipients instead of `asked`. One address for another is the same recipient by another name: it keeps what the
/// sender wants to know, under the name that the sender knows. Where it becomes several and the sender wants to know of
/// success, it is told of the expansion and not of each of them.
fn instead(asked: &Recipient, to: Vec<Mailbox>) -> Vec<Recipient> {
    let mut parameters = asked.parameters.clone();
    if asked.orcpt().is_none() && asked.address.is_ascii() {
        let value = format!("rfc822;{}", encode_xtext(&asked.address.to_string()));
        parameters.extend(Parameter::new("ORCPT", Some(&value)));
    }
    if is_expansion(asked, to.len()) {
        let notify = Notify {
            success: false,
            ..asked.notify().unwrap_or_default()
        };
        parameters.retain(|parameter| parameter.keyword() != "NOTIFY");
        parameters.extend(Parameter::new("NOTIFY", Some(&notify.to_string())));
    }
    let of = |address| Recipient {
        address,
        parameters: parameters.clone(),
    };
    to.into_iter().map(of).collect()
}

/// Whether the sender is to be told that its message went on to several addresses.
fn is_expansion(asked: &Recipient, count: usize) -> bool {
    count > 1 && asked.notify().is_some_and(|notify| notify.success)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(parameters: &[(&str, &str)]) -> Recipient {
        let mut recipient = Recipient::new(Mailbox::parse("all@example.net").unwrap());
        for (keyword, value) in parameters {
            recipient
                .parameters
                .extend(Parameter::new(keyword, Some(value)));
        }
        recipient
    }

    fn to(count: usize) -> Vec<Mailbox> {
        let mailbox = |n| Mailbox::parse(&format!("m{n}@example.org")).unwrap();
        (0..count).map(mailbox).collect()
    }

    #[test]
    fn a_new_name_keeps_the_one_that_the_sender_knows() {
        let [one] = &instead(&asked(&[("NOTIFY", "SUCCESS")]), to(1))[..] else {
            panic!("one recipient");
        };
        assert_eq!(one.address.to_string(), "m0@example.org");
        assert_eq!(one.orcpt().unwrap().address, "all@example.net");
        assert!(one.notify().unwrap().success);
        let known = asked(&[("ORCPT", "rfc822;list@elsewhere.example")]);
        let orcpt = instead(&known, to(1))[0].orcpt().unwrap();
        assert_eq!(orcpt.address, "list@elsewhere.example");
    }

    #[test]
    fn who_a_plugin_refused_fails_as_any_recipient_does_and_the_others_get_it() {
        let reply = Reply::policy();
        let rewritten = Rewritten {
            to: to(1),
            refused: vec![(Mailbox::parse("gone@example.org").unwrap(), reply.clone())],
            discarded: Vec::new(),
        };
        let end = others(&asked(&[("NOTIFY", "SUCCESS,FAILURE")]), rewritten);
        assert!(end.is_expansion);
        assert_eq!(end.to.len(), 1);
        let [(refused, why)] = &end.refused[..] else {
            panic!("one is refused");
        };
        assert_eq!(refused.address.to_string(), "gone@example.org");
        assert_eq!(refused.orcpt().unwrap().address, "all@example.net");
        assert!(refused.notify().unwrap().failure);
        assert_eq!(*why, reply);
    }

    #[test]
    fn of_several_the_sender_hears_of_the_expansion_and_of_failures() {
        let wanted = asked(&[("NOTIFY", "SUCCESS,FAILURE")]);
        assert!(is_expansion(&wanted, 2) && !is_expansion(&wanted, 1));
        for one in instead(&wanted, to(3)) {
            let notify = one.notify().unwrap();
            assert!(!notify.success && notify.failure && !notify.delay);
        }
        let only_success = instead(&asked(&[("NOTIFY", "SUCCESS")]), to(2));
        assert!(only_success[0].notify().unwrap().is_never());
        let usual = asked(&[]);
        assert!(!is_expansion(&usual, 2));
        assert!(instead(&usual, to(2))[0].notify().is_none());
    }
}
