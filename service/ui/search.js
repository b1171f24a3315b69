// Search: pictures in, their copies out, each with a verdict; and a closer look at any of them.

import { ask, may, path, pictures, stored, thumbnail } from "./api.js";
import { compare } from "./compare.js";
import { dropzone } from "./dropzone.js";
import { fill, labelled, make, notice, slider } from "./elements.js";
import { badge, bar, words } from "./verdict.js";
import { Windowed } from "./windowed.js";

const CARD = { width: 170, height: 300 };

/** Shows the view; `query` holds `id`, `least`, `k`, `effort`, `collection`, `field`, `value`, all optional. */
export async function show(view, query) {
  const options = {
    least: Number(query.get("least") ?? 0), k: query.get("k") ?? "20", effort: query.get("effort") ?? "normal",
    collection: query.get("collection") ?? "",
    field: query.get("field") ?? "", value: query.get("value") ?? "",
  };
  const asked = [];
  const results = make("div", { class: "results" });
  const about = await ask("GET", "index");
  const examples = make("p", { class: "examples" });
  const receive = (files) => Promise.all(files.map((file) => add({ name: file.name, file })));

  function add(one) {
    one.url = one.file ? URL.createObjectURL(one.file) : null;
    one.section = make("section", { class: "answer", "aria-busy": "true" });
    one.grid = new Windowed({ ...CARD, tile: (number) => card(one, one.matches[number]), label: `matches of ${one.name}` });
    asked.unshift(one);
    results.prepend(one.section);
    examples.hidden = true;
    return find(one);
  }

  async function find(one) {
    one.section.setAttribute("aria-busy", "true");
    one.section.replaceChildren(title(one, "Looking…"));
    const filter = options.field ? JSON.stringify({ eq: [options.field, parsed(options.value)] }) : "";
    const target = path("search", { k: options.k, effort: options.effort, collection: options.collection, filter });
    try {
      const body = one.id ? { json: { ids: [one.id] } } : { form: pictures([one.file]) };
      const [item] = (await ask("POST", target, body)).items;
      if (item.error) throw new Error(item.error.detail);
      one.found = item.matches.filter((match) => match.id !== one.id);
      draw(one);
    } catch (error) {
      one.found = null;
      fill(one.section, title(one, ""), make("p", { class: "error", role: "alert" }, error.message));
    }
    one.section.removeAttribute("aria-busy");
  }

  function draw(one) {
    if (!one.found) return;
    one.matches = one.found.filter((match) => (match.probability ?? 1) >= options.least);
    const left = one.found.length - one.matches.length;
    const best = one.matches[0];
    const said = best ? `best match: ${words(best.verdict)}` : "nothing like it in the collection";
    fill(one.section, title(one, left ? `${said}; ${left} less probable are hidden` : said), one.grid.element);
    one.grid.show(one.matches.length);
  }

  function title(one, said) {
    const itself = one.id ?? one.found?.find((match) => match.verdict === "exact")?.id;
    const link = make("button", { type: "button", class: "quiet", onclick: () => copyLink(itself) }, "Copy link");
    return make("div", { class: "query" }, queryPicture(one, 72),
      make("div", {}, make("h2", {}, one.name), make("p", {}, said), itself ? link : null));
  }

  function copyLink(id) {
    const link = new URL(location.href);
    link.hash = `#${path("/search", { ...given(), id })}`;
    navigator.clipboard?.writeText(link.href).then(() => notice("The link is copied."), () => notice(link.href));
    history.replaceState(null, "", link);
  }

  function card(one, match) {
    const open = () => compare({ picture: queryPicture(one, 480), name: one.name }, { picture: thumbnail(match.id, match.key, 480), name: match.key }, match,
      make("a", { class: "button", href: `#/search?id=${match.id}` }, "Search for this one"));
    return make("button", { type: "button", class: "card", onclick: open, "aria-label": `${match.key}: ${words(match.verdict)}` },
      thumbnail(match.id, "", 160), badge(match.verdict), bar(match.probability),
      make("span", { class: "name" }, match.key),
      make("span", { class: "hint" }, `similarity ${match.similarity.toFixed(3)}${match.where ? " · within" : ""} · ${match.collection}`));
  }

  const given = () => ({
    least: options.least || null, k: options.k === "20" ? null : options.k,
    effort: options.effort === "normal" ? null : options.effort, collection: options.collection, field: options.field,
    value: options.field ? options.value : null,
  });

  function changed(name, value, again = true) {
    options[name] = value;
    history.replaceState(null, "", `#${path("/search", { ...given(), id: asked.length === 1 ? asked[0].id : null })}`);
    asked.forEach((one) => (again ? find(one) : draw(one)));
  }

  fill(view, make("h1", {}, "Have we seen this picture before?"),
    dropzone("Search for pictures", receive), examples, controls(options, about, changed), results);
  const id = Number(query.get("id"));
  if (id) await add({ name: `item ${id}`, id, file: null });
  else showExamples(examples);
  const close = () => asked.forEach((one) => { one.grid.close(); if (one.url) URL.revokeObjectURL(one.url); });
  return { receive, close };
}

function queryPicture(one, size) {
  return one.url ? make("img", { src: one.url, alt: one.name, width: size, height: size }) : thumbnail(one.id, one.name, size);
}

function controls(options, about, changed) {
  const choose = (name, values) => make("select", { name, onchange: (event) => changed(name, event.target.value) },
    values.map(([value, text]) => make("option", { value, selected: options[name] === value }, text)));
  const field = make("input", { name: "field", value: options.field, placeholder: "field", "aria-label": "Field of the metadata", size: 10 });
  const value = make("input", { name: "value", value: options.value, placeholder: "value", "aria-label": "Value of the field", size: 10 });
  const filter = (event) => { event.preventDefault(); options.value = value.value; changed("field", field.value.trim()); };
  const collections = Array.isArray(about.collections) ? about.collections : Object.keys(about.collections);
  return make("div", { class: "controls" },
    slider("Least probability", { value: options.least }, (least) => changed("least", least, false)),
    labelled("Matches", choose("k", ["10", "20", "100", "500"].map((number) => [number, number]))),
    labelled("Look", choose("effort", [["low", "at the whole"], ["normal", "also inside"], ["high", "also turned"]])),
    labelled("Collection", choose("collection", [["", "all"], ...collections.map((name) => [name, name])])),
    make("form", { class: "filter", onsubmit: filter }, make("span", {}, "Metadata"), field, "=", value, make("button", {}, "Filter")));
}

async function showExamples(place) {
  const { items } = await ask("GET", "images?limit=6");
  if (!items.length) {
    fill(place, "The collection is empty. ", may("write") ? make("a", { href: "#/collection" }, "Add pictures") : null);
    return;
  }
  fill(place, "Or try one of these:", items.map((item) =>
    make("a", { href: `#/search?id=${item.id}`, "aria-label": `Search for ${item.key}` }, thumbnail(item.id, item.key, 56))));
}

/** A value of metadata as the user means it: a number, true, false, or a text. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
