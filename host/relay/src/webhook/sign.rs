//! The signature of a request, as Standard Webhooks has it: over name, time and body, so that a request can neither be
//! changed nor sent again later by somebody who saw it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::WebhookSecret;

/// The value of `webhook-signature`: one signature for each secret, so that a secret can be replaced while both are known.
pub fn signatures(secrets: &[WebhookSecret], id: &str, seconds: u64, body: &[u8]) -> String {
    let all = secrets
        .iter()
        .map(|secret| format!("v1,{}", signature(secret, id, seconds, body)));
    all.collect::<Vec<_>>().join(" ")
}

fn signature(secret: &WebhookSecret, id: &str, seconds: u64, body: &[u8]) -> String {
    // A key of any length is one for HMAC.
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("any length is a key");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures(
            &[WebhookSecret(secret)],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
