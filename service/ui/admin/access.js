// Section of the API keys and their use, and section of the audit trail.

import { path, request } from "../base/api.js";
import { button, choices, fill, labelled, make, table } from "../base/elements.js";
import { ago } from "../base/words.js";

const PAGE = 50;
const ACTIONS = ["", "item", "decision", "review", "list", "index", "duplicates", "webhook", "key"];

export function keys() {
  const place = make("div", {});
  const date = (seconds) => (seconds ? new Date(1000 * seconds).toISOString().slice(0, 10) : "never");
  async function refresh() {
    const { keys: found } = await request("GET", "keys");
    const row = (one) => [one.name, one.scope, date(one.created), one.expires ? date(one.expires) : "never", one.today.toLocaleString("en"), one.quota ? one.quota.toLocaleString("en") : "none", one.total.toLocaleString("en"), ago(one.latest)];
    fill(place, found.length ? table("API keys", ["Name", "Scope", "Created", "Expires", "Requests today", "Quota a day", "In all", "Latest"], found.map(row))
      : make("p", { class: "hint" }, "This server needs no keys: whoever reaches it has the scope admin."));
  }
  return { element: make("section", { class: "panel", "aria-label": "Keys" }, make("h2", {}, "Keys"), place,
    make("p", { class: "hint" }, "Keys are created and revoked on the server's machine: ", make("code", {}, "copysight keys add NAME --scope read --index DIR"))), refresh };
}

export function audit() {
  const place = make("div", {});
  const more = button("Earlier entries", () => load(next));
  const action = make("select", { name: "action", onchange: () => load() }, choices(ACTIONS.map((name) => [name, name || "everything"]), ""));
  const by = make("input", { name: "by", placeholder: "name of a key", onchange: () => load() });
  let [entries, next, latest] = [[], null, 0];

  async function load(after = null) {
    const number = (latest += 1);
    const found = await request("GET", path("audit", { action: action.value, by: by.value.trim(), after, limit: PAGE }));
    if (number !== latest) return;
    entries = after === null ? found.entries : entries.concat(found.entries);
    next = found.next;
    more.hidden = next === null;
    fill(place, entries.length ? table("Audit trail, the latest first", ["When (UTC)", "Action", "Pictures", "By", "From", "Details"], entries.map(row)) : make("p", { class: "hint" }, "Nothing was recorded."));
  }

  const refresh = () => load();
  return { element: make("section", { class: "panel", "aria-label": "Audit" }, make("h2", {}, "Audit"), make("div", { class: "controls" }, labelled("Action", action), labelled("By", by)), place, more), refresh };
}

function row({ time, action, items, by, address, detail }) {
  const pictures = (items ?? []).map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`)).join(", ");
  const known = detail ? Object.entries(detail).filter(([, value]) => value !== null && value !== "") : [];
  return [time.slice(0, 19).replace("T", " "), action, pictures.length > 40 ? `${pictures.slice(0, 40)}…` : pictures, by ?? "", address ?? "",
    make("span", { title: JSON.stringify(detail ?? {}) }, known.map(([name, value]) => `${name}: ${short(value)}`).join(" · "))];
}

const short = (value) => {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 12)}…` : text;
};
