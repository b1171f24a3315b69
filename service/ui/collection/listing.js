// The items of the collection that are listed: by name, collection, order and state; fetched page by page.

import { path, request } from "../base/api.js";

const MOST = 10000; // items of a state, or of a selection of all

export const ORDERS = {
  newest: ["added last", "id", true], oldest: ["added first", "id", false], name: ["name", "key", false], taken: ["taken last", "taken", true],
  bytes: ["largest file", "bytes", true], pixels: ["most pixels", "pixels", true],
};
export const STATES = { "": "all", disabled: "disabled", expired: "expired", quarantined: "in quarantine" };
const DEFAULTS = { text: "", collection: "", order: "newest", state: "" };

/** What is listed, from the page's address. */
export function read(query) {
  const given = Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, query.get(name) ?? value]));
  return { ...given, order: given.order in ORDERS ? given.order : DEFAULTS.order, state: given.state in STATES ? given.state : "" };
}

/** The address of this listing. Defaults are left out. */
export const address = (wanted) => `#${path("/collection", Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value !== DEFAULTS[name])))}`;

/** A page of the listing: {items, total}. */
export async function page(wanted, offset, limit) {
  if (wanted.state) return inState(wanted, offset, limit);
  const [, sort, descending] = ORDERS[wanted.order];
  const { text, collection } = wanted;
  return request("GET", path("images", { text, collection, sort, descending: descending || null, offset, limit }));
}

/** Items of a state are few, and the server lists them by id: all are fetched, and a page is cut from them. */
async function inState({ state, collection, text }, offset, limit) {
  const found = [];
  for (let after = 0; after !== null && found.length < MOST;) {
    const { items, next } = await request("GET", path("images", { state, collection, after, limit: 1000 }));
    found.push(...items.filter((item) => item.key.toLowerCase().includes(text.toLowerCase())));
    after = next;
  }
  return { items: found.slice(offset, offset + limit), total: found.length };
}

/** All listed items, at most 10,000. */
export async function everything(wanted) {
  const found = [];
  for (let total = 1; found.length < Math.min(total, MOST);) {
    const next = await page(wanted, found.length, 1000);
    if (!next.items.length) break;
    found.push(...next.items);
    total = next.total;
  }
  return found;
}
