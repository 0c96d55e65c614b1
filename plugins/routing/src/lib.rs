//! Where mail goes: a table of recipient domains and conditions, each with a next hop, port, egress pool, queue, priority and
//! TLS demand. This file holds the hook, [`table`] the table, [`pattern`] what a domain's pattern covers.

use baton_sdk::prelude::*;

mod pattern;
mod table;

#[cfg(test)]
mod tests;

use table::Table;

struct Routing {
    table: Table,
}

#[baton_sdk::plugin]
impl Plugin for Routing {
    fn new() -> Result<Self> {
        let table: Table = config::read()?;
        match table.check() {
            Ok(()) => Ok(Self { table }),
            Err(text) => bail!("configuration: {text}"),
        }
    }

    fn on_route(&mut self, attempt: &Attempt) -> Result<Option<Route>> {
        Ok(self.table.route(attempt, context::tag))
    }
}
