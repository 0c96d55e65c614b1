//! A toy second version, compiled for the tests alone: it shows that a version is one file here and nothing below.
//!
//! Its records, names and errors are others; it knows one hook and three functions. Budgets, limits and grants are those of
//! [`crate::door`], which knows nothing of versions.

mod tests;

use baton_smtp::Reply;
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentExportIndex, HasSelf, Instance, InstancePre, Linker};

use self::bindings::baton::relay as r;
use crate::decision::Verdict;
use crate::door::DraftError;
use crate::error::Error;
use crate::fault::Fault;
use crate::guest::Guest;
use crate::hook::{Hook, HookSet};
use crate::question::{Answer, Question};
use crate::services::DnsError;

#[allow(clippy::all, clippy::pedantic, unused_variables, missing_docs)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "tests/guest/wit/toy",
        world: "toy",
        imports: {
            "baton:relay/names": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

const EXPORT: &str = "baton:relay/on-data@0.2.0";

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    bindings::Toy::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

/// Whether a component speaks this version.
pub(super) fn speaks(pre: &InstancePre<Guest>) -> bool {
    pre.component().get_export_index(None, EXPORT).is_some()
}

pub(crate) struct Hooks {
    data: ComponentExportIndex,
}

pub(crate) struct Bound {
    instance: Instance,
}

type Asked<'a> = (&'a str, &'a [String]);

impl Hooks {
    pub fn find(pre: &InstancePre<Guest>) -> Result<(Hooks, HookSet), Error> {
        let component = pre.component();
        let interface = component.get_export_index(None, EXPORT);
        let found = component.get_export(interface.as_ref(), "on-data");
        let Some((ComponentItem::ComponentFunc(func), data)) = found else {
            return Err(Error::Refused("on-data has no function".into()));
        };
        func.typecheck::<Asked<'_>, (r::verdicts::Verdict,)>(&pre.instance_type())
            .map_err(|e| Error::Refused(crate::engine::chain(&e)))?;
        Ok((Hooks { data }, [Hook::Data].into_iter().collect()))
    }
}

impl Bound {
    pub fn new(instance: Instance) -> Bound {
        Bound { instance }
    }

    pub async fn ask(
        &mut self,
        hooks: &Hooks,
        store: &mut Store<Guest>,
        question: &Question<'_>,
    ) -> wasmtime::Result<Result<Answer, Fault>> {
        let Question::Data { envelope, .. } = question else {
            return Err(wasmtime::Error::msg("not exported"));
        };
        let sender = envelope.sender.mailbox();
        let sender = sender.map(ToString::to_string).unwrap_or_default();
        let recipients: Vec<String> = envelope
            .recipients
            .iter()
            .map(|recipient| recipient.address.to_string())
            .collect();
        let func = self
            .instance
            .get_typed_func::<Asked<'_>, (r::verdicts::Verdict,)>(&mut *store, &hooks.data)?;
        let params = (sender.as_str(), recipients.as_slice());
        let (said,) = func.call_async(&mut *store, params).await?;
        Ok(match said {
            r::verdicts::Verdict::Pass => Ok(Answer::Verdict(Verdict::Pass)),
            r::verdicts::Verdict::Error(text) => Err(Fault::Answered(text)),
            r::verdicts::Verdict::Refuse(refusal) => {
                let text = refusal.words.join(" ");
                match Reply::checked(refusal.code, None, &text, 400) {
                    Some(reply) => Ok(Answer::Verdict(Verdict::Reject(reply))),
                    None => Err(Fault::Answer("a refusal that is no reply".into())),
                }
            }
        })
    }
}

impl r::verdicts::Host for Guest {}

impl r::mail::Host for Guest {
    fn field(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        Ok(Guest::header(self, &name)?.into_iter().collect())
    }

    fn add_field(&mut self, name: String, value: String) -> wasmtime::Result<Result<(), String>> {
        let added = Guest::append_header(self, &name, &value)?;
        Ok(added.map_err(|error| match error {
            DraftError::Protected => "not yours".to_owned(),
            other => format!("{other:?}"),
        }))
    }
}

impl r::names::Host for Guest {
    async fn texts(&mut self, name: String) -> wasmtime::Result<Result<Vec<String>, String>> {
        Ok(self.dns_texts(&name).await?.map_err(|error| match error {
            DnsError::NotGranted => "ask your operator".to_owned(),
            other => format!("{other:?}"),
        }))
    }
}
