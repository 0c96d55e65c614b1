//! HTTP: the API, metrics and the page on the admin listener; `/p/<plugin>/` on the public one.
//!
//! Who may ask is decided in [`guard`], once for all of the admin listener; the handlers below it only answer. Every
//! error is a problem document (RFC 9457) from [`problem`].

mod events;
mod guard;
mod inbox;
mod kv;
mod listen;
mod messages;
mod page;
mod plugin;
mod plugins;
mod problem;
mod queue;
mod record;
mod status;
mod submit;
mod suppression;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post};
use baton_hooks::{BoxFuture, Plugins};
use baton_smtp::{Envelope, Reply};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::config;
use crate::event::Bus;
use crate::event::metrics::Load;
use crate::inbound::accept::Taken;
use crate::receipt::Receipt;
use crate::services::kv::Kv;
use crate::store::Store;

pub use listen::{Bound, bind};

/// What HTTP needs of the rest of the relay.
pub struct Parts {
    pub config: config::Http,
    /// Mail ends in the inbox, and the page says so.
    pub dev: bool,
    pub hostname: String,
    /// SMTP listeners by name, as they were bound.
    pub listeners: Vec<(String, SocketAddr)>,
    pub started: Timestamp,
    pub bus: Bus,
    pub store: Store,
    pub plugins: Arc<Plugins>,
    pub kv: Arc<Kv>,
    /// Bytes of key-value by plugin, where the configuration says other than the default.
    pub kv_quotas: HashMap<String, u64>,
    pub submit: Submit,
    /// Names of submissions that are being taken.
    pub under_way: Mutex<HashSet<[u8; 32]>>,
    /// What waits and is under way.
    pub load: Box<dyn Fn() -> Load + Send + Sync>,
    /// Why no mail can be taken right now, if so.
    pub trouble: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// Ends streams that would otherwise go on for ever.
    pub stop: CancellationToken,
}

/// Takes a message through the plugins into the spool, as SMTP does; done when it is durable. The error is the reply that
/// SMTP would give.
pub type Submit = Arc<dyn Fn(Submission) -> BoxFuture<'static, Result<Taken, Reply>> + Send + Sync>;

/// A message that came over HTTP.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Who asks.
    pub peer: SocketAddr,
    /// Name of the token that was shown; absent where none is asked for.
    pub account: Option<String>,
    pub envelope: Envelope,
    /// With CRLF line ends, and without bare CR, LF or NUL.
    pub message: Bytes,
    pub tags: Vec<(String, String)>,
    /// No attempt before this time.
    pub not_before: Option<Timestamp>,
    /// By what name it can be asked for again.
    pub receipt: Option<Receipt>,
}

/// What the handlers share.
type State = Arc<Parts>;

/// Everything but `/p/`, behind the guard; in dev mode `/p/` as well, where no public listener has it.
pub fn admin(parts: Arc<Parts>) -> Router {
    let api = Router::new()
        .route("/status", get(status::status))
        .route("/messages", get(messages::list).post(submit::submit))
        .route("/messages/{id}", get(messages::one))
        .route("/messages/{id}/raw", get(messages::raw))
        .route("/inbox", get(inbox::list).delete(inbox::clear))
        .route("/inbox/{id}", get(inbox::one).delete(inbox::remove))
        .route("/inbox/{id}/raw", get(inbox::raw))
        .route("/inbox/{id}/parts/{part}", get(inbox::part))
        .route("/queue", get(queue::list))
        .route("/queue/{id}/{action}", post(queue::act))
        .route("/queue/{id}/{recipient}/{action}", post(queue::act_on_one))
        .route(
            "/suppression",
            get(suppression::list).post(suppression::add),
        )
        .route("/suppression/export", get(suppression::export))
        .route("/suppression/import", post(suppression::import))
        .route("/suppression/{address}", delete(suppression::remove))
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}/kv", get(kv::list))
        .route(
            "/plugins/{name}/kv/{*key}",
            get(kv::one).put(kv::put).delete(kv::remove),
        )
        .route("/plugins/{name}/diff", get(plugins::diff))
        .route("/plugins/{name}/promote", post(plugins::promote))
        .route("/record", get(record::record))
        .route("/events", get(events::stream))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method);
    let guarded = Router::new()
        .nest("/api/v1", api)
        .route("/metrics", get(status::metrics))
        .layer(middleware::from_fn_with_state(parts.clone(), guard::admin));
    let open = Router::new()
        .route("/healthz", get(status::health))
        .route("/readyz", get(status::ready))
        .route("/", get(page::page))
        .route("/assets/{name}", get(page::asset));
    let mut router = guarded.merge(open);
    if parts.dev && parts.config.public.is_none() {
        router = router.merge(plugin::routes(plugin::Neighbour::Admin));
    }
    router
        .fallback(problem::no_such_path)
        .layer(DefaultBodyLimit::max(parts.config.body_bytes_max))
        .layer(middleware::from_fn_with_state(parts.clone(), guard::bound))
        .with_state(parts)
}

/// `/p/<plugin>/` and nothing else.
pub fn public(parts: Arc<Parts>) -> Router {
    plugin::routes(plugin::Neighbour::Nobody)
        .route("/healthz", get(status::health))
        .fallback(problem::no_such_path)
        .layer(middleware::from_fn_with_state(parts.clone(), guard::bound))
        .with_state(parts)
}
