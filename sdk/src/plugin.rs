//! The trait authors implement, and the way from the component's exports to it.

use std::any::Any;
use std::cell::RefCell;

use crate::bindings;
use crate::error::{Error, Result};
use crate::{
    Attempt, AuthDecision, BounceDecision, Decision, Envelope, Hook, Mailbox, Recipient,
    RecipientDecision, Reply, Report, Request, Response, Route, Session, Stage, Translation,
};

/// A plugin. Implement `new` and the hooks you want; leave out the others, and they cost nothing.
///
/// One value lives as long as the relay keeps the instance: usually one transaction, session or attempt, and it may be
/// dropped earlier. What must last goes into tags ([`context`](crate::context)) or key-value ([`kv`](crate::kv)).
///
/// An `Err` from any function is a fault: the relay logs it, drops the edits of this hook and applies the fault policy that
/// the operator chose (`defer` unless said otherwise).
#[allow(unused_variables)]
pub trait Plugin: Sized + 'static {
    /// Runs before the first hook of an instance: the place to read the configuration.
    fn new() -> Result<Self>;

    /// A version was loaded, or its configuration changed: which hooks that configuration has a use for. The others are not
    /// called. `None` is all of them. Nothing that waits (`dns`, `http`, `submit`) can be asked here.
    ///
    /// An `Err`, from here or from [`new`](Plugin::new), refuses the version with that text: what served before goes on.
    fn on_load(&mut self) -> Result<Option<Vec<Hook>>> {
        Ok(None)
    }

    /// A socket was accepted; the greeting is not sent yet.
    fn on_connect(&mut self, session: &Session) -> Result<Decision> {
        Ok(Decision::Next)
    }

    /// Credentials were presented (RFC 4954). `mechanism` is "PLAIN" or "LOGIN".
    fn on_auth(
        &mut self,
        session: &Session,
        mechanism: &str,
        identity: &str,
        secret: &str,
    ) -> Result<AuthDecision> {
        Ok(AuthDecision::Next)
    }

    /// MAIL FROM was given: `envelope.sender`, where `None` is the null reverse-path.
    fn on_mail(&mut self, session: &Session, envelope: &Envelope) -> Result<Decision> {
        Ok(Decision::Next)
    }

    /// A RCPT TO was given; `envelope` holds the recipients accepted before it.
    fn on_rcpt(
        &mut self,
        session: &Session,
        envelope: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        Ok(Decision::Next.into())
    }

    /// The whole message was received: read and edit it through [`message`](crate::message).
    fn on_data(&mut self, session: &Session, envelope: &Envelope) -> Result<Decision> {
        Ok(Decision::Next)
    }

    /// Once per recipient, after every `on_data`; edits are for this recipient's copy alone.
    fn on_copy(&mut self, envelope: &Envelope, recipient: &Recipient) -> Result<Decision> {
        Ok(Decision::Next)
    }

    /// Where to deliver; asked before the first attempt and before each retry. `None` leaves it to the next plugin, and in the
    /// end to MX records.
    fn on_route(&mut self, attempt: &Attempt) -> Result<Option<Route>> {
        Ok(None)
    }

    /// What a remote reply other than success means. The first plugin that answers wins.
    fn on_reply(
        &mut self,
        attempt: &Attempt,
        stage: Stage,
        reply: &Reply,
    ) -> Result<Option<Translation>> {
        Ok(None)
    }

    /// The remote accepted the message for this recipient.
    fn on_delivered(&mut self, attempt: &Attempt, reply: &Reply) -> Result<()> {
        Ok(())
    }

    /// A message came back to one of the relay's return-path addresses. Empty if it reports nothing.
    fn on_report(&mut self) -> Result<Vec<Report>> {
        Ok(Vec::new())
    }

    /// Delivery failed for good. Shall the sender be told?
    fn on_bounce(&mut self, attempt: &Attempt, report: &Report) -> Result<BounceDecision> {
        Ok(BounceDecision::Notify)
    }

    /// A recipient complained (RFC 5965); the attempt, where the report could be matched to one.
    fn on_feedback(&mut self, report: &Report, attempt: Option<&Attempt>) -> Result<()> {
        Ok(())
    }

    /// HTTP under `/p/<plugin>` on the public listener. `request.url` is the path and query below that.
    fn on_request(&mut self, request: &Request) -> Result<Response> {
        Ok(Response::new(404))
    }
}

thread_local! {
    static INSTANCE: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// The type whose exports the component has; it makes the plugin at its first call and keeps it.
pub struct Shim<P>(std::marker::PhantomData<P>);

impl<P: Plugin> Shim<P> {
    fn call<T>(hook: impl FnOnce(&mut P) -> Result<T>) -> std::result::Result<T, String> {
        INSTANCE.with_borrow_mut(|slot| {
            if slot.is_none() {
                *slot = Some(Box::new(P::new().map_err(Error::into_text)?));
            }
            let plugin = slot.as_mut().and_then(|plugin| plugin.downcast_mut::<P>());
            let plugin = plugin.expect("a component holds one plugin");
            hook(plugin).map_err(Error::into_text)
        })
    }
}

type Answer<T> = std::result::Result<T, String>;

impl<P: Plugin> bindings::on_load::exports::baton::relay::on_load::Guest for Shim<P> {
    fn on_load() -> Answer<Option<Vec<String>>> {
        let name = |hook: Hook| hook.name().to_owned();
        let names = |hooks: Vec<Hook>| hooks.into_iter().map(name).collect();
        Self::call(|plugin| Ok(plugin.on_load()?.map(names)))
    }
}

macro_rules! forward {
    ($($module:ident($($name:ident: $type:ty),*) -> $answer:ty { $($argument:expr),* })*) => {$(
        impl<P: Plugin> bindings::$module::exports::baton::relay::$module::Guest for Shim<P> {
            fn $module($($name: $type),*) -> Answer<$answer> {
                Self::call(|plugin| plugin.$module($($argument),*))
            }
        }
    )*};
}

forward! {
    on_connect(session: Session) -> Decision { &session }
    on_auth(session: Session, mechanism: String, identity: String, secret: String) -> AuthDecision {
        &session, &mechanism, &identity, &secret
    }
    on_mail(session: Session, envelope: Envelope) -> Decision { &session, &envelope }
    on_rcpt(session: Session, envelope: Envelope, recipient: Recipient) -> RecipientDecision {
        &session, &envelope, &recipient
    }
    on_data(session: Session, envelope: Envelope) -> Decision { &session, &envelope }
    on_copy(envelope: Envelope, recipient: Recipient) -> Decision { &envelope, &recipient }
    on_route(attempt: Attempt) -> Option<Route> { &attempt }
    on_reply(attempt: Attempt, stage: Stage, reply: Reply) -> Option<Translation> { &attempt, stage, &reply }
    on_delivered(attempt: Attempt, reply: Reply) -> () { &attempt, &reply }
    on_report() -> Vec<Report> { }
    on_bounce(attempt: Attempt, report: Report) -> BounceDecision { &attempt, &report }
    on_feedback(report: Report, attempt: Option<Attempt>) -> () { &report, attempt.as_ref() }
    on_request(request: Request) -> Response { &request }
}

impl From<Decision> for RecipientDecision {
    fn from(decision: Decision) -> Self {
        Self::Decide(decision)
    }
}

impl From<Vec<Mailbox>> for RecipientDecision {
    fn from(recipients: Vec<Mailbox>) -> Self {
        Self::Rewrite(recipients)
    }
}
