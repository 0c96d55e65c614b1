//! From a configuration to a relay that runs: the only place where the parts meet.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use baton_hooks::{Bundled, Plugins, Settings};
use baton_smtp::Domain;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config, Mode};
use crate::dns::Resolver;
use crate::event::metrics::Load;
use crate::event::outbox::{self, Outbox};
use crate::event::{Bus, Event};
use crate::inbound::{self, Door, auth::Accounts, chain::Chains};
use crate::outbound::sts::Sts;
use crate::outbound::{Outbound, Times};
use crate::queue::{self, Queue};
use crate::return_path::ReturnPath;
use crate::services::http::HttpClient;
use crate::services::kv::Kv;
use crate::services::{HttpGrants, RelayServices};
use crate::signing::{self, Signing};
use crate::store::Store;
use crate::suppression::Suppressions;
use crate::tls::{self, ClientTls, ServerTls};
use crate::{
    Relay, StartError, alert, bundled, clock, event, housekeeping, http, limits, net, webhook,
};

pub(crate) async fn start(mut config: Config) -> Result<Relay, StartError> {
    let admin = bind_http("http", config.http.admin).await?;
    let public = bind_http("public http", config.http.public).await?;
    // Plugins build links with it: it must be the port that was chosen.
    if let (Mode::Dev, Some(bound)) = (config.mode, &admin) {
        config.http.public_url = Some(format!("http://{}", bound.address()));
    }
    let config = Arc::new(config);
    let bus = Bus::new(clock::now);
    let hostname = Domain::parse(&config.hostname)
        .map_err(|error| StartError::Other(format!("hostname {}: {error}", config.hostname)))?;
    // Ports first: two relays on one state folder or one address are told apart before anything is touched.
    let mut listeners = Vec::new();
    let mut certificates: Vec<ServerTls> = Vec::new();
    for listener in &config.listeners {
        let socket = net::listen(listener.address).map_err(|error| StartError::Listen {
            listener: listener.name.clone(),
            address: listener.address,
            error,
        })?;
        let tls = certificate(listener, &mut certificates)?;
        listeners.push((
            socket,
            Arc::new(Door::new(listener.clone(), &hostname, tls)),
        ));
    }
    let (store, handover) = open_store(&config, &bus).await?;
    store.measure(bus.metrics().commit_meter());
    let resolver = Resolver::new(&config.dns)?;
    webhook::register(&store, &config.webhooks)
        .await
        .map_err(|error| StartError::Other(error.to_string()))?;
    let return_path = return_path(&config)?;
    let client_tls = ClientTls::new(config.delivery.ca_file.as_deref())?;
    let services_http = HttpClient {
        resolver: resolver.clone(),
        tls: client_tls.clone(),
        families: config.delivery.families,
    };
    let kv = Arc::new(Kv::new(store.clone()));
    let trusted = config.suppression.plugins.iter().cloned().collect();
    let suppressions = Suppressions::new(store.clone(), bus.clone(), trusted);
    let services = Arc::new(services(
        &suppressions,
        &config,
        &kv,
        &resolver,
        &client_tls,
        &bus,
    ));
    let plugins = Arc::new(load_plugins(&config, services.clone()).await?);
    let signing = Signing::load(&config)?;
    let stop = CancellationToken::new();
    let inbound = Arc::new(inbound::Shared {
        auth: Accounts::new(&config.accounts, config.mode == Mode::Dev),
        chains: Chains::default(),
        return_path: return_path.clone(),
        suppressions: suppressions.clone(),
        signing: signing.clone(),
        reports: inbound::report::UnderWay::default(),
        config: config.clone(),
        hostname,
        store: store.clone(),
        plugins: plugins.clone(),
        resolver: resolver.clone(),
        bus: bus.clone(),
        session_prefix: format!("{:08x}-", rand::random::<u32>()),
        session_number: AtomicU64::new(1),
        stop: stop.clone(),
        tasks: TaskTracker::new(),
    });
    let _ = services.inbound.set(Arc::downgrade(&inbound));
    let sts = config.delivery.mta_sts.then(|| {
        let (resolver, http) = (resolver.clone(), services_http.clone());
        Sts::open(resolver, http, config.delivery.mta_sts_port, &config.state)
    });
    let outbound = Outbound {
        sts: sts.clone(),
        resolver,
        tls: client_tls,
        families: config.delivery.families,
        own_names: own_names(&config),
        times: Times {
            connect: config.delivery.connect_timeout,
            command: config.delivery.command_timeout,
            data: config.delivery.data_timeout,
        },
    };
    let parts = queue::Parts {
        config: config.clone(),
        store: store.clone(),
        plugins: plugins.clone(),
        outbound,
        signing: signing.clone(),
        return_path: return_path.clone(),
        suppressions: suppressions.clone(),
        bus: bus.clone(),
        rests: services.rests.clone(),
    };
    let queue = Queue::start(parts, handover);
    let background = TaskTracker::new();
    let end = CancellationToken::new();
    if let Some(alerts) = config.alerts.clone() {
        let hostname = config.hostname.clone();
        let watching = alert::run(alerts, hostname, bus.clone(), store.clone());
        background.spawn(until(end.clone(), watching));
    }
    webhooks(&config, &store, &bus, &services_http, &background, &end);
    background.spawn(until(
        end.clone(),
        housekeeping::write_behind(kv.clone(), bus.clone()),
    ));
    background.spawn(until(
        end.clone(),
        housekeeping::sweep(store.clone(), bus.clone()),
    ));
    let spool_bytes_max = config.limits.spool_bytes_max;
    background.spawn(until(
        end.clone(),
        watch_room(store.clone(), bus.clone(), spool_bytes_max),
    ));
    if let Some(return_path) = return_path {
        let folder = config.state.clone();
        background.spawn(until(
            end.clone(),
            renew_keys(return_path, folder, bus.clone()),
        ));
    }
    background.spawn(until(end.clone(), tls::watch(certificates, bus.clone())));
    if let Some(sts) = sts {
        background.spawn(until(end.clone(), sts.write_behind()));
    }
    background.spawn(until(end.clone(), signing::watch(signing, bus.clone())));
    bus.emit(Event::Started {
        version: env!("CARGO_PKG_VERSION"),
        hostname: config.hostname.clone(),
    });
    let mut smtp = Vec::new();
    for (socket, door) in listeners {
        let name = door.config.name.clone();
        let address = socket.local_addr().map_err(|error| StartError::Listen {
            listener: name.clone(),
            address: door.config.address,
            error,
        })?;
        bus.emit(Event::ListenerBound {
            listener: name.clone(),
            address,
        });
        smtp.push((name, address));
        inbound
            .tasks
            .spawn(inbound::serve(socket, door, inbound.clone()));
    }
    let parts = Arc::new(http::Parts {
        config: config.http.clone(),
        dev: config.mode == Mode::Dev,
        hostname: config.hostname.clone(),
        listeners: smtp.clone(),
        started: clock::now(),
        bus: bus.clone(),
        store: store.clone(),
        plugins: plugins.clone(),
        kv: kv.clone(),
        kv_quotas: kv_quotas(&config),
        submit: submit(inbound.clone()),
        under_way: Mutex::default(),
        load: load(store.clone(), queue.clone()),
        trouble: trouble(store.clone()),
        stop: end.clone(),
    });
    let (http, public) = (
        admin.map(|bound| serve_http(bound, http::admin, &parts, "http", &background)),
        public.map(|bound| serve_http(bound, http::public, &parts, "public http", &background)),
    );
    Ok(Relay {
        http,
        public,
        config,
        bus,
        store,
        kv,
        services,
        plugins,
        inbound,
        queue,
        smtp,
        stop,
        end,
        background,
    })
}

async fn bind_http(
    listener: &str,
    address: Option<SocketAddr>,
) -> Result<Option<http::Bound>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let bound = http::bind(address).await;
    bound.map(Some).map_err(|error| StartError::Listen {
        listener: listener.to_owned(),
        address,
        error,
    })
}

fn serve_http(
    bound: http::Bound,
    router: fn(Arc<http::Parts>) -> axum::Router,
    parts: &Arc<http::Parts>,
    listener: &str,
    background: &TaskTracker,
) -> SocketAddr {
    let address = bound.address();
    parts.bus.emit(Event::ListenerBound {
        listener: listener.to_owned(),
        address,
    });
    let router = router(parts.clone());
    background.spawn(bound.serve(router, parts.config.connections_max, parts.stop.clone()));
    address
}

/// The way of a message that came over HTTP.
fn submit(inbound: Arc<inbound::Shared>) -> http::Submit {
    Arc::new(move |submission: http::Submission| {
        let inbound = inbound.clone();
        Box::pin(async move {
            let submission = inbound::submit::Submission {
                sender: submission.envelope.sender,
                parameters: submission.envelope.parameters,
                recipients: submission.envelope.recipients,
                message: submission.message,
                source: event::Source::Http,
                door: "http".to_owned(),
                account: submission.account,
                peer: Some(submission.peer.ip()),
                hops: 0,
                tags: submission.tags,
                wishes: inbound::accept::Wishes {
                    not_before: submission.not_before,
                    receipt: submission.receipt,
                },
            };
            let taken = inbound::submit::submit(&inbound, submission).await;
            taken.map_err(|refusal| refusal.reply)
        })
    })
}

/// What waits and is under way.
fn load(store: Store, queue: Queue) -> Box<dyn Fn() -> Load + Send + Sync> {
    Box::new(move || {
        let counts = store.spool().counts();
        let load = queue.load();
        Load {
            queued: counts.queued,
            deferred: counts.deferred,
            held: counts.held,
            active: load.active as u64,
            connections: load.connections as u64,
            spool_bytes: counts.stored_bytes,
        }
    })
}

/// Why no mail can be taken now.
fn trouble(store: Store) -> Box<dyn Fn() -> Option<String> + Send + Sync> {
    Box::new(move || store.spool().trouble())
}

/// Listeners that name the same files share what was read of them.
fn certificate(
    listener: &config::Listener,
    known: &mut Vec<ServerTls>,
) -> Result<Option<ServerTls>, StartError> {
    let Some(files) = &listener.certificate else {
        return Ok(None);
    };
    if let Some(tls) = known.iter().find(|tls| tls.files() == files) {
        return Ok(Some(tls.clone()));
    }
    let tls = ServerTls::load(files)?;
    known.push(tls.clone());
    Ok(Some(tls))
}

async fn open_store(
    config: &Config,
    bus: &Bus,
) -> Result<(Store, crate::store::Handover), StartError> {
    let recipients_max = config
        .listeners
        .iter()
        .map(|listener| listener.limits.recipients_max)
        .max()
        .unwrap_or(0);
    let limits = baton_spool::Limits {
        spool_bytes_max: config.limits.spool_bytes_max,
        disk_free_bytes_min: config.limits.disk_free_bytes_min,
        message_recipients_max: u32::try_from(recipients_max * limits::REWRITES_MAX)
            .unwrap_or(u32::MAX),
        history_messages_max: config.limits.history_messages_max as u64,
        inbox_messages_max: config.limits.inbox_messages_max as u64,
        events_max: config.limits.events_max as u64,
        ..baton_spool::Limits::default()
    };
    let folder = config.state.join("spool");
    let shown = folder.display().to_string();
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, limits)).await;
    let (store, handover, report) = opened
        .map_err(|error| StartError::Other(error.to_string()))?
        .map_err(|error| StartError::Spool {
            folder: shown,
            error,
        })?;
    for aside in report.set_aside {
        bus.emit(Event::RecordSetAside {
            table: aside.table.to_string(),
            key: aside.message.to_string(),
            error: aside.reason,
        });
    }
    Ok((store, handover))
}

fn services(
    suppressions: &Suppressions,
    config: &Config,
    kv: &Arc<Kv>,
    resolver: &Resolver,
    tls: &ClientTls,
    bus: &Bus,
) -> RelayServices {
    let families = config.delivery.families;
    RelayServices {
        kv: kv.clone(),
        resolver: resolver.clone(),
        families,
        http: HttpClient {
            resolver: resolver.clone(),
            tls: tls.clone(),
            families,
        },
        http_grants: ArcSwap::from_pointee(http_grants(config)),
        bus: bus.clone(),
        suppressions: suppressions.clone(),
        began: Instant::now(),
        inbound: OnceLock::new(),
        rests: Arc::default(),
        pools: pools(config),
    }
}

fn kv_quotas(config: &Config) -> HashMap<String, u64> {
    let sections = config.plugins.sections.iter();
    sections
        .filter_map(|(name, section)| Some((name.clone(), section.grants.kv_bytes?)))
        .collect()
}

/// Which egresses a name that a route may give stands for.
fn pools(config: &Config) -> HashMap<String, Vec<String>> {
    let egresses = config.delivery.egresses.keys();
    let alone = egresses.map(|name| (name.clone(), vec![name.clone()]));
    let pools = config.delivery.pools.iter();
    pools
        .map(|(name, members)| (name.clone(), members.clone()))
        .chain(alone)
        .collect()
}

/// Where plugins may send requests; the host of plugins checks the names, the client the addresses.
pub(crate) fn http_grants(config: &Config) -> HttpGrants {
    let sections = config.plugins.sections.iter();
    sections
        .map(|(name, section)| (name.clone(), section.grants.http.clone()))
        .collect()
}

/// Compiling may take seconds the first time.
async fn load_plugins(
    config: &Config,
    services: Arc<RelayServices>,
) -> Result<Plugins, StartError> {
    let settings = plugin_settings(config);
    let loaded = tokio::task::spawn_blocking(move || Plugins::start(settings, services)).await;
    Ok(loaded.map_err(|error| StartError::Other(error.to_string()))??)
}

/// What the operator decided about plugins, in the words of their host.
pub(crate) fn plugin_settings(config: &Config) -> Settings {
    let sections = config.plugins.sections.iter();
    Settings {
        plugins: sections
            .map(|(name, section)| (name.clone(), section.into()))
            .collect(),
        dir: config.plugins.dir.clone(),
        bundled: bundled::COMPONENTS
            .iter()
            .map(|(name, bytes)| Bundled {
                name: (*name).into(),
                bytes,
            })
            .collect(),
        hostname: config.hostname.as_str().into(),
        public_url: config.http.public_url.as_deref().map(Arc::from),
        ..Settings::new(config.state.join("plugin-cache"))
    }
}

/// By which names this relay stands in MX records.
fn own_names(config: &Config) -> Vec<String> {
    let mut names = vec![config.hostname.clone(), config.delivery.ehlo.clone()];
    names.extend(
        config
            .delivery
            .egresses
            .values()
            .filter_map(|egress| egress.ehlo.clone()),
    );
    names
}

/// A task for each receiver, and one that writes for all of them.
fn webhooks(
    config: &Config,
    store: &Store,
    bus: &Bus,
    http: &HttpClient,
    background: &TaskTracker,
    end: &CancellationToken,
) {
    if config.webhooks.is_empty() {
        return;
    }
    let wanted = outbox::KINDS.iter().copied().filter(|kind| {
        let mut events = config.webhooks.iter().map(|hook| &hook.events);
        events.any(|events| events.contains(kind))
    });
    let outbox = Outbox::new(store.clone(), wanted.collect());
    bus.set_outbox(outbox.clone());
    let trouble = {
        let bus = bus.clone();
        move |error| {
            bus.emit(Event::Trouble {
                place: "webhooks",
                error,
            })
        }
    };
    background.spawn(outbox.clone().write_behind(end.clone(), trouble));
    for hook in &config.webhooks {
        let receiver = webhook::Receiver {
            config: hook.clone(),
            store: store.clone(),
            outbox: outbox.clone(),
            http: http.clone(),
            bus: bus.clone(),
        };
        background.spawn(receiver.run(end.clone()));
    }
}

fn return_path(config: &Config) -> Result<Option<ReturnPath>, StartError> {
    let Some(settings) = &config.return_path else {
        return Ok(None);
    };
    let opened = ReturnPath::open(settings, &config.state, clock::now());
    opened
        .map(Some)
        .map_err(|error| StartError::Other(error.to_string()))
}

/// Keys of return paths grow old while the relay runs.
async fn renew_keys(return_path: ReturnPath, folder: std::path::PathBuf, bus: Bus) {
    let mut tick = tokio::time::interval(limits::RETURN_PATH_KEYS_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (ours, folder) = (return_path.clone(), folder.clone());
        let renewed = tokio::task::spawn_blocking(move || ours.rotate(&folder, clock::now())).await;
        if let Ok(Err(error)) = renewed {
            bus.emit(Event::Trouble {
                place: "return path",
                error: error.to_string(),
            });
        }
    }
}

/// Tells when new mail begins to be refused for want of room in the spool, and when that ends.
async fn watch_room(store: Store, bus: Bus, bytes_max: u64) {
    let mut tick = tokio::time::interval(limits::ROOM_CHECK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_full = false;
    loop {
        tick.tick().await;
        let bytes = store.spool().counts().stored_bytes;
        let is_full = bytes >= bytes_max;
        if is_full != was_full {
            bus.emit(match is_full {
                true => Event::SpoolFull { bytes, bytes_max },
                false => Event::SpoolRoom { bytes },
            });
        }
        was_full = is_full;
    }
}

async fn until(end: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = end.cancelled() => {}
        () = work => {}
    }
}
