// What a search asks for besides its picture: read from the address, shown as controls, sent to the server.

import { path } from "./api.js";
import { labelled, make, slider } from "./elements.js";

const USUAL = { least: "0", k: "20", effort: "normal", collection: "", field: "", test: "is", value: "" };
const TESTS = { is: (field, value) => ({ eq: [field, value] }), least: (field, value) => ({ range: [field, value, null] }), most: (field, value) => ({ range: [field, null, value] }) };
const WORDS = { is: "is", least: "is at least", most: "is at most" };

/** Options as the address names them; what it leaves out is as usual. */
export function read(query) {
  const given = Object.fromEntries(Object.entries(USUAL).map(([name, usual]) => [name, query.get(name) ?? usual]));
  given.least = Math.min(1, Math.max(0, Number(given.least) || 0));
  if (!(given.test in TESTS)) given.test = USUAL.test;
  return given;
}

/** The address of a search with these options, of the item `id` if there is one; what is as usual is left out. */
export function address(options, id = null) {
  const said = Object.entries(options).filter(([name, value]) => String(value) !== USUAL[name]);
  const kept = said.filter(([name]) => options.field || !["field", "test", "value"].includes(name));
  return `#${path("/search", { ...Object.fromEntries(kept), id })}`;
}

/** The same for the server. The least probability is not sent: the page hides what is below it, and shows it again. */
export function target(options) {
  const { k, effort, collection, field, test, value } = options;
  return path("search", { k, effort, collection, filter: field ? JSON.stringify(TESTS[test](field, parsed(value))) : "" });
}

/** The controls; `changed(again)` is called when an option has changed, and says whether to ask the server again. */
export function controls(options, about, changed) {
  const set = (name, again = true) => (value) => { options[name] = value; changed(again); };
  const choose = (name, values) => make("select", { name, onchange: (event) => set(name)(event.target.value) }, chosen(values, options[name]));
  const collections = Object.entries(about.collections).map(([name, count]) => [name, `${name} (${count.toLocaleString("en")})`]);
  const wide = matchMedia("(min-width: 561px)");
  const box = make("details", { class: "options", open: wide.matches }, make("summary", {}, "Options"), make("div", { class: "controls" },
    slider("Least probability", { off: !about.calibration, value: options.least, show: (share) => (share ? `${Math.round(100 * share)} %` : "any") }, set("least", false)),
    labelled("Matches", choose("k", ["10", "20", "100", "500"].map((number) => [number, number]))),
    labelled("Look", choose("effort", [["low", "at the whole"], ["normal", "also inside"], ["high", "also turned"]])),
    labelled("Collection", choose("collection", [["", "all"], ...collections])),
    about.fields.length ? filter(options, about.fields, changed) : null));
  wide.addEventListener("change", () => (box.open = wide.matches));
  return box;
}

function filter(options, fields, changed) {
  const field = make("select", { name: "field", "aria-label": "Field of the metadata" }, chosen([["", "any"], ...fields.map((name) => [name, name])], options.field));
  const test = make("select", { name: "test", "aria-label": "How to compare" }, chosen(Object.entries(WORDS), options.test));
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

const chosen = (values, now) => values.map(([value, text]) => make("option", { value, selected: now === value }, text));

/** A value of metadata as the user means it: a number, true, false, or a text. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
