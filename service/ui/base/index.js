// The state of the index, which most views need: its size, collections, model, and the limits of the verdicts.

import { request } from "./api.js";

/** From which probabilities on a match is no longer `different`, and a `copy`. */
export const limits = { different: 0.05, copy: 0.9 };

/** `GET /index`. */
export async function indexState() {
  const about = await request("GET", "index");
  Object.assign(limits, about.verdicts);
  return about;
}

/** Pairs of a collection and its name with its size, all first, for a menu. A `chosen` one that is empty is among them. */
export function collectionChoices({ collections }, chosen = "") {
  const all = Object.values(collections).reduce((sum, count) => sum + count, 0);
  const known = chosen && !(chosen in collections) ? { ...collections, [chosen]: 0 } : collections;
  return [["", `all (${all.toLocaleString("en")})`], ...Object.entries(known).map(([one, count]) => [one, `${one} (${count.toLocaleString("en")})`])];
}
