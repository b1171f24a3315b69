// Map view: all pictures as points, coloured by cluster or field; a lasso, the legend or the keyboard selects some.

import { request, path, thumbnail } from "../base/api.js";
import { colouring } from "./colours.js";
import { choices, fill, labelled, make, named, legend as keyLegend } from "../base/elements.js";
import { Scatter } from "./scatter.js";
import { Windowed } from "../base/windowed.js";
import { counted, download as saveFile } from "../base/words.js";
import { collectionChoices, indexState } from "../base/index.js";

const TILE = { width: 130, height: 150 };
const COMMAND = "copysight index export map.csv --index DIR --map";
const KEYS = [["← ↑ ↓ →", "move"], ["+ −", "zoom"], ["0", "whole map"], ["l", "lasso on, off"], ["v", "select what is visible"], ["Esc", "select nothing"]];

/** Shows the view. `query` may hold a `collection` and the field to colour `by`. */
export async function show(view, query) {
  const collection = query.get("collection") ?? "";
  const answer = await request("GET", path("map", { collection }));
  const about = await indexState();
  const which = make("select", { name: "collection", onchange: () => (location.hash = path("/map", { collection: which.value })) }, choices(collectionChoices(about, collection), collection));
  const heading = make("h1", {}, "Which pictures are alike?");
  if (!answer.made) return void fill(view, heading, empty());
  if (!answer.id.length) return void fill(view, heading, labelled("Collection", which), make("p", { class: "empty" }, "No picture of this collection is on the map. Pictures that were added later come with the next map."));

  const state = { chosen: [], values: answer.cluster };
  const scatter = new Scatter({
    x: Float32Array.from(answer.x), y: Float32Array.from(answer.y), colours: new Uint32Array(answer.id.length),
    label: `Map of ${counted(answer.id.length, "picture")}. Arrow keys move, plus and minus zoom, v selects what is visible.`,
    hover: (number) => tell(number), pick: (number) => select(number < 0 ? [] : [number]), lasso: (numbers) => select(numbers),
  });
  const tip = make("figure", { class: "tip", hidden: true });
  scatter.element.append(tip);
  const legend = make("div", { class: "legend", role: "group", "aria-label": "Colours; press one to select its pictures" });
  const summary = make("p", { class: "hint", role: "status" });
  const grid = new Windowed({ ...TILE, tile: (place) => tile(state.chosen[place]), label: "selected pictures", arrows: true });
  const lasso = make("button", { type: "button", "aria-pressed": "false", onclick: () => setLasso(!scatter.lassoing) }, "Lasso");
  const save = make("button", { type: "button", hidden: true, onclick: () => download() }, "Save the list of keys");
  const none = make("button", { type: "button", hidden: true, onclick: () => select([]) }, "Select nothing");
  const by = make("select", { name: "by", onchange: () => colour(by.value) },
    ["cluster", ...answer.fields].map((name) => make("option", { value: name, selected: name === query.get("by") }, name)));
  const button = (text, act, name = null) => make("button", { type: "button", onclick: act, "aria-label": name }, text);

  const clusterName = (id) => answer.names[id] ?? `cluster ${id}`;

  async function colour(name) {
    if (name !== "cluster") state.values = (await request("GET", path("map", { collection, field: name }))).value;
    if (by.value !== name && name !== "cluster") return; // another one was chosen meanwhile
    const found = colouring(name === "cluster" ? answer.cluster : state.values, name === "cluster" ? clusterName : String);
    scatter.colours = found.colours;
    fill(legend, found.legend.map((entry) => make("button", { type: "button", onclick: () => select(entry.numbers) },
      swatch(entry.colour), `${entry.text} (${entry.numbers.length.toLocaleString("en")})`)));
    scatter.draw();
  }

  function select(numbers) {
    state.chosen = numbers;
    scatter.selected = new Set(numbers);
    scatter.draw();
    summary.textContent = numbers.length ? `${counted(numbers.length, "picture")} selected.` : `${counted(answer.id.length, "picture")}; none selected.`;
    save.hidden = none.hidden = !numbers.length;
    grid.show(numbers.length);
  }

  function setLasso(on) {
    scatter.lassoing = on;
    lasso.setAttribute("aria-pressed", String(on));
    scatter.element.classList.toggle("lassoing", on);
  }

  function tell(number) {
    tip.hidden = number < 0;
    if (number < 0 || tip.dataset.number === String(number)) return;
    tip.dataset.number = number;
    fill(tip, thumbnail(answer.id[number], "", 96), make("figcaption", {}, named(answer.key[number])));
  }

  const tile = (number) => make("a", { class: "card", href: `#/search?id=${answer.id[number]}` }, thumbnail(answer.id[number], answer.key[number], 90), named(answer.key[number]));

  function download() {
    saveFile(state.chosen.map((number) => `${answer.key[number]}\n`).join(""), "selection.txt");
  }

  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || event.target.closest?.("input, select, textarea, .windowed, nav")) return;
    const acts = { l: () => setLasso(!scatter.lassoing), v: () => select(scatter.visible()), Escape: () => select([]) };
    if (!acts[event.key] && !scatter.key(event.key)) return;
    event.preventDefault();
    acts[event.key]?.();
  };
  addEventListener("keydown", pressed);
  fill(view, heading,
    make("div", { class: "controls" }, labelled("Colour by", by), labelled("Collection", which),
      make("span", { class: "bar" }, lasso, button("+", () => scatter.zoomBy(1.5), "Zoom in"), button("−", () => scatter.zoomBy(1 / 1.5), "Zoom out"),
        button("Whole map", () => scatter.whole()), button("Select what is visible", () => select(scatter.visible())))),
    keyLegend(KEYS),
    scatter.element, legend, make("div", { class: "bar between" }, summary, make("span", { class: "bar" }, save, none)), grid.element);
  select([]);
  await colour(by.value);
  return { close: () => { removeEventListener("keydown", pressed); scatter.close(); grid.close(); } };
}

function swatch(colour) {
  const box = make("span", { class: "swatch" });
  box.style.background = colour;
  return box;
}

const empty = () => make("div", { class: "empty" }, make("p", {}, "This index has no map yet. This command makes one, and the table map.csv:"),
  make("p", {}, make("code", {}, COMMAND)), make("p", {}, "It needs scikit-learn: ", make("code", {}, "pip install 'copysight[map]'")));
