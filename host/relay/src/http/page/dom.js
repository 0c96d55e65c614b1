// Elements and words. Text enters the document through textContent alone: nothing that was received is ever read as HTML here.

/** Makes an element: `h("a", { href, class }, "text", child, null)`. Attributes that are null or false are left out. */
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export const today = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const other = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A time: the hour if it is of today, else the day. */
export function time(text) {
  const at = new Date(text);
  const short = at.toDateString() === new Date().toDateString() ? today.format(at) : other.format(at);
  return h("time", { datetime: at.toISOString(), title: at.toString() }, short);
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1000_000) return `${(count / 1000).toFixed(1)} kB`;
  return `${(count / 1000_000).toFixed(1)} MB`;
}

export function took(microseconds) {
  if (microseconds < 1000) return `${microseconds} µs`;
  if (microseconds < 1000_000) return `${(microseconds / 1000).toFixed(1)} ms`;
  return `${(microseconds / 1000_000).toFixed(1)} s`;
}

/** How a state or decision looks. */
export function tone(word) {
  const first = String(word).split(/[ (]/)[0];
  if (["delivered", "active", "accept"].includes(first)) return "good";
  if (["deferred", "held", "hold", "defer", "partial", "disabled", "discard", "discarded"].includes(first)) return "warn";
  if (["failed", "bounced", "expired", "rejected", "reject", "refused", "broken", "fault", "disconnect", "suppressed"].includes(first)) return "bad";
  return "";
}

export function badge(word) {
  return h("span", { class: `badge ${tone(word)}` }, word);
}

/** Pairs as a definition list; pairs without a value are left out. */
export function facts(pairs) {
  const list = h("dl", { class: "facts" });
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(h("dt", null, name), h("dd", null, value));
  }
  return list;
}

export function empty(title, ...rest) {
  return h("div", { class: "empty" }, h("h2", null, title), ...rest);
}
