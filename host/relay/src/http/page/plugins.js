// Plugins: what is installed and how it does.

import * as api from "./api.js";
import { badge, bytes, empty, facts, h, time, took } from "./dom.js";

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
      ["Memory", plugin.memory_bytes ? `${bytes(plugin.memory_bytes)} at most, ${plugin.instances} live instances` : null],
      ["Made with", plugin.made_with.join(", ") || null],
      ["Granted", granted(plugin.grants) || null],
    ]),
    plugin.candidate && candidate(plugin.name, plugin.candidate));
}

function granted(grants) {
  const words = grants.http.map((host) => `http ${host}`);
  if (grants.dns) words.push("dns");
  if (grants.submit) words.push("submit");
  return words.concat(grants.secrets.map((name) => `secret ${name}`)).join(", ");
}

// What is tried beside a plugin. Where it differs is fetched when somebody opens it.
function candidate(name, tried) {
  const how = tried.share === undefined ? tried.state : `canary ${(tried.share * 100).toFixed(1)} %`;
  const report = h("div", null);
  const details = h("details", { ontoggle: () => details.open && show(name, report) }, h("summary", null, "Where it differs"), report);
  return h("section", { class: "candidate" },
    h("header", null, h("h3", null, "Candidate"), badge(how)),
    tried.reason && h("p", { class: "problem" }, tried.reason),
    facts([
      ["Digest", tried.digest && h("span", { class: "mono", title: tried.digest }, tried.digest.slice(0, 16))],
      ["Calls", `${tried.calls}${tried.faults ? `, ${tried.faults} faults` : ""}`],
      ["Compared", tried.compared ? `${tried.compared}, ${tried.differ} differ` : null],
      ["Left out", tried.dropped || null],
    ]),
    tried.digest && details);
}

async function show(name, place) {
  const report = await api.get(`/plugins/${encodeURIComponent(name)}/diff`);
  place.replaceChildren(
    h("table", null,
      h("thead", null, h("tr", null, ["Hook", "In service", "Candidate", "Differ"].map((text) => h("th", null, text)))),
      h("tbody", null, report.hooks.map((hook) => h("tr", null,
        h("td", null, hook.hook), h("td", null, rates(hook.in_service)), h("td", null, rates(hook.candidate)),
        h("td", null, hook.compared ? `${hook.differ} of ${hook.compared}` : ""))))),
    ...report.examples.slice().reverse().map(example));
}

function rates(side) {
  const words = Object.entries(side.decisions).map(([word, count]) => `${word} ${count}`);
  if (side.faults) words.push(`fault ${side.faults}`);
  return words.join(", ");
}

function example(one) {
  return h("div", { class: "example" },
    h("p", null, time(one.at), ` ${one.hook} ${one.message || one.session || ""}`),
    one.differences.map((difference) => h("dl", null,
      h("dt", null, difference.what),
      h("dd", { class: "mono gone" }, difference.before || "nothing"),
      h("dd", { class: "mono new" }, difference.after || "nothing"))),
    one.beyond.map((asked) => h("p", { class: "mono" }, `asked beyond: ${asked}`)));
}
