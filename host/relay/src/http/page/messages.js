// Messages: how each stands, what every hook did to it, and what was tried.

import * as api from "./api.js";
import { badge, bytes, empty, facts, h, time, tone, took } from "./dom.js";
import { diff } from "./diff.js";

export const messages = {
  title: "Messages",
  path: "/messages?limit=200",
  live: ["accepted", "delivered", "deferred", "bounced", "expired", "held", "released", "removed", "discarded", "suppressed"],
  matches: (row, words) => [row.from, row.subject, row.state, row.id, ...row.to].join(" ").toLowerCase().includes(words),
  row: (row) => [
    h("span", { class: "top" }, h("span", { class: "who" }, row.to.join(", ") || "(nobody)"), time(row.received)),
    h("span", { class: "bottom" }, h("span", { class: "what" }, row.subject || "(no subject)"), badge(row.state)),
  ],
  none: () => empty("No messages yet", h("p", null, "Messages that pass the relay are listed here with all that happened to them.")),
  tools: () => null,
  detail,
};

async function detail(id, { reload }) {
  const message = await api.get(`/messages/${encodeURIComponent(id)}`);
  const act = (action) => async () => {
    if (action === "remove" && !confirm("Remove what is left of this message?")) return;
    await api.request(`/queue/${encodeURIComponent(id)}/${action}`, { method: "POST" });
    reload();
  };
  const waits = message.recipients_detail.filter((one) => ["queued", "deferred", "held"].includes(one.state));
  const held = waits.some((one) => one.state === "held");
  return [
    h("h1", null, message.subject || "(no subject)"),
    facts([
      ["State", badge(message.state)],
      ["From", message.from || "<> (nobody: a bounce)"],
      ["Received", time(message.received)],
      ["By", [message.listener, message.account && `as ${message.account}`].filter(Boolean).join(" ")],
      ["Size", bytes(message.bytes)],
      ["Id", h("span", { class: "mono" }, message.id)],
      ["Tags", Object.entries(message.tags).map(([key, value]) => `${key}=${value}`).join(", ")],
    ]),
    waits.length > 0 && h("div", { class: "actions" },
      held && h("button", { onclick: act("release") }, "Release"),
      waits.some((one) => one.state !== "held") && [
        h("button", { onclick: act("retry") }, "Retry now"),
        h("button", { onclick: act("hold") }, "Hold"),
      ],
      h("button", { class: "danger", onclick: act("remove") }, "Remove")),
    h("div", { class: "sheet" }, h("table", null, h("tbody", null, message.recipients_detail.map(recipient)))),
    h("h3", { class: "quiet" }, h("br"), "What happened"),
    h("br"),
    steps(message),
  ].filter(Boolean);
}

function recipient(one) {
  return h("tr", null,
    h("td", null, one.address),
    h("td", null, badge(one.state)),
    h("td", { class: "quiet" }, one.due ? ["next ", time(one.due)] : "", one.why ?? ""),
    h("td", { class: "mono" }, one.reply ?? ""));
}

/** The trace of a message, for other views. */
export async function trace(id) {
  const message = await api.get(`/messages/${encodeURIComponent(id)}`);
  return h("div", { style: "padding: 18px 16px 4px" }, steps(message));
}

function steps(message) {
  const all = [...message.trace, ...message.attempts, ...message.reports].sort((a, b) => a.at - b.at);
  if (all.length === 0) return h("p", { class: "quiet" }, "No plugin was asked and nothing was tried yet.");
  return h("ol", { class: "steps" }, all.map((step) => shown[step.step](step)));
}

const shown = { hook, attempt, report };

function report(step) {
  const said = step.translation;
  const look = step.report === "bounce" || step.report === "complaint" ? "bad" : "warn";
  return h("li", { class: `step ${look}` },
    h("div", { class: "head" },
      h("span", { class: "name" }, "Report"),
      h("span", { class: "quiet" }, [step.recipient, step.host].filter(Boolean).join(" · ")),
      badge(step.report)),
    h("div", { class: "body" },
      step.reply && h("div", { class: "mono quiet" }, step.reply),
      said && h("div", null, badge(said.reason), ` ${said.explanation} `, h("span", { class: "quiet" }, `(${said.plugin}: ${said.rule})`))));
}

function hook(step) {
  const look = step.fault ? "bad" : tone(step.decision);
  return h("li", { class: `step ${look}` },
    h("div", { class: "head" },
      h("span", { class: "name" }, step.plugin),
      h("span", { class: "quiet" }, step.hook, step.recipient ? ` for ${step.recipient}` : ""),
      badge(step.fault ? "fault" : step.decision),
      h("span", { class: "took", title: `version ${step.digest}` }, took(step.microseconds))),
    h("div", { class: "body" },
      step.fault && h("div", { class: "problem" }, step.fault),
      (step.scores ?? []).map((score) => h("div", null, badge(`${score.points > 0 ? "+" : ""}${score.points}`), ` ${score.symbol}: ${score.why}`)),
      (step.edits ?? []).map(edit)));
}

function edit(one) {
  const has = one.before !== undefined || one.after !== undefined;
  if (!has) return h("div", { class: "mono" }, one.what);
  const before = one.name && one.before !== undefined ? `${one.name}: ${one.before}` : one.before;
  const after = one.name && one.after !== undefined ? `${one.name}: ${one.after}` : one.after;
  const view = h("details", { class: "edit", open: true }, h("summary", { class: "mono" }, one.what));
  if (before === undefined || after === undefined) {
    view.append(h("div", { class: "diff" }, h("div", { class: before === undefined ? "add" : "cut" }, after ?? before)));
  } else {
    view.append(diff(before, after));
  }
  return view;
}

function attempt(step) {
  const worst = ["bad", "warn", "good"].find((look) => step.outcomes.some((one) => tone(one.outcome) === look)) ?? "";
  return h("li", { class: `step ${worst}` },
    h("div", { class: "head" },
      h("span", { class: "name" }, `Attempt ${step.number}`),
      h("span", { class: "quiet" }, [step.site, step.host && step.host !== step.site ? `via ${step.host}` : null, step.tls].filter(Boolean).join(" · ")),
      h("span", { class: "took" }, took(step.microseconds))),
    h("div", { class: "body" }, step.outcomes.map(outcome)));
}

function outcome(one) {
  const said = one.translation;
  return h("div", null,
    h("div", null, badge(one.outcome), " ", one.recipient, one.next ? [" · next ", time(one.next)] : ""),
    one.reply && h("div", { class: "mono quiet" }, one.reply),
    said && h("div", null, badge(said.reason), ` ${said.explanation} `, h("span", { class: "quiet" }, `(${said.plugin}: ${said.rule})`)));
}
