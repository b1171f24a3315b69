// A few pictures of the collection as examples to click.

import { request, may, thumbnail } from "../base/api.js";
import { fill, make } from "../base/elements.js";

/** Fills `place` with links from a few items to a view, for example "search". */
export async function examples(place, view, words) {
  const { items } = await request("GET", "images?limit=6");
  if (!items.length) {
    return fill(place, "The collection is empty. ", may("write") ? make("a", { class: "button", href: "#/collection" }, "Add pictures") : null);
  }
  return fill(place, make("span", {}, words), items.map((item) =>
    make("a", { href: `#/${view}?id=${item.id}`, title: item.key, "aria-label": item.key }, thumbnail(item.id, "", 56))));
}
