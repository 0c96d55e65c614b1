//! `[plugins.routing]`, checked before it is used.

use std::collections::BTreeMap;

use baton_sdk::{Error, Result, Route, config};
use serde::Deserialize;

use crate::alias::Aliases;
use crate::entry::{self, Entry};
use crate::live;
use crate::pattern::Pattern;
use crate::pool::WarmUp;

/// Fields of the header section that routes may ask about: each becomes a tag, and a message has few.
const HEADERS_MAX: usize = 8;

/// The section.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    pub routes: Vec<Entry>,
    pub aliases: Aliases,
    /// Domains in which nobody is known but who has an alias.
    known_recipients_only: Vec<String>,
    /// By account.
    pub tenants: BTreeMap<String, Tenant>,
    /// By pool.
    pub warm_up: BTreeMap<String, WarmUp>,
    /// Each account's mail waits in a queue of its own.
    separate_accounts: bool,
}

/// What holds for the mail of one account alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tenant {
    pub routes: Vec<Entry>,
    pub aliases: Aliases,
    /// For routes that name none.
    queue: Option<String>,
    egress_pool: Option<String>,
}

impl Settings {
    /// Reads the section; what is wrong in it, in words for the operator.
    pub fn read() -> Result<Self> {
        let settings: Self = config::read()?;
        match settings.check() {
            Ok(()) => Ok(settings),
            Err(text) => Err(Error::new(format!("configuration: {text}"))),
        }
    }

    fn check(&self) -> Result<(), String> {
        entry::check_all(&self.routes)?;
        self.aliases
            .check()
            .map_err(|text| format!("aliases: {text}"))?;
        for (account, tenant) in &self.tenants {
            let place = |text: String| format!("tenant {account}: {text}");
            entry::check_all(&tenant.routes).map_err(place)?;
            let of_aliases = |text| place(format!("aliases: {text}"));
            tenant.aliases.check().map_err(of_aliases)?;
        }
        for (pool, warm_up) in &self.warm_up {
            warm_up
                .check()
                .map_err(|text| format!("warm-up of {pool}: {text}"))?;
        }
        for domain in &self.known_recipients_only {
            Pattern::new(domain)
                .check()
                .map_err(|text| format!("known-recipients-only: {text}"))?;
        }
        let every = self.tenants.values().flat_map(|tenant| &tenant.routes);
        for entry in self.routes.iter().chain(every) {
            self.check_pools(entry)?;
        }
        let names = self.names_in_config(None).count();
        let of_tenant = |account: &String| self.names_in_config(Some(account)).count();
        if names + self.tenants.keys().map(of_tenant).max().unwrap_or(0) > HEADERS_MAX {
            return Err(format!(
                "routes ask about more than {HEADERS_MAX} different header fields"
            ));
        }
        Ok(())
    }

    /// Where each pool of a route warms up, nobody is left to take what is over their caps.
    fn check_pools(&self, entry: &Entry) -> Result<(), String> {
        let pools = entry.pool_names();
        if !pools.is_empty() && pools.iter().all(|pool| self.warm_up.contains_key(*pool)) {
            return Err(format!(
                "a route uses no pool but {}, which warms up: add one without a schedule for what is over the cap",
                pools.join(", ")
            ));
        }
        Ok(())
    }

    /// Whether any recipient may stand for others, or for nobody.
    pub fn rewrites(&self) -> bool {
        let of_tenants = self.tenants.values().any(|t| !t.aliases.is_empty());
        !self.aliases.is_empty() || !self.known_recipients_only.is_empty() || of_tenants
    }

    /// Whether any route asks about a header field.
    pub fn asks_headers(&self) -> bool {
        let of_tenants = self.tenants.values().flat_map(|tenant| &tenant.routes);
        let mut entries = self.routes.iter().chain(of_tenants);
        entries.any(|entry| entry.header_names().next().is_some())
    }

    /// Whether any mail may be given a route.
    pub fn routes_any(&self) -> bool {
        !self.routes.is_empty() || !self.tenants.is_empty() || self.separate_accounts
    }

    /// Whether only who has an alias is known in that domain.
    pub fn is_closed(&self, domain: &str) -> bool {
        let covers = |text: &String| Pattern::new(text).matches(domain);
        self.known_recipients_only.iter().any(covers)
    }

    /// Names of the header fields that routes ask about for mail of that account, in lower case.
    pub fn header_names(&self, account: Option<&str>) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.names_in_config(None).collect();
        names.extend(self.names_in_config(account));
        for entry in live::routes(None)?.iter().chain(&match account {
            Some(account) => live::routes(Some(account))?,
            None => Vec::new(),
        }) {
            names.extend(entry.header_names());
        }
        names.sort_unstable();
        names.dedup();
        names.truncate(HEADERS_MAX);
        Ok(names)
    }

    fn names_in_config(&self, account: Option<&str>) -> impl Iterator<Item = String> {
        let routes = match account {
            None => Some(&self.routes),
            Some(account) => self.tenants.get(account).map(|tenant| &tenant.routes),
        };
        let names = routes.into_iter().flatten().flat_map(Entry::header_names);
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// The route with what keeps accounts apart.
    pub fn separated(&self, mut route: Route, account: Option<&str>) -> Route {
        let Some(account) = account else {
            return route;
        };
        if let Some(tenant) = self.tenants.get(account) {
            route.queue = route.queue.or_else(|| tenant.queue.clone());
            route.egress_pool = route.egress_pool.or_else(|| tenant.egress_pool.clone());
        }
        if self.separate_accounts {
            route.queue = route.queue.or_else(|| Some(account.to_owned()));
        }
        route
    }
}
