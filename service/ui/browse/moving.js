// Move pictures to another cluster, or to a new one.

import { request } from "../base/api.js";
import { dialog, fill, labelled, make, notice } from "../base/elements.js";
import { counted } from "../base/words.js";
import { heaps, title } from "./heaps.js";

/** Asks where `chosen` items go. `changed()` is called after they were moved, and after that was undone. */
export function askToMove(chosen, changed) {
  let clusters = new Map(); // by name
  const known = make("datalist", { id: "known-clusters" });
  const listed = request("GET", "clusters").then((answer) => {
    clusters = new Map(heaps(answer.clusters).map((heap) => [title(heap), heap]));
    fill(known, [...clusters].map(([text, { size }]) => make("option", { value: text }, counted(size, "picture"))));
    describe();
  });
  const name = make("input", { name: "to", required: true, maxLength: 200, autocomplete: "off", list: "known-clusters", oninput: () => describe() });
  const about = make("p", { class: "hint", role: "status" });
  const given = () => name.value.trim();

  function describe() {
    const heap = clusters.get(given());
    const found = heap ? `${title(heap)} has ${counted(heap.size, "picture")}.` : `There is no ${given()} yet: a new cluster gets this name.`;
    about.textContent = given() ? found : "Choose a cluster, or give a new one a name.";
  }

  const save = async (event) => {
    event.preventDefault();
    box.close();
    await listed;
    await move(chosen, given(), clusters.get(given())?.parts[0].id ?? null, changed);
  };
  const box = dialog(`Move ${counted(chosen.length, "picture")}`, make("form", { class: "rows", onsubmit: save }, labelled("To the cluster", name),
    known, about,
    make("p", { class: "hint" }, "Rebuilds keep the pictures there. Equal files move together."),
    make("p", { class: "bar" }, make("button", { class: "primary" }, "Move"))));
  name.focus();
}

/** Moves items to the cluster `id`, or to a new one called `name` if that is null. */
async function move(chosen, name, id, changed) {
  const { moves: [made], before } = await request("POST", "clusters/moves", { json: { moves: [{ items: chosen.map((item) => item.id), to: id ?? "new" }] } });
  const call = (text) => request("PATCH", `clusters/${made.to}`, { json: { name: text } });
  if (id === null) await call(name);
  notice(`${counted(chosen.length, "picture")} moved to ${name}.`, "Undo", async () => {
    if (id === null) await call(null);
    await request("POST", "clusters/moves", { json: { moves: before } });
    changed();
  });
  changed();
}
