//! `baton:relay@0.1.0`.

mod check;
mod imports;
mod lend;

use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Func, Instance, InstancePre, Lift, Linker, Lower,
    TypedFunc,
};

use self::bindings::baton::relay::{deliveries as d, http_types as h, types as t};
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
    ($($field:ident = $hook:ident: fn($($param:ty),*) -> $answer:ty;)*) => {
        /// Where the hooks of one component are; found, and their types checked, once, when it is loaded.
        pub(crate) struct Hooks {
            $($field: Option<ComponentExportIndex>,)*
        }

        /// The hooks of one instance, each looked up when it is first called.
        pub(crate) struct Bound {
            instance: Instance,
            $($field: Option<Func>,)*
        }

        impl Hooks {
            /// Finds what is exported and checks it against the contract.
            pub fn find(pre: &InstancePre<Guest>) -> Result<(Hooks, HookSet), Error> {
                let exported = exported(pre)?;
                let hooks = Hooks {
                    $($field: if exported.contains(Hook::$hook) {
                        Some(checked::<($($param,)*), (Result<$answer, String>,)>(pre, Hook::$hook)?)
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
                async fn $field(
                    &mut self,
                    hooks: &Hooks,
                    store: &mut Store<Guest>,
                    params: ($($param,)*),
                ) -> wasmtime::Result<Result<$answer, String>> {
                    let func = match self.$field {
                        Some(func) => func,
                        None => {
                            let found = hooks.$field.as_ref();
                            let found = found.and_then(|at| self.instance.get_func(&mut *store, at));
                            *self.$field.insert(found.ok_or_else(|| not_exported(Hook::$hook))?)
                        }
                    };
                    // SAFETY: the function is the export that `Hooks::find` checked to have exactly these types.
                    let func = unsafe {
                        TypedFunc::<($($param,)*), (Result<$answer, String>,)>::new_unchecked(func)
                    };
                    let (said,) = func.call_async(&mut *store, params).await?;
                    Ok(said)
                }
            )*
        }
    };
}

hooks! {
    load = Load: fn() -> Option<Vec<String>>;
    connect = Connect: fn(t::Session<'_>) -> t::Decision;
    auth = Auth: fn(t::Session<'_>, &str, &str, &str) -> exports::on_auth::AuthDecision;
    mail = Mail: fn(t::Session<'_>, t::Envelope<'_>) -> t::Decision;
    rcpt = Rcpt: fn(t::Session<'_>, t::Envelope<'_>, t::Recipient<'_>)
        -> exports::on_rcpt::RecipientDecision;
    data = Data: fn(t::Session<'_>, t::Envelope<'_>) -> t::Decision;
    copy = Copy: fn(t::Envelope<'_>, t::Recipient<'_>) -> t::Decision;
    route = Route: fn(d::Attempt<'_>) -> Option<d::Route>;
    reply = Reply: fn(d::Attempt<'_>, d::Stage, t::ReplyParam<'_>) -> Option<d::TranslationResult>;
    delivered = Delivered: fn(d::Attempt<'_>, t::ReplyParam<'_>) -> ();
    report = Report: fn() -> Vec<d::ReportResult>;
    bounce = Bounce: fn(d::Attempt<'_>, d::ReportParam<'_>) -> d::BounceDecision;
    feedback = Feedback: fn(d::ReportParam<'_>, Option<d::Attempt<'_>>) -> ();
    request = Request: fn(h::RequestParam<'_>) -> h::Response;
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
        Ok(match *question {
            Question::Load => check::answer(self.load(hooks, store, ()).await?, check::wanted),
            Question::Connect { session } => {
                let params = (lend::session(session),);
                check::answer(self.connect(hooks, store, params).await?, check::decision)
            }
            Question::Auth {
                session,
                mechanism,
                identity,
                secret,
            } => {
                let params = (lend::session(session), mechanism, identity, secret);
                check::answer(self.auth(hooks, store, params).await?, check::auth)
            }
            Question::Mail { session, envelope } => {
                let lent = lend::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let params = (lend::session(session), lent.envelope(&recipients));
                check::answer(self.mail(hooks, store, params).await?, check::decision)
            }
            Question::Rcpt {
                session,
                envelope,
                recipient,
            } => {
                let lent = lend::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let parameters = lend::parameters(&recipient.parameters);
                let recipient = lend::recipient(recipient, &parameters);
                let params = (
                    lend::session(session),
                    lent.envelope(&recipients),
                    recipient,
                );
                check::answer(
                    self.rcpt(hooks, store, params).await?,
                    check::recipient_decision,
                )
            }
            Question::Data { session, envelope } => {
                let lent = lend::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let params = (lend::session(session), lent.envelope(&recipients));
                check::answer(self.data(hooks, store, params).await?, check::decision)
            }
            Question::Copy {
                envelope,
                recipient,
            } => {
                let lent = lend::LentEnvelope::new(envelope);
                let recipients = lent.recipients();
                let parameters = lend::parameters(&recipient.parameters);
                let recipient = lend::recipient(recipient, &parameters);
                let params = (lent.envelope(&recipients), recipient);
                check::answer(self.copy(hooks, store, params).await?, check::decision)
            }
            Question::Route { attempt } => {
                let params = (lend::attempt(attempt),);
                check::answer(self.route(hooks, store, params).await?, check::route)
            }
            Question::Reply {
                attempt,
                stage,
                reply,
            } => {
                let status = lend::status(reply);
                let params = (
                    lend::attempt(attempt),
                    lend::stage(stage),
                    lend::reply(reply, &status),
                );
                check::answer(self.reply(hooks, store, params).await?, check::translation)
            }
            Question::Delivered { attempt, reply } => {
                let status = lend::status(reply);
                let params = (lend::attempt(attempt), lend::reply(reply, &status));
                check::answer(self.delivered(hooks, store, params).await?, |()| {
                    Ok(Answer::Done)
                })
            }
            Question::Report => check::answer(self.report(hooks, store, ()).await?, check::reports),
            Question::Bounce { attempt, report } => {
                let status = report.reply.as_ref().map(lend::status).unwrap_or_default();
                let params = (lend::attempt(attempt), lend::report(report, &status));
                check::answer(self.bounce(hooks, store, params).await?, check::bounce)
            }
            Question::Feedback { report, attempt } => {
                let status = report.reply.as_ref().map(lend::status).unwrap_or_default();
                let params = (lend::report(report, &status), attempt.map(lend::attempt));
                check::answer(self.feedback(hooks, store, params).await?, |()| {
                    Ok(Answer::Done)
                })
            }
            Question::Request { request } => {
                let headers: Vec<(&str, &str)> = request
                    .headers
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str()))
                    .collect();
                let params = (lend::request(request, &headers),);
                check::answer(self.request(hooks, store, params).await?, check::response)
            }
        })
    }
}

/// The function of a hook, if its types are those of the contract.
fn checked<Params, Answers>(
    pre: &InstancePre<Guest>,
    hook: Hook,
) -> Result<ComponentExportIndex, Error>
where
    Params: ComponentNamedList + Lower,
    Answers: ComponentNamedList + Lift,
{
    let component = pre.component();
    let refuse = |why: &str| {
        Err(Error::Refused(format!(
            "{hook} has another signature than the contract: {why}"
        )))
    };
    let Some(interface) = component.get_export_index(None, &*export_name(hook)) else {
        return refuse("it is no interface");
    };
    match component.get_export(Some(&interface), hook.name()) {
        Some((ComponentItem::ComponentFunc(func), at)) => {
            match func.typecheck::<Params, Answers>(&pre.instance_type()) {
                Ok(()) => Ok(at),
                Err(e) => refuse(&crate::engine::chain(&e)),
            }
        }
        Some(_) => refuse("it is no function"),
        None => refuse("the interface has no function of that name"),
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
                    .get_export_index(None, &*export_name(hook))
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

fn not_exported(hook: Hook) -> wasmtime::Error {
    wasmtime::Error::msg(format!("{hook} is not exported"))
}
