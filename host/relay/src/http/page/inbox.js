// The inbox: what was caught, and one message as a mail program would show it.

import * as api from "./api.js";
import { bytes, empty, facts, h, time } from "./dom.js";
import { trace } from "./messages.js";

export const inbox = {
  title: "Inbox",
  path: "/inbox?limit=200",
  live: ["accepted", "delivered"],
  matches: (row, words) => [row.from, row.subject, ...row.to].join(" ").toLowerCase().includes(words),
  row: (row) => [
    h("span", { class: "top" }, h("span", { class: "who" }, row.to.join(", ") || "(nobody)"), time(row.received)),
    h("span", { class: "bottom" }, h("span", { class: "what" }, row.subject || "(no subject)")),
  ],
  none: (status) => empty("The inbox is empty", h("p", null, "Send something:"), h("pre", { class: "sheet" }, example(status))),
  tools: (reload) => h("button", {
    class: "danger",
    onclick: async () => {
      if (!confirm("Delete all messages of the inbox?")) return;
      await api.request("/inbox", { method: "DELETE" });
      reload();
    },
  }, "Clear"),
  detail,
};

function example(status) {
  const address = status?.listeners?.[0]?.address;
  const server = address && address !== "127.0.0.1:2525" ? ` --server ${address}` : "";
  return `baton send --from you@example.com --to friend@example.net --subject Hello --text "It works"${server}`;
}

async function detail(id, { reload }) {
  const message = await api.get(`/inbox/${encodeURIComponent(id)}`);
  const view = h("div", { class: "sheet", role: "tabpanel" });
  const tabs = h("div", { class: "tabs", role: "tablist" });
  const add = (name, show) => {
    const button = h("button", {
      role: "tab",
      "aria-selected": "false",
      onclick: async () => {
        for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab === button));
        try {
          view.replaceChildren(await show());
        } catch (error) {
          view.replaceChildren(h("pre", { class: "problem" }, error.message));
        }
      },
    }, name);
    tabs.append(button);
  };
  if (message.html !== null) add("HTML", () => rendered(id, message));
  if (message.text !== null) add("Text", () => h("pre", null, message.text));
  add("Headers", () => headers(message));
  if (message.parts.length > 1) add(`Parts (${message.parts.length})`, () => parts(id, message));
  add("Source", async () => h("pre", null, await api.text(`/inbox/${encodeURIComponent(id)}/raw`)));
  if (message.message) add("Trace", () => trace(message.message));
  tabs.children[0].click();
  return [
    h("h1", null, message.subject || "(no subject)"),
    facts([
      ["From", message.from || "<> (nobody: a bounce)"],
      ["To", message.to.join(", ")],
      ["Received", time(message.received)],
      ["Size", bytes(message.bytes)],
      ["Message", message.message && h("a", { href: `#/messages/${message.message}` }, message.message)],
    ]),
    h("div", { class: "actions" },
      h("button", { onclick: () => download(`/inbox/${encodeURIComponent(id)}/raw`, `${id}.eml`) }, "Download"),
      h("button", {
        class: "danger",
        onclick: async () => {
          await api.request(`/inbox/${encodeURIComponent(id)}`, { method: "DELETE" });
          location.hash = "#/inbox";
          reload();
        },
      }, "Delete")),
    tabs,
    view,
  ];
}

/** A frame without scripts, forms, origin or network: what a stranger wrote stays in there. Links open outside of it. */
async function rendered(id, message) {
  const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
  const inert = new DOMParser().parseFromString(message.html, "text/html");
  for (const image of inert.querySelectorAll("img[src^='cid:' i]")) {
    const wanted = decodeURIComponent(image.getAttribute("src").slice(4));
    const part = message.parts.find((one) => one.content_id === wanted && one.media_type.startsWith("image/"));
    if (part) image.setAttribute("src", await dataUrl(`/inbox/${encodeURIComponent(id)}/parts/${part.index}`, part.media_type));
  }
  for (const refresh of inert.querySelectorAll("meta[http-equiv], base")) refresh.remove();
  for (const link of inert.querySelectorAll("a[href], area[href]")) {
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
  }
  const meta = inert.createElement("meta");
  meta.setAttribute("http-equiv", "Content-Security-Policy");
  meta.setAttribute("content", policy);
  inert.head.prepend(meta);
  return h("iframe", {
    sandbox: "allow-popups allow-popups-to-escape-sandbox",
    title: "The message as HTML",
    referrerpolicy: "no-referrer",
    srcdoc: `<!doctype html>${inert.documentElement.outerHTML}`,
  });
}

async function dataUrl(path, type) {
  const content = await api.blob(path);
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(new Blob([content], { type }));
  });
}

function headers(message) {
  return h("table", null, h("tbody", null,
    message.headers.map(([name, value]) => h("tr", null, h("th", null, name), h("td", { class: "mono" }, value)))));
}

function parts(id, message) {
  const row = (part) => h("tr", null,
    h("td", null, part.index),
    h("td", { class: "mono" }, part.media_type, part.charset ? `; ${part.charset}` : ""),
    h("td", null, part.filename || part.content_id || ""),
    h("td", null, bytes(part.bytes)),
    h("td", null, part.media_type.startsWith("multipart/") ? "" : h("button", {
      onclick: () => download(`/inbox/${encodeURIComponent(id)}/parts/${part.index}`, part.filename || `${id}-${part.index}`),
    }, "Download")));
  return h("table", null, h("tbody", null, message.parts.map(row)));
}

async function download(path, name) {
  const address = URL.createObjectURL(await api.blob(path));
  h("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
