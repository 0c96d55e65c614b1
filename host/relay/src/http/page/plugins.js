// Plugins: what is installed and how it does.

import * as api from "./api.js";
import { badge, bytes, empty, facts, h, took } from "./dom.js";

export async function plugins() {
  const all = await api.get("/plugins");
  if (all.length === 0) return empty("No plugins", h("p", null, "Drop a .wasm file into the plugins folder: it runs from the next session on."));
  return h("div", { class: "cards" }, all.map(card));
}

function card(plugin) {
  const median = plugin.p50_microseconds;
  const slow = plugin.p99_microseconds;
  return h("article", { class: "card" },
    h("header", null, h("h2", null, plugin.name), badge(plugin.state)),
    plugin.reason && h("p", { class: "problem" }, plugin.reason),
    h("div", { class: "hooks" }, plugin.hooks.map((name) => h("span", { class: "badge" }, name))),
    facts([
      ["Source", plugin.source],
      ["Digest", plugin.digest && h("span", { class: "mono", title: plugin.digest }, plugin.digest.slice(0, 16))],
      ["Size", plugin.bytes ? bytes(plugin.bytes) : null],
      ["Calls", plugin.calls ? `${plugin.calls}${plugin.faults ? `, ${plugin.faults} faults` : ""}` : null],
      ["Time", median === null || median === undefined ? null : `half within ${took(median)}, 99 % within ${took(slow)}`],
    ]));
}
