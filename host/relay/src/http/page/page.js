// The page: which view is shown, its list, and the keys.

import * as api from "./api.js";
import { empty, h } from "./dom.js";
import { inbox } from "./inbox.js";
import { happened, live } from "./live.js";
import { messages } from "./messages.js";
import { plugins } from "./plugins.js";

const main = document.getElementById("main");
const lists = { inbox, messages };
const sheets = { plugins, live };
const order = ["inbox", "messages", "plugins", "live"];
const shown = { view: null, id: null, rows: [], words: "", status: null };

const place = () => {
  const [, view, id] = location.hash.split("/");
  return { view: order.includes(view) ? view : "inbox", id: id ? decodeURIComponent(id) : null };
};

async function show() {
  const { view, id } = place();
  const changed = shown.view !== view;
  Object.assign(shown, { view, id });
  if (changed) shown.words = "";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.classList.toggle("has-detail", Boolean(id));
  try {
    if (sheets[view]) {
      document.title = `${view[0].toUpperCase()}${view.slice(1)} · Baton`;
      const content = await sheets[view]();
      if (shown.view === view) main.replaceChildren(h("div", { class: "wide" }, content));
      return;
    }
    document.title = `${lists[view].title} · Baton`;
    if (changed) frame(lists[view]);
    await Promise.all([loadRows(), loadDetail()]);
  } catch (error) {
    main.replaceChildren(empty("This did not work", h("p", null, error.message)));
    shown.view = null;
  }
}

function frame(list) {
  const filter = h("input", {
    type: "search",
    id: "filter",
    placeholder: "Filter",
    "aria-label": "Filter",
    oninput: (event) => {
      shown.words = event.target.value.trim().toLowerCase();
      drawRows();
    },
  });
  main.replaceChildren(
    h("section", { class: "list", "aria-label": list.title },
      h("div", { class: "tools" }, filter, list.tools(() => loadRows())),
      h("ul", { class: "rows", id: "rows" })),
    h("section", { class: "detail", id: "detail", "aria-live": "polite" }));
}

async function loadRows() {
  const view = shown.view;
  const rows = await api.get(lists[view].path);
  if (shown.view !== view) return;
  shown.rows = rows;
  drawRows();
}

function visible() {
  const list = lists[shown.view];
  return shown.words ? shown.rows.filter((row) => list.matches(row, shown.words)) : shown.rows;
}

function drawRows() {
  const list = lists[shown.view];
  const target = document.getElementById("rows");
  if (!list || !target) return;
  target.replaceChildren(...visible().map((row) => h("li", null, h("a", {
    class: "row",
    href: `#/${shown.view}/${row.id}`,
    "aria-current": row.id === shown.id ? "true" : null,
  }, ...list.row(row)))));
  if (!shown.id) document.getElementById("detail")?.replaceChildren(
    shown.rows.length ? empty("Choose a message", h("p", null, "or press j. All keys: ?")) : list.none(shown.status));
}

async function loadDetail() {
  const { view, id } = shown;
  if (!id) return;
  let content;
  try {
    content = await lists[view].detail(id, { reload: () => { loadRows(); loadDetail(); } });
  } catch (error) {
    content = [empty(error.status === 404 ? "It is not there any more" : "This did not work", h("p", null, error.message))];
  }
  if (shown.view !== view || shown.id !== id) return;
  const detail = document.getElementById("detail");
  detail?.replaceChildren(h("a", { class: "back", href: `#/${view}` }, "← back"), ...content);
  if (detail) detail.scrollTop = 0;
}

/** Lists follow what happens, a few times a second at most. */
let pending = null;
function follow(event) {
  happened(event);
  if (!lists[shown.view]?.live.includes(event.kind) || pending) return;
  pending = setTimeout(() => {
    pending = null;
    if (lists[shown.view]) loadRows().catch(() => {});
  }, 250);
}

function move(step) {
  const rows = visible();
  if (!lists[shown.view] || rows.length === 0) return;
  const at = rows.findIndex((row) => row.id === shown.id);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  location.hash = `#/${shown.view}/${next.id}`;
  requestAnimationFrame(() => document.querySelector(".row[aria-current]")?.scrollIntoView({ block: "nearest" }));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    Escape: () => { if (shown.id) location.hash = `#/${shown.view}`; },
    "/": () => document.getElementById("filter")?.focus(),
    "?": () => document.getElementById("help").showModal(),
  };
  order.forEach((view, at) => { keys[at + 1] = () => { location.hash = `#/${view}`; }; });
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

addEventListener("hashchange", show);

const status = document.getElementById("status");
async function describe(state) {
  status.className = `status ${state}`;
  if (state === "down") {
    status.textContent = "not connected";
    return;
  }
  try {
    shown.status = await api.get("/status");
    const where = shown.status.listeners.map((one) => one.address).join(", ");
    status.textContent = `${shown.status.hostname} · SMTP ${where}`;
    if (lists[shown.view] && shown.rows.length === 0) drawRows();
    if (sheets[shown.view] === plugins) show();
  } catch { /* the next state says it */ }
}

show();
api.watch(follow, describe);
