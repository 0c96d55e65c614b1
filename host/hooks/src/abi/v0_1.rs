//! `baton:relay@0.1.0`.

mod convert;
mod imports;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre, Linker};

use self::bindings::exports::baton::relay as exports;
use crate::error::Error;
use crate::fault::Fault;
use crate::guest::Guest;
use crate::hook::{Hook, HookSet};
use crate::question::{Answer, Question};

/// What the contract's text generates.
#[allow(clippy::all, clippy::pedantic, unused_variables, missing_docs)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "everything",
        imports: {
            "baton:relay/dns": async | trappable,
            "baton:relay/http": async | trappable,
            "baton:relay/submit": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        // Records are lent to the guest as they are; nothing is cloned to be lowered.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// Name and version of the interfaces.
const PACKAGE: &str = "baton:relay/";
const VERSION: &str = "@0.1.0";

/// Adds the imports of this version.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    imports::link(linker)
}

macro_rules! hooks {
    ($($field:ident: $interface:ident = $hook:ident,)*) => {
        /// Where the hooks of one component are; found once, when it is loaded.
        pub(crate) struct Hooks {
            $($field: Option<exports::$interface::GuestIndices>,)*
        }

        /// The hooks of one instance, each looked up when it is first called.
        pub(crate) struct Bound {
            instance: Instance,
            $($field: Option<exports::$interface::Guest>,)*
        }

        impl Hooks {
            /// Finds what is exported and checks it against the contract.
            pub fn find(pre: &InstancePre<Guest>) -> Result<(Hooks, HookSet), Error> {
                let exported = exported(pre)?;
                let hooks = Hooks {
                    $($field: if exported.contains(Hook::$hook) {
                        let found = exports::$interface::GuestIndices::new(pre);
                        Some(found.map_err(|e| wrong_signature(Hook::$hook, &e))?)
                    } else {
                        None
                    },)*
                };
                Ok((hooks, exported))
            }
        }

        impl Bound {
            pub fn new(instance: Instance) -> Bound {
                Bound { instance, $($field: None,)* }
            }

            $(
                fn $field(
                    &mut self,
                    hooks: &Hooks,
                    store: &mut Store<Guest>,
                ) -> wasmtime::Result<&exports::$interface::Guest> {
                    if self.$field.is_none() {
                        let Some(indices) = &hooks.$field else { return Err(not_exported(Hook::$hook)) };
                        self.$field = Some(indices.load(store, &self.instance)?);
                    }
                    self.$field.as_ref().ok_or_else(|| not_exported(Hook::$hook))
                }
            )*
        }
    };
}

hooks! {
    connect: on_connect = Connect,
    auth: on_auth = Auth,
    mail: on_mail = Mail,
    rcpt: on_rcpt = Rcpt,
    data: on_data = Data,
    copy: on_copy = Copy,
    route: on_route = Route,
    reply: on_reply = Reply,
    delivered: on_delivered = Delivered,
    report: on_report = Report,
    bounce: on_bounce = Bounce,
    feedback: on_feedback = Feedback,
    request: on_request = Request,
}

impl Bound {
    /// Calls one hook.
    #[allow(clippy::too_many_lines)] // one arm for each hook of the contract, all alike
    pub async fn ask(
        &mut self,
        hooks: &Hooks,
        store: &mut Store<Guest>,
        question: &Question<'_>,
    ) -> wasmtime::Result<Result<Answer, Fault>> {
        use convert as c;
        Ok(match *question {
            Question::Connect { session } => {
                let hook = self.connect(hooks, store)?;
                c::answer(
                    hook.call_on_connect(&mut *store, c::session(session))
                        .await?,
                    c::decision,
                )
            }
            Question::Auth {
                session,
                mechanism,
                identity,
                secret,
            } => {
                let hook = self.auth(hooks, store)?;
                let session = c::session(session);
                let said = hook
                    .call_on_auth(&mut *store, session, mechanism, identity, secret)
                    .await?;
                c::answer(said, c::auth)
            }
            Question::Mail { session, envelope } => {
                let hook = self.mail(hooks, store)?;
                let lent = c::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let envelope = lent.envelope(&recipients);
                let said = hook
                    .call_on_mail(&mut *store, c::session(session), envelope)
                    .await?;
                c::answer(said, c::decision)
            }
            Question::Rcpt {
                session,
                envelope,
                recipient,
            } => {
                let hook = self.rcpt(hooks, store)?;
                let lent = c::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let envelope = lent.envelope(&recipients);
                let parameters = c::parameters(&recipient.parameters);
                let recipient = c::recipient(recipient, &parameters);
                let session = c::session(session);
                let said = hook
                    .call_on_rcpt(&mut *store, session, envelope, recipient)
                    .await?;
                c::answer(said, c::recipient_decision)
            }
            Question::Data { session, envelope } => {
                let hook = self.data(hooks, store)?;
                let lent = c::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let envelope = lent.envelope(&recipients);
                let said = hook
                    .call_on_data(&mut *store, c::session(session), envelope)
                    .await?;
                c::answer(said, c::decision)
            }
            Question::Copy {
                envelope,
                recipient,
            } => {
                let hook = self.copy(hooks, store)?;
                let lent = c::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let envelope = lent.envelope(&recipients);
                let parameters = c::parameters(&recipient.parameters);
                let recipient = c::recipient(recipient, &parameters);
                c::answer(
                    hook.call_on_copy(&mut *store, envelope, recipient).await?,
                    c::decision,
                )
            }
            Question::Route { attempt } => {
                let hook = self.route(hooks, store)?;
                c::answer(
                    hook.call_on_route(&mut *store, c::attempt(attempt)).await?,
                    c::route,
                )
            }
            Question::Reply {
                attempt,
                stage,
                reply,
            } => {
                let hook = self.reply(hooks, store)?;
                let status = c::status(reply);
                let (attempt, reply) = (c::attempt(attempt), c::reply(reply, &status));
                let said = hook
                    .call_on_reply(&mut *store, attempt, c::stage(stage), reply)
                    .await?;
                c::answer(said, c::translation)
            }
            Question::Delivered { attempt, reply } => {
                let hook = self.delivered(hooks, store)?;
                let status = c::status(reply);
                let (attempt, reply) = (c::attempt(attempt), c::reply(reply, &status));
                let said = hook.call_on_delivered(&mut *store, attempt, reply).await?;
                c::answer(said, |()| Ok(Answer::Done))
            }
            Question::Report => {
                let hook = self.report(hooks, store)?;
                c::answer(hook.call_on_report(&mut *store).await?, c::reports)
            }
            Question::Bounce { attempt, report } => {
                let hook = self.bounce(hooks, store)?;
                let status = report.reply.as_ref().map(c::status).unwrap_or_default();
                let (attempt, report) = (c::attempt(attempt), c::report(report, &status));
                c::answer(
                    hook.call_on_bounce(&mut *store, attempt, report).await?,
                    c::bounce,
                )
            }
            Question::Feedback { report, attempt } => {
                let hook = self.feedback(hooks, store)?;
                let status = report.reply.as_ref().map(c::status).unwrap_or_default();
                let (report, attempt) = (c::report(report, &status), attempt.map(c::attempt));
                let said = hook.call_on_feedback(&mut *store, report, attempt).await?;
                c::answer(said, |()| Ok(Answer::Done))
            }
            Question::Request { request } => {
                let hook = self.request(hooks, store)?;
                let headers: Vec<(&str, &str)> = request
                    .headers
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str()))
                    .collect();
                let request = c::request(request, &headers);
                c::answer(
                    hook.call_on_request(&mut *store, request).await?,
                    c::response,
                )
            }
        })
    }
}

/// The hooks a component exports. An interface of ours that is none of the contract is an error: it would never be called.
fn exported(pre: &InstancePre<Guest>) -> Result<HookSet, Error> {
    let component = pre.component();
    let mut set = HookSet::default();
    for (name, _) in component.component_type().exports(component.engine()) {
        let Some(interface) = name.strip_prefix(PACKAGE) else {
            continue;
        };
        let (interface, version) = interface.split_once('@').unwrap_or((interface, ""));
        match Hook::from_name(interface) {
            Some(hook)
                if component
                    .get_export_index(None, &export_name(hook))
                    .is_some() =>
            {
                set.insert(hook);
            }
            Some(hook) => {
                return Err(Error::Refused(format!(
                    "exports {hook} of version {version:?}, and this relay speaks {}",
                    &VERSION[1..]
                )));
            }
            None => {
                return Err(Error::Refused(format!(
                    "exports {name}, which is no hook of the contract"
                )));
            }
        }
    }
    if set.is_empty() {
        return Err(Error::Refused(format!(
            "exports no hook of {PACKAGE}*{VERSION}"
        )));
    }
    Ok(set)
}

fn export_name(hook: Hook) -> String {
    format!("{PACKAGE}{hook}{VERSION}")
}

fn wrong_signature(hook: Hook, error: &wasmtime::Error) -> Error {
    Error::Refused(format!(
        "{hook} has another signature than the contract: {}",
        crate::engine::chain(error)
    ))
}

fn not_exported(hook: Hook) -> wasmtime::Error {
    wasmtime::Error::msg(format!("{hook} is not exported"))
}
