// Search options: read from the page's address, shown as controls, sent to the server.

import { path } from "../base/api.js";
import { choices, labelled, make, slider } from "../base/elements.js";
import { parsed } from "../base/values.js";

const DEFAULTS = { least: "0", k: "20", effort: "normal", collection: "", field: "", test: "is", value: "" };
const TESTS = { is: (field, value) => ({ eq: [field, value] }), least: (field, value) => ({ range: [field, value, null] }), most: (field, value) => ({ range: [field, null, value] }) };
const WORDS = { is: "is", least: "is at least", most: "is at most" };

/** Options from the address; missing ones have their default. */
export function read(query) {
  const given = Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, query.get(name) ?? value]));
  given.least = Math.min(1, Math.max(0, Number(given.least) || 0));
  if (!(given.test in TESTS)) given.test = DEFAULTS.test;
  return given;
}

/** The address of a search with these options, and of the item `id` if given. Defaults are left out. */
export function address(options, id = null) {
  const set = Object.entries(options).filter(([name, value]) => String(value) !== DEFAULTS[name]);
  const kept = set.filter(([name]) => options.field || !["field", "test", "value"].includes(name));
  return `#${path("/search", { ...Object.fromEntries(kept), id })}`;
}

/** The request path for the server. The minimum probability is not sent: the page itself hides and shows matches. */
export function target(options) {
  const { k, effort, collection, field, test, value } = options;
  return path("search", { k, effort, collection, filter: field ? JSON.stringify(TESTS[test](field, parsed(value))) : "" });
}

/** The controls. `about` is the state of the index with the `choices` of collections. `changed(again)` is called when an option changes; `again` says whether a new search is needed. */
export function controls(options, about, changed) {
  const set = (name, again = true) => (value) => { options[name] = value; changed(again); };
  const choose = (name, values) => make("select", { name, onchange: (event) => set(name)(event.target.value) }, choices(values, options[name]));
  const wide = matchMedia("(min-width: 561px)");
  const box = make("details", { class: "options", open: wide.matches }, make("summary", {}, "Options"), make("div", { class: "controls" },
    slider("Minimum probability", { off: !about.calibration, value: options.least, show: (share) => (share ? `${Math.round(100 * share)} %` : "any") }, set("least", false)),
    labelled("Matches", choose("k", ["10", "20", "100", "500"].map((number) => [number, number]))),
    labelled("Search depth", choose("effort", [["low", "whole"], ["normal", "+ inside screenshots"], ["high", "+ rotated"]])),
    labelled("Collection", choose("collection", about.choices)),
    about.fields.length ? filter(options, about.fields, changed) : null));
  wide.addEventListener("change", () => (box.open = wide.matches));
  return box;
}

function filter(options, fields, changed) {
  const field = make("select", { name: "field", "aria-label": "Metadata field" }, choices([["", "any"], ...fields.map((name) => [name, name])], options.field));
  const test = make("select", { name: "test", "aria-label": "Comparison" }, choices(Object.entries(WORDS), options.test));
  const value = make("input", { name: "value", value: options.value, "aria-label": "Value of the field", placeholder: "value", size: 8 });
  const rest = make("span", { class: "bar", hidden: !options.field }, test, value, make("button", {}, "Filter"));
  const apply = () => { Object.assign(options, { field: field.value, test: test.value, value: value.value.trim() }); changed(true); };
  field.addEventListener("change", () => {
    rest.hidden = !field.value;
    if (field.value) value.focus();
    else if (options.field) apply();
  });
  const form = make("form", { class: "filter", onsubmit: (event) => { event.preventDefault(); apply(); } },
    make("span", { class: "label" }, "Metadata"), field, rest);
  return form;
}
