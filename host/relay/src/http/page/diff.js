// What an edit changed, line by line.

import { h } from "./dom.js";

const LINES_MAX = 1500;
const AROUND = 2;

/** Lines with "same", "cut" or "add", by the longest common subsequence of what is between equal ends. */
export function lines(before, after) {
  const a = before.split(/\r?\n/).slice(0, LINES_MAX);
  const b = after.split(/\r?\n/).slice(0, LINES_MAX);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const left = a.slice(start, a.length - end);
  const right = b.slice(start, b.length - end);
  const width = right.length + 1;
  const table = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      table[i * width + j] = left[i] === right[j]
        ? table[(i + 1) * width + j + 1] + 1
        : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const found = a.slice(0, start).map((line) => ["same", line]);
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      found.push(["same", left[i]]);
      i++;
      j++;
    } else if (i < left.length && (j === right.length || table[(i + 1) * width + j] >= table[i * width + j + 1])) {
      found.push(["cut", left[i++]]);
    } else {
      found.push(["add", right[j++]]);
    }
  }
  return found.concat(a.slice(a.length - end).map((line) => ["same", line]));
}

/** The changed lines with a little around them. */
export function diff(before, after) {
  const all = lines(before ?? "", after ?? "");
  const near = all.map((_, at) => all.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([kind]) => kind !== "same"));
  const view = h("div", { class: "diff" });
  let hidden = 0;
  const gap = () => {
    if (hidden) view.append(h("div", { class: "gap" }, `${hidden} unchanged line${hidden === 1 ? "" : "s"}`));
    hidden = 0;
  };
  all.forEach(([kind, line], at) => {
    if (!near[at]) return void hidden++;
    gap();
    view.append(h("div", { class: kind }, line));
  });
  gap();
  return view;
}
