//! Copies of one message are kept as what was received, once, and how each is made from it.

use baton_message::recipe::Recipes;
use baton_spool::{CopyOf, MessageId, NewMessage};
use bytes::Bytes;

/// Lets the messages of one transaction share what was received, where that takes less room than to keep each whole.
pub(super) fn originals(received: &Bytes, name: MessageId, messages: &mut [NewMessage]) {
    if messages.len() < 2 {
        return;
    }
    let mut recipes = Recipes::new(received.clone());
    let written: Vec<Bytes> = messages
        .iter()
        .map(|message| recipes.write(&message.body))
        .collect();
    let shared = received.len() + written.iter().map(Bytes::len).sum::<usize>();
    let whole: u64 = messages.iter().map(NewMessage::body_bytes).sum();
    if shared as u64 >= whole {
        return;
    }
    for (message, recipe) in messages.iter_mut().zip(written) {
        message.copy_of = Some(CopyOf {
            original: name,
            bytes: received.clone(),
            recipe,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(received: &Bytes, count: u64) -> Vec<NewMessage> {
        (1..=count)
            .map(|n| NewMessage {
                id: MessageId::new(n, 1),
                received_ms: n,
                sender: None.into(),
                parameters: Vec::new(),
                recipients: Vec::new(),
                origin: Default::default(),
                tags: Vec::new(),
                plugins: Vec::new(),
                subject: None,
                meta: Bytes::new(),
                body: vec![Bytes::from(format!("X-Copy: {n}\r\n")), received.clone()],
                copy_of: None,
                trace: Bytes::new(),
            })
            .collect()
    }

    #[test]
    fn several_copies_of_one_message_take_little_more_than_one() {
        let received = Bytes::from("Subject: x\r\n\r\n".to_owned() + &"text\r\n".repeat(1000));
        let mut messages = copies(&received, 3);
        originals(&received, MessageId::new(1, 1), &mut messages);
        for message in &messages {
            let copy = message.copy_of.as_ref().expect("it shares");
            assert!(message.kept_bytes() < 100);
            assert_eq!(copy.original, MessageId::new(1, 1));
            let made = baton_message::recipe::follow(&received, &copy.recipe, message.body_bytes());
            assert_eq!(made.expect("made").concat(), message.body.concat());
        }
    }

    #[test]
    fn one_message_alone_is_kept_whole() {
        let received = Bytes::from_static(b"Subject: x\r\n\r\nx\r\n");
        let mut messages = copies(&received, 1);
        originals(&received, MessageId::new(1, 1), &mut messages);
        assert_eq!(messages[0].copy_of, None);
    }
}
