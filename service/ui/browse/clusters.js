// Clusters view: groups of similar pictures; open, name and merge them, find the one of a picture.

import { request, may, pictureForm, thumbnail } from "../base/api.js";
import { dropzone } from "../base/dropzone.js";
import { button, dialog, fill, isElsewhere, labelled, make, notice } from "../base/elements.js";
import { counted } from "../base/words.js";
import { Windowed } from "../base/windowed.js";
import { Selection } from "../collection/selection.js";
import { showOne } from "./cluster.js";
import { heaps, nameAll, title } from "./heaps.js";

const TILE = { width: 176, height: 236 };
const ORDERS = {
  size: (one, other) => other.size - one.size || one.parts[0].id - other.parts[0].id,
  tightness: (one, other) => (other.tightness ?? -1) - (one.tightness ?? -1) || one.parts[0].id - other.parts[0].id,
  name: (one, other) => !one.name - !other.name || title(one).localeCompare(title(other), "en", { numeric: true }),
};

/** Shows all clusters, or one of them if `query` holds its `id`; several ids are clusters that were merged. */
export async function show(view, query) {
  return query.has("id") ? showOne(view, query.get("id").split(",").map(Number)) : showAll(view, query.get("by") ?? "size");
}

async function showAll(view, by) {
  const found = make("div", { class: "found", role: "status" });
  const summary = make("p", { class: "hint" });
  const empty = make("p", { class: "empty" }, "There are no clusters yet. The next rebuild creates them.");
  let rows = [];
  const grid = new Windowed({ ...TILE, tile: (number) => tile(number), label: "clusters", arrows: true });
  const merging = (chosen) => (may("write") && chosen.length > 1 ? button("Merge…", () => merge(chosen), { key: "m", kind: "primary" }) : null);
  const selection = new Selection({ grid, rows: () => rows, noun: "cluster", buttons: merging, all: async () => rows });
  const sorting = make("select", { name: "by", onchange: () => {
    history.replaceState(null, "", `#/clusters?by=${sorting.value}`);
    sort();
  } }, Object.keys(ORDERS).map((one) => make("option", { value: one, selected: one === by }, one)));

  function sort() {
    rows.sort(ORDERS[sorting.value]);
    grid.show(rows.length);
  }

  async function reload() {
    const { clusters } = await request("GET", "clusters");
    rows = heaps(clusters);
    selection.set([]);
    empty.hidden = rows.length > 0;
    summary.textContent = `${counted(rows.reduce((sum, one) => sum + one.size, 0), "picture")} in ${counted(rows.length, "cluster")}`;
    sort();
  }

  function tile(number) {
    const heap = rows[number];
    const tight = heap.tightness === null ? "" : ` · tightness ${heap.tightness.toFixed(2)}`;
    return make("div", { class: `card heap${selection.has(heap) ? " picked" : ""}` }, make("a", { href: `#/clusters?id=${heap.id}` },
      make("span", { class: "four" }, heap.representatives.map((id) => thumbnail(id, "", 84))),
      make("span", { class: heap.name ? "name" : "name unnamed" }, title(heap)), make("span", { class: "hint" }, `${counted(heap.size, "picture")}${tight}`)),
    may("write") ? selection.box(number, title(heap)) : null);
  }

  /** Gives clusters one name, so that they are shown as one. */
  function merge(chosen) {
    const named = [...chosen].sort(ORDERS.size).find((one) => one.name);
    const name = make("input", { name: "merged", required: true, maxLength: 200, value: named?.name ?? "" });
    const save = async (event) => {
      event.preventDefault();
      box.close();
      const back = await nameAll(chosen.flatMap((one) => one.parts), name.value.trim());
      notice(`${counted(chosen.length, "cluster")} are shown as ${name.value.trim()}. Rebuilds keep that.`, "Undo", async () => { await back(); await reload(); });
      await reload();
    };
    const box = dialog(`Merge ${counted(chosen.length, "cluster")}`, make("form", { class: "rows", onsubmit: save }, labelled("Name of all", name),
      make("p", { class: "hint" }, "Clusters of one name are shown as one. Their numbers stay, so that they can be separated again."),
      make("p", { class: "bar" }, make("button", { class: "primary" }, "Merge"))));
    name.select();
  }

  const receive = async (files) => {
    found.setAttribute("aria-busy", "true");
    fill(found, await Promise.all(files.map(clusterOf)));
    found.removeAttribute("aria-busy");
  };
  const pressed = (event) => {
    if (isElsewhere(event) && event.target.type !== "checkbox") return;
    const keys = { ...(may("write") ? selection.keys() : {}), m: selection.items.size > 1 && may("write") && (() => merge(selection.chosen)), u: () => document.querySelector("#notice button")?.click() };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  addEventListener("keydown", pressed);
  fill(view, make("h1", {}, "Which pictures belong together?"), dropzone("Find the cluster of a picture", receive), found,
    make("div", { class: "bar between" }, summary, make("label", { class: "bar" }, make("span", { class: "hint" }, "Sorted by"), sorting)), empty, grid.element, selection.element);
  await reload();
  return { receive, close: () => { removeEventListener("keydown", pressed); grid.close(); } };
}

/** A line with the picture of a file and its cluster. */
async function clusterOf(file) {
  const url = URL.createObjectURL(file);
  const shown = make("img", { src: url, alt: "", width: 48, height: 48, onload: () => URL.revokeObjectURL(url) });
  try {
    const [item] = (await request("POST", "clusters", { form: pictureForm([file]) })).items;
    if (item.error) throw new Error(item.error.detail);
    if (!item.cluster) return make("p", { class: "bar" }, shown, `${file.name}: there are no clusters yet.`);
    return make("a", { class: "bar", href: `#/clusters?id=${item.cluster.id}` }, shown,
      make("span", {}, `${file.name} belongs to ${title(item.cluster)} (similarity ${item.cluster.similarity.toFixed(2)})`));
  } catch (error) {
    URL.revokeObjectURL(url);
    return make("p", { class: "error", role: "alert" }, `${file.name}: ${error.message}`);
  }
}
