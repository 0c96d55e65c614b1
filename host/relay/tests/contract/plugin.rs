//! Every hook, in Rust.

use baton_sdk::prelude::*;

const HOOKS: [Hook; 13] = [
    Hook::OnConnect,
    Hook::OnAuth,
    Hook::OnMail,
    Hook::OnRcpt,
    Hook::OnData,
    Hook::OnCopy,
    Hook::OnRoute,
    Hook::OnReply,
    Hook::OnDelivered,
    Hook::OnReport,
    Hook::OnBounce,
    Hook::OnFeedback,
    Hook::OnRequest,
];

fn hook(name: &str) -> Result<Hook> {
    match HOOKS.into_iter().find(|hook| hook.name() == name) {
        Some(hook) => Ok(hook),
        None => bail!("{name:?} is no hook"),
    }
}

struct Guest;

#[baton_sdk::plugin]
impl Plugin for Guest {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn on_load(&mut self) -> Result<Option<Vec<Hook>>> {
        match config::get("wants").as_deref() {
            None | Some("") => Ok(None),
            Some("nonsense") => bail!("wants: no such thing"),
            Some(wanted) => wanted.split(' ').map(hook).collect::<Result<_>>().map(Some),
        }
    }

    fn on_connect(&mut self, session: &Session) -> Result<Decision> {
        if session.peer_ip != "192.0.2.66" {
            return Ok(Decision::Next);
        }
        let helo = session.helo.as_deref().unwrap_or("nobody");
        Ok(Decision::disconnect("4.7.0", format!("Bye {helo}")))
    }

    fn on_auth(
        &mut self,
        _: &Session,
        mechanism: &str,
        identity: &str,
        secret: &str,
    ) -> Result<AuthDecision> {
        Ok(match (identity, secret) {
            ("joe", "right") => AuthDecision::Allow(format!("joe-{mechanism}")),
            ("joe", _) => AuthDecision::Deny,
            _ => AuthDecision::Next,
        })
    }

    fn on_mail(&mut self, _: &Session, envelope: &Envelope) -> Result<Decision> {
        let Some(sender) = &envelope.sender else {
            return Ok(Decision::Accept);
        };
        if sender.domain != "bad.test" {
            return Ok(Decision::Next);
        }
        let mut said = String::from("No");
        for Parameter { keyword, value } in &envelope.parameters {
            said += &format!(" {keyword}={}", value.as_deref().unwrap_or_default());
        }
        Ok(Decision::reject("5.7.1", said))
    }

    fn on_rcpt(
        &mut self,
        _: &Session,
        _: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        let Mailbox { local, domain } = &recipient.address;
        let at = |local: &str| Mailbox {
            local: local.into(),
            domain: domain.clone(),
        };
        Ok(match local.as_str() {
            "list" => vec![at("one"), at("two")].into(),
            "nobody" => Decision::reject("5.1.1", "Nobody").into(),
            _ => Decision::Next.into(),
        })
    }

    fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
        let subject = message::header("Subject").unwrap_or_default();
        if subject == "hold" {
            return Ok(Decision::hold("look"));
        }
        if subject == "dns" {
            if let Err(error) = dns::texts("a.test") {
                context::set_tag("dns", error.name());
            }
            return Ok(Decision::Next);
        }
        let parts: Vec<_> = message::parts().collect();
        let greeting = config::get("greeting").unwrap_or_default();
        message::append_header("X-Guest", &format!("{subject}|{}|{greeting}", parts.len()))?;
        if subject == "fail" {
            bail!("as told");
        }
        parts[0].set_text(&format!("{}-- signed\r\n", parts[0].text()?))?;
        context::set_tag("seen", &kv::increment("n", 1, None)?.to_string());
        context::add_score("GUEST", 1.5, "why");
        log::info("hello");
        events::emit("seen", [("subject", subject)]);
        Ok(Decision::Next)
    }

    fn on_copy(&mut self, _: &Envelope, recipient: &Recipient) -> Result<Decision> {
        message::prepend_header("X-To", &recipient.address.to_string())?;
        Ok(Decision::Next)
    }

    fn on_route(&mut self, attempt: &Attempt) -> Result<Option<Route>> {
        let domain = &attempt.recipient.domain;
        if domain != "routed.test" {
            return Ok(None);
        }
        Ok(Some(Route {
            port: Some(2525),
            priority: Some(7),
            tls: Some(TlsDemand::Verify),
            ..Route::to(format!("mx:{domain}"))
        }))
    }

    fn on_reply(&mut self, _: &Attempt, _: Stage, reply: &Reply) -> Result<Option<Translation>> {
        if reply.code != 452 {
            return Ok(None);
        }
        Ok(Some(Translation {
            advice: Advice::Retry(Some(90)),
            explanation: reply.text.clone(),
            confidence: 0.5,
            rule: reply.status.clone(),
            ..Translation::new(Disposition::Soft, "mailbox-full")
        }))
    }

    fn on_delivered(&mut self, attempt: &Attempt, _: &Reply) -> Result<()> {
        context::set_tag("delivered", &attempt.number.to_string());
        Ok(())
    }

    fn on_report(&mut self) -> Result<Vec<Report>> {
        let Some(recipient) = message::header("X-Final") else {
            return Ok(Vec::new());
        };
        Ok(vec![Report {
            kind: ReportKind::Bounce,
            recipient: Some(recipient),
            original_recipient: None,
            reply: Some(Reply::new(550, "5.1.1", "gone")),
            remote_host: None,
            translation: None,
            feedback_type: None,
            original_message_id: None,
        }])
    }

    fn on_bounce(&mut self, attempt: &Attempt, _: &Report) -> Result<BounceDecision> {
        Ok(if attempt.number > 1 {
            BounceDecision::Silent
        } else {
            BounceDecision::Notify
        })
    }

    fn on_feedback(&mut self, report: &Report, attempt: Option<&Attempt>) -> Result<()> {
        let kind = report.feedback_type.as_deref().unwrap_or_default();
        let to = attempt.map_or("", |attempt| &attempt.recipient.local);
        events::emit("complaint", [("type", kind), ("to", to)]);
        Ok(())
    }

    fn on_request(&mut self, request: &Request) -> Result<Response> {
        let Request { method, url, .. } = request;
        let said = format!("{method} {url} {}", request.body.len());
        Ok(Response::new(201)
            .with_header("Content-Type", "text/plain")
            .with_body(said))
    }
}
