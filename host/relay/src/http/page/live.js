// Live: events as they happen.

import { badge, empty, h, today } from "./dom.js";

const KEPT = 500;
const rows = [];
let table = null;

const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

function row(event) {
  const { at, kind, ...rest } = event;
  const fields = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined);
  return h("tr", null,
    h("td", null, today.format(new Date(at))),
    h("td", null, badge(kind)),
    h("td", { class: "mono" }, fields.map(([name, value]) => `${name}=${text(value)}`).join("  ")));
}

/** Keeps an event, and shows it if somebody looks. */
export function happened(event) {
  if (event.kind === undefined) return;
  rows.unshift(event);
  if (rows.length > KEPT) rows.pop();
  if (!table?.isConnected) return;
  table.prepend(row(event));
  while (table.children.length > KEPT) table.lastElementChild.remove();
}

export async function live() {
  table = h("tbody", null, rows.map(row));
  const sheet = h("div", { class: "sheet" }, h("table", { class: "events" }, table));
  return rows.length ? sheet : h("div", null, empty("Waiting for events", h("p", null, "Sessions, hook calls, deliveries: everything the relay does appears here.")), sheet);
}
