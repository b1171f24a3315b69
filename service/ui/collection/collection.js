// Collection view: find pictures by name, sort, select, change, delete; add new ones.

import { may, original, thumbnail } from "../base/api.js";
import { dropzone } from "../base/dropzone.js";
import { choices, fill, isElsewhere, labelled, legend, make, named, notice } from "../base/elements.js";
import { collectionChoices, indexState } from "../base/index.js";
import { menu } from "../base/menu.js";
import { Pages, SIZE } from "../base/pages.js";
import { counted } from "../base/words.js";
import { Windowed } from "../base/windowed.js";
import { add } from "./adding.js";
import { buttons } from "./bulk.js";
import { disable, patch, remove } from "./changes.js";
import { address, everything, ORDERS, page, read, STATES } from "./listing.js";
import { edit } from "./metadata.js";
import { Selection } from "./selection.js";

const TILE = { width: 176, height: 218 };
const KEYS = [["/", "search by name"], ["x", "select"], ["⇧ click", "select a range"], ["Delete", "delete what is selected"], ["u", "undo"], ["Esc", "select nothing"]];

/** Shows the view. `query` may hold a `collection`, a `text` within names, an `order` and a `state`. */
export async function show(view, query) {
  const wanted = read(query);
  let [pages, total, latest, timer] = [null, 0, 0, null];
  const grid = new Windowed({ ...TILE, tile: (number) => tile(number), near: (first, last) => pages?.fetchRange(first, last), label: "items", arrows: true });
  const which = make("select", { name: "which", onchange: () => change({ collection: which.value }) });
  const into = make("input", { name: "into", value: wanted.collection || "default", maxLength: 200 });
  const search = make("input", { type: "search", name: "text", value: wanted.text, placeholder: "part of a name", oninput: () => { clearTimeout(timer); timer = setTimeout(() => change({ text: search.value.trim() }), 150); } });
  const order = make("select", { name: "order", onchange: () => change({ order: order.value }) }, choices(Object.entries(ORDERS).map(([name, [text]]) => [name, text]), wanted.order));
  const state = make("select", { name: "state", onchange: () => change({ state: state.value }) }, choices(Object.entries(STATES), wanted.state));
  const summary = make("p", { class: "summary", role: "status" });
  const progress = make("div", { class: "progress" });
  const empty = make("p", { class: "empty", hidden: true });
  const selection = new Selection({ grid, rows: () => pages?.rows ?? [], noun: "picture", all: () => everything(wanted), buttons: (chosen) => buttons(chosen, redraw, () => deleted(chosen)) });

  /** Lists again from the start, at the same place of the page. */
  async function reload() {
    const number = (latest += 1);
    const first = await page(wanted, 0, SIZE);
    if (number !== latest) return;
    total = first.total;
    pages = new Pages(async (offset, limit) => (await page(wanted, offset, limit)).items, (from, to) => { for (let at = from; at < to; at += 1) grid.refresh(at); }, first.items);
    grid.show(total);
    const filtered = wanted.text || wanted.state;
    summary.textContent = filtered ? `${counted(total, "picture")} found` : counted(total, "picture");
    empty.textContent = filtered ? "No picture is like that." : "There are no pictures yet.";
    empty.hidden = total > 0;
    fill(which, choices(collectionChoices(await indexState(), wanted.collection), wanted.collection));
  }

  const redraw = async () => (wanted.state ? reload() : grid.show(total));

  async function deleted(items = selection.chosen) {
    const gone = new Set(items.map((item) => item.id));
    selection.set(selection.chosen.filter((item) => !gone.has(item.id)));
    await reload();
  }

  async function change(changes) {
    Object.assign(wanted, changes);
    if ("collection" in changes) into.value = wanted.collection || "default";
    history.replaceState(null, "", address(wanted));
    await reload();
  }

  async function receive(files) {
    if (!may("write") || !files.length) return;
    await add(files, into.value.trim() || "default", progress);
    await reload();
  }

  function tile(number) {
    const item = pages.row(number);
    if (!item) return make("span", { class: "card waiting" });
    return make("div", { class: `card${selection.has(item) ? " picked" : ""}${item.disabled ? " off" : ""}` },
      make("a", { href: `#/search?id=${item.id}`, "aria-label": `Search for ${item.key}` }, thumbnail(item.id, item.key, 150)), selection.box(number, item.key),
      make("span", { class: "under" }, make("span", { class: "text" }, named(item.key), make("span", { class: "hint" }, details(item))), menu(`Actions for ${item.key}`, () => entries(item))));
  }

  const details = (item) => [item.disabled ? "disabled" : item.quarantined ? "in quarantine" : null, `${item.width} x ${item.height}`, wanted.collection ? null : item.collection].filter(Boolean).join(" · ");

  function entries(item) {
    const write = may("write");
    return [["Search for it", `#/search?id=${item.id}`], ["Show its attention", `#/attention?id=${item.id}`],
      write && ["Edit metadata", () => edit(item, (before) => notice(`The metadata of ${item.key} was saved.`, "Undo", () => patch(item, { metadata: before })))],
      write && [item.disabled ? "Enable in searches" : "Disable in searches", () => disable([item], !item.disabled, redraw)],
      write && ["Save the original", () => original(item)],
      write && ["Delete", () => remove([item], () => deleted([item])), "danger"]];
  }

  const pressed = (event) => {
    if (isElsewhere(event) && event.target.type !== "checkbox") return;
    const chosen = selection.chosen;
    const keys = { ...selection.keys(), u: () => document.querySelector("#notice button")?.click(), Delete: chosen.length && may("write") && (() => remove(chosen, () => deleted(chosen))) };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  addEventListener("keydown", pressed);
  const adding = may("write") ? [labelled("Add to collection", into), make("div", { role: "group", "aria-label": "Add pictures" }, dropzone("Add pictures", receive))] : null;
  fill(view, make("h1", {}, "The collection"), make("div", { class: "controls tools" }, labelled("Name", search), labelled("Collection", which), labelled("Sorted by", order), labelled("Show", state), adding),
    progress, make("div", { class: "bar between" }, summary), legend(KEYS), empty, grid.element, selection.element);
  await reload();
  return { receive, close: () => { removeEventListener("keydown", pressed); clearTimeout(timer); grid.close(); } };
}
