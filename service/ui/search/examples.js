// A few pictures of the collection as examples to click.

import { request, thumbnail } from "../base/api.js";
import { fill, make } from "../base/elements.js";

/** Fills `place` with links from a few items to a view, for example "search". */
export async function examples(place, view, words) {
  const { items } = await request("GET", "images?limit=6");
  if (!items.length) return fill(place, "The collection is empty.");
  return fill(place, make("span", {}, words), items.map((item) =>
    make("a", { href: `#/${view}?id=${item.id}`, title: item.key, "aria-label": item.key }, thumbnail(item.id, "", 56))));
}
