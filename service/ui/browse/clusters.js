// Clusters view: groups of similar pictures, which can be opened and named.

import { request, may, path, pictureForm, thumbnail } from "../base/api.js";
import { dropzone } from "../base/dropzone.js";
import { fill, isElsewhere, make, named, notice } from "../base/elements.js";
import { Pages } from "../base/pages.js";
import { Windowed } from "../base/windowed.js";
import { counted } from "../base/words.js";

const TILE = { width: 200, height: 260 };
const MEMBER = { width: 176, height: 204 };
const name = (cluster) => cluster.name ?? `cluster ${cluster.id}`;
const ORDERS = {
  size: (one, other) => other.size - one.size || one.id - other.id,
  tightness: (one, other) => (other.tightness ?? -1) - (one.tightness ?? -1) || one.id - other.id,
  name: (one, other) => !one.name - !other.name || name(one).localeCompare(name(other), "en", { numeric: true }),
};

/** Shows all clusters, or one of them if `query` holds its `id`. */
export async function show(view, query) {
  return query.has("id") ? showOne(view, Number(query.get("id"))) : showAll(view, query.get("by") ?? "size");
}

async function showAll(view, by) {
  const { clusters } = await request("GET", "clusters");
  const found = make("div", { class: "found", role: "status" });
  const grid = new Windowed({ ...TILE, tile: (number) => tile(clusters[number]), label: "clusters", arrows: true });
  const sortBy = (name) => {
    clusters.sort(ORDERS[name] ?? ORDERS.size);
    grid.show(clusters.length);
  };
  const sorting = make("select", { name: "by", onchange: () => {
    history.replaceState(null, "", `#/clusters?by=${sorting.value}`);
    sortBy(sorting.value);
  } }, Object.keys(ORDERS).map((one) => make("option", { value: one, selected: one === by }, one)));
  const receive = async (files) => {
    found.setAttribute("aria-busy", "true");
    fill(found, await Promise.all(files.map(clusterOf)));
    found.removeAttribute("aria-busy");
  };
  const zone = dropzone("Find the cluster of a picture", receive);
  const all = clusters.reduce((sum, cluster) => sum + cluster.size, 0);
  fill(view, make("h1", {}, "Which pictures belong together?"), zone, found, clusters.length
    ? make("div", { class: "bar between" }, make("p", { class: "hint" }, `${counted(all, "picture")} in ${counted(clusters.length, "cluster")}`),
      make("label", { class: "bar" }, make("span", { class: "hint" }, "Sorted by"), sorting))
    : empty(), grid.element);
  sortBy(by);
  return { receive, close: () => grid.close() };
}

const empty = () => make("p", { class: "empty" }, "There are no clusters yet. The next rebuild creates them.");

function tile(cluster) {
  const tight = cluster.tightness === null || cluster.tightness === undefined ? "" : ` · tightness ${cluster.tightness.toFixed(2)}`;
  return make("a", { class: "card heap", href: `#/clusters?id=${cluster.id}` },
    make("span", { class: "four" }, cluster.representatives.map((id) => thumbnail(id, "", 84))),
    make("span", { class: cluster.name ? "name" : "name unnamed" }, name(cluster)),
    make("span", { class: "hint" }, `${counted(cluster.size, "picture")}${tight}`));
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
      make("span", {}, `${file.name} belongs to ${name(item.cluster)} (similarity ${item.cluster.similarity.toFixed(2)})`));
  } catch (error) {
    URL.revokeObjectURL(url);
    return make("p", { class: "error", role: "alert" }, `${file.name}: ${error.message}`);
  }
}

async function showOne(view, id) {
  const about = await request("GET", path(`clusters/${id}`, { limit: 1 }));
  const grid = new Windowed({ ...MEMBER, tile: (number) => member(pages.row(number)), near: (first, last) => pages.fetchRange(first, last), label: "members", arrows: true });
  const fetchPage = async (offset, limit) => (await request("GET", path(`clusters/${id}`, { limit, offset }))).members;
  const pages = new Pages(fetchPage, (first, last) => { for (let number = first; number < last; number += 1) grid.refresh(number); });
  const title = make("h1", {}, name(about));
  fill(view, make("p", { class: "back" }, make("a", { href: "#/clusters" }, "← All clusters")), title,
    make("div", { class: "bar between" }, make("p", { class: "hint" }, `${counted(about.size, "picture")}, the nearest to the centre first`),
      may("write") ? naming(about, title) : null), grid.element);
  grid.show(about.size);
  const pressed = (event) => {
    if (event.key !== "n" || isElsewhere(event)) return;
    event.preventDefault();
    view.querySelector("input[name=name]")?.select();
  };
  addEventListener("keydown", pressed);
  return { close: () => { removeEventListener("keydown", pressed); grid.close(); } };
}

function naming(about, title) {
  const input = make("input", { value: about.name ?? "", maxLength: 200, name: "name" });
  const save = async (event) => {
    event.preventDefault();
    const given = input.value.trim() || null;
    input.value = given ?? "";
    const changed = await request("PATCH", `clusters/${about.id}`, { json: { name: given } });
    title.textContent = name(changed);
    notice(given ? `The cluster is now named ${given}. Rebuilds keep the name.` : "The name was removed.");
  };
  return make("form", { class: "bar", onsubmit: save }, make("label", { class: "bar" }, make("span", { class: "hint" }, "Name ", make("kbd", {}, "n")), input), make("button", {}, "Save"));
}

function member(item) {
  if (!item) return make("span", { class: "card waiting" });
  return make("a", { class: "card", href: `#/search?id=${item.id}` }, thumbnail(item.id, item.key, 120),
    named(item.key), make("span", { class: "hint" }, `similarity ${item.similarity.toFixed(2)}`));
}
