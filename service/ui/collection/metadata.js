// Metadata as rows of a name and a value, for one item, or one field for many.

import { request } from "../base/api.js";
import { button, dialog, labelled, make } from "../base/elements.js";
import { parsed, text } from "../base/values.js";

/** Opens the rows of an item. `saved(before)` is called with the metadata that it had. */
export function edit(item, saved) {
  const rows = make("div", { class: "rows" });
  const message = make("p", { class: "error", role: "alert", hidden: true });
  const add = (name = "", value = "") => {
    const pair = make("div", { class: "pair" }, make("input", { value: name, "aria-label": "Name of the field", placeholder: "name", maxLength: 200 }),
      make("input", { value, "aria-label": name ? `Value of ${name}` : "Value of the field", placeholder: "value" }),
      button("✕", () => pair.remove(), { kind: "quiet", label: name ? `Remove ${name}` : "Remove this field" }));
    rows.append(pair);
    return pair;
  };
  const save = async (event) => {
    event.preventDefault();
    const pairs = [...rows.children].map((pair) => [...pair.querySelectorAll("input")].map((input) => input.value)).filter(([name, value]) => name.trim() || value);
    const names = pairs.map(([name]) => name.trim());
    const wrong = names.includes("") ? "A value has no name." : names.find((name, place) => names.indexOf(name) < place);
    if (wrong !== undefined) return refuse(names.includes("") ? wrong : `The name ${wrong} is there twice.`);
    const before = item.metadata;
    try {
      Object.assign(item, await request("PATCH", `images/${item.id}`, { json: { metadata: Object.fromEntries(pairs.map(([name, value]) => [name.trim(), parsed(value)])) } }));
    } catch (error) {
      return refuse(error.message);
    }
    box.close();
    return saved(before);
  };
  const refuse = (why) => Object.assign(message, { textContent: why, hidden: false });
  Object.entries(item.metadata).forEach(([name, value]) => add(name, text(value)));
  const more = button("Add a field", () => add().querySelector("input").focus());
  const box = dialog(`Metadata of ${item.key}`, make("form", { onsubmit: save }, rows, message,
    make("p", { class: "bar" }, make("button", { class: "primary" }, "Save"), more),
    make("p", { class: "hint" }, "A value is a text, a number, true or false, or JSON, such as [\"red\", \"blue\"]. Quotation marks make a number a text.")));
  if (!rows.children.length) add();
  rows.querySelector("input").focus();
}

/** Asks for one field that many items get. `given(name, value)` is called with it. */
export function askForField(count, given) {
  const name = make("input", { name: "field", required: true, maxLength: 200 });
  const value = make("input", { name: "value" });
  const save = (event) => {
    event.preventDefault();
    box.close();
    given(name.value.trim(), parsed(value.value));
  };
  const box = dialog(`Set a field of ${count}`, make("form", { class: "rows", onsubmit: save }, labelled("Name", name), labelled("Value", value),
    make("p", { class: "bar" }, make("button", { class: "primary" }, "Set it"))));
  name.focus();
}
