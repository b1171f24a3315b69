// What the search view shows before the first picture: the size of the collection, and three steps.

import { may } from "../base/api.js";
import { make } from "../base/elements.js";
import { counted } from "../base/words.js";

const SEARCHING = [["Give a picture", "Drop it anywhere on this page, paste it, or press o to choose files. Nothing is stored."],
  ["Read the verdict", "The same picture, a copy, possibly a copy, or no copy; with the probability."],
  ["Compare and decide", "Open a match: outlines show what both share. y confirms it, n denies it."]];
const FILLING = [["Add pictures", "In the view Collection, or with: copysight index build FOLDER --index DIR"],
  ["Search", "Drop a picture here, and see whether it was there before."],
  ["Clean up", "The view Duplicates finds the copies within the collection."]];

/** `about` is the state of the index; `tries` an element with examples. */
export function welcome(about, tries) {
  const [total, groups] = [Object.values(about.collections).reduce((sum, count) => sum + count, 0), Object.keys(about.collections).length];
  const size = total ? `${counted(total, "picture")} ${groups > 1 ? `in ${groups} collections ` : ""}can be searched.` : "The collection is empty.";
  return make("section", { class: "welcome", "aria-label": "First steps" }, make("p", { class: "size" }, size),
    make("ol", { class: "steps" }, (total ? SEARCHING : FILLING).map(([title, text]) => make("li", {}, make("strong", {}, title), make("span", {}, text)))),
    total ? tries : may("write") ? make("a", { class: "button primary", href: "#/collection" }, "Add pictures") : null);
}
