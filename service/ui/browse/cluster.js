// One cluster, or several that were merged: its members; name it, tag and move members, separate what was merged.

import { may, path, request, thumbnail } from "../base/api.js";
import { button, fill, isElsewhere, make, named, notice } from "../base/elements.js";
import { Pages } from "../base/pages.js";
import { counted } from "../base/words.js";
import { Windowed } from "../base/windowed.js";
import { buttons } from "../collection/bulk.js";
import { Selection } from "../collection/selection.js";
import { nameAll, title } from "./heaps.js";
import { askToMove } from "./moving.js";

const TILE = { width: 176, height: 204 };
const MOST = 10000; // members that can be selected at once
const AT_ONCE = 1000; // the most that a request may ask for

/** Shows the clusters `ids` as one. */
export async function showOne(view, ids) {
  const parts = await Promise.all(ids.map((id) => request("GET", path(`clusters/${id}`, { limit: 1 }))));
  const size = parts.reduce((sum, one) => sum + one.size, 0);
  const grid = new Windowed({ ...TILE, tile: (number) => tile(number), near: (first, last) => pages.fetchRange(first, last), label: "members", arrows: true });
  const pages = new Pages((offset, limit) => members(parts, offset, limit), (first, last) => { for (let number = first; number < last; number += 1) grid.refresh(number); });
  const redraw = async () => grid.show(size);
  const selection = new Selection({ grid, rows: () => pages.rows, noun: "picture", buttons: (chosen) => actions(chosen), all: () => everything() });
  const heading = make("h1", {}, title(parts[0]));

  async function everything() {
    const found = [];
    while (found.length < Math.min(size, MOST)) {
      const next = await members(parts, found.length, AT_ONCE);
      if (!next.length) break;
      found.push(...next);
    }
    return found;
  }

  const reload = async () => { dispatchEvent(new HashChangeEvent("hashchange")); };

  /** A cluster whose pictures have all gone is none to stay at. */
  function move(chosen) {
    return askToMove(chosen, () => (chosen.length < size || !location.hash.startsWith("#/clusters?id") ? reload() : (location.hash = "#/clusters")));
  }

  function actions(chosen) {
    const [first, ...others] = buttons(chosen, redraw, reload);
    return [first, may("write") ? button("Move…", () => move(chosen), { key: "m" }) : null, ...others];
  }

  function tile(number) {
    const item = pages.row(number);
    if (!item) return make("span", { class: "card waiting" });
    return make("div", { class: `card${selection.has(item) ? " picked" : ""}${item.disabled ? " off" : ""}` },
      make("a", { href: `#/search?id=${item.id}`, "aria-label": `Search for ${item.key}` }, thumbnail(item.id, item.key, 120)), selection.box(number, item.key),
      named(item.key), make("span", { class: "hint" }, `similarity ${item.similarity.toFixed(2)}`));
  }

  const pressed = (event) => {
    if (isElsewhere(event) && event.target.type !== "checkbox") return;
    const keys = { ...selection.keys(), m: selection.items.size && may("write") && (() => move(selection.chosen)), n: () => view.querySelector("input[name=name]")?.select(), u: () => document.querySelector("#notice button")?.click() };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  addEventListener("keydown", pressed);
  const tag = button("Tag the pictures…", async () => {
    selection.set(await everything());
    selection.element.querySelector("button").click();
  });
  fill(view, make("p", { class: "back" }, make("a", { href: "#/clusters" }, "← All clusters")), heading,
    make("div", { class: "bar between" }, make("p", { class: "hint" }, `${counted(size, "picture")}${parts.length > 1 ? ` of ${parts.length} merged clusters` : ""}, the nearest to the centre first`),
      may("write") ? make("span", { class: "bar" }, naming(parts, heading), tag, parts.length > 1 ? button("Separate", () => separate(parts)) : null) : null), grid.element, selection.element);
  grid.show(size);
  return { close: () => { removeEventListener("keydown", pressed); grid.close(); } };
}

/** A page of the members of clusters, one cluster after the other. */
async function members(parts, offset, limit) {
  const found = [];
  let start = 0;
  for (const { id, size } of parts) {
    const from = Math.max(0, offset + found.length - start);
    if (from < size && found.length < limit) found.push(...(await request("GET", path(`clusters/${id}`, { offset: from, limit: limit - found.length }))).members);
    start += size;
  }
  return found;
}

function naming(parts, heading) {
  const input = make("input", { value: parts[0].name ?? "", maxLength: 200, name: "name" });
  const save = async (event) => {
    event.preventDefault();
    const given = input.value.trim() || null;
    input.value = given ?? "";
    const back = await nameAll(parts, given);
    heading.textContent = title(parts[0]);
    notice(given ? `The cluster is now named ${given}. Rebuilds keep the name.` : "The name was removed.", "Undo", async () => {
      await back();
      heading.textContent = title(parts[0]);
      input.value = parts[0].name ?? "";
    });
  };
  return make("form", { class: "bar", onsubmit: save }, make("label", { class: "bar" }, make("span", { class: "hint" }, "Name ", make("kbd", {}, "n")), input), make("button", {}, "Save"));
}

/** The first cluster keeps the name, the others lose it. */
async function separate(parts) {
  const back = await nameAll(parts.slice(1), null);
  location.hash = "#/clusters";
  notice(`${counted(parts.length, "cluster")} are shown apart again.`, "Undo", async () => {
    await back();
    dispatchEvent(new HashChangeEvent("hashchange"));
  });
}
