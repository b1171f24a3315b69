// Collection view: add, browse, edit and delete pictures; the state of the index.

import { add } from "./adding.js";
import { request, may, path, thumbnail } from "../base/api.js";
import { dropzone } from "../base/dropzone.js";
import { confirmDialog, dialog, fill, labelled, make, named, notice } from "../base/elements.js";
import { panel } from "../admin/generations.js";
import { Windowed } from "../base/windowed.js";

const TILE = { width: 170, height: 230 };
const PAGE = 200;

/** Shows the view. `query` may hold a `collection`. */
export async function show(view, query) {
  let items = [];
  let next = 0;
  let loading = false;
  const only = query.get("collection") ?? "";
  const grid = new Windowed({ ...TILE, tile: (number) => tile(number), near: (_, last) => last > items.length - PAGE / 2 && more(), label: "items" });
  const generations = panel((about) => listCollections(about));
  const which = make("select", { name: "which", onchange: () => (location.hash = path("/collection", { collection: which.value })) });
  const progress = make("div", { class: "progress" });
  const into = make("input", { name: "into", value: only || "default", maxLength: 200 });

  async function more() {
    if (loading || next === null) return;
    loading = true;
    const page = await request("GET", path("images", { after: next, limit: PAGE, collection: only })).finally(() => (loading = false));
    items = items.concat(page.items);
    next = page.next;
    grid.show(items.length, false);
  }

  async function reload() {
    [items, next] = [[], 0];
    grid.show(0);
    await Promise.all([more(), generations.refresh()]);
    empty.hidden = items.length > 0;
  }

  /** Fills the menu of collections. */
  function listCollections({ collections }) {
    const all = Object.values(collections).reduce((sum, count) => sum + count, 0);
    const named = only && !(only in collections) ? { ...collections, [only]: 0 } : collections;
    fill(which, [["", `all (${all.toLocaleString("en")})`], ...Object.entries(named).map(([one, count]) => [one, `${one} (${count.toLocaleString("en")})`])]
      .map(([value, text]) => make("option", { value, selected: value === only }, text)));
  }

  async function receive(files) {
    if (!may("write") || !files.length) return;
    await add(files, into.value.trim() || "default", progress);
    await reload();
  }

  function tile(number) {
    const item = items[number];
    const write = may("write");
    return make("div", { class: "card" }, make("a", { href: `#/search?id=${item.id}`, "aria-label": `Search for ${item.key}` }, thumbnail(item.id, item.key, 130)),
      named(item.key), make("span", { class: "hint" }, `${item.width} x ${item.height}${only ? "" : ` · ${item.collection}`}`),
      write ? make("span", { class: "bar" },
        make("button", { type: "button", class: "quiet", "aria-label": `Edit ${item.key}`, onclick: () => edit(item) }, "Edit"),
        make("button", { type: "button", class: "quiet", "aria-label": `Delete ${item.key}`, onclick: () => remove(item) }, "Delete")) : null);
  }

  async function remove(item) {
    if (!(await confirmDialog(`Delete ${item.key}?`, "Delete"))) return;
    await request("DELETE", `images/${item.id}`);
    items = items.filter((one) => one !== item);
    grid.show(items.length);
    empty.hidden = items.length > 0;
    notice(`${item.key} was deleted.`);
    await generations.refresh();
  }

  const writing = may("write")
    ? make("section", { class: "panel", "aria-label": "Add pictures" }, dropzone("Add pictures", receive), labelled("Add to collection", into), progress)
    : null;
  const empty = make("p", { class: "empty", hidden: true }, "There are no pictures yet.");
  fill(view, make("h1", {}, "The collection"), make("div", { class: writing ? "panels" : null }, writing, generations.element),
    make("div", { class: "bar between" }, make("h2", {}, "Pictures"), make("label", { class: "bar" }, make("span", { class: "hint" }, "Collection"), which)), empty, grid.element);
  await reload();
  return { receive, close: () => { grid.close(); generations.close(); } };
}

function edit(item) {
  const text = make("textarea", { rows: 8, value: JSON.stringify(item.metadata, null, 2), spellcheck: false });
  const message = make("p", { class: "error", role: "alert" });
  const save = async (event) => {
    event.preventDefault();
    try {
      Object.assign(item, await request("PATCH", `images/${item.id}`, { json: { metadata: JSON.parse(text.value) } }));
      box.close();
      notice(`The metadata of ${item.key} was saved.`);
    } catch (error) {
      message.textContent = error instanceof SyntaxError ? `This is not valid JSON: ${error.message}` : error.message;
    }
  };
  const box = dialog(`Metadata of ${item.key}`, make("form", { onsubmit: save }, labelled("A JSON object", text), message, make("p", { class: "bar" }, make("button", { class: "primary" }, "Save"))));
}
