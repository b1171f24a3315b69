// The command menu: go to a view, press a button of the view that is open, or find pictures by a part of their names.

import { path } from "./api.js";
import { dialog, fill, make } from "./elements.js";

const SHORTCUT = "Shortcut: ";

/** Opens the menu. `views` are [letter, name of the view, title]; `go(name)` shows one. */
export function commands(views, go) {
  const known = [...views.map(([letter, name, title]) => ({ text: title, key: `g ${letter}`, act: () => go(name) })), ...actions()];
  let [found, at] = [known, 0];
  const list = make("ul", { class: "commands", role: "listbox", id: "commands", "aria-label": "Commands" });
  const input = make("input", { autocomplete: "off", placeholder: "a view, an action, or a part of a name", role: "combobox", "aria-label": "Command",
    "aria-expanded": "true", "aria-controls": "commands", oninput: () => search() });

  function search() {
    const wanted = input.value.trim();
    found = known.filter(({ text }) => text.toLowerCase().includes(wanted.toLowerCase()));
    if (wanted) found.push({ text: `Find “${wanted}” in the collection`, act: () => { location.hash = path("/collection", { text: wanted }); } });
    at = 0;
    draw();
  }

  function draw() {
    fill(list, found.map((one, place) => make("li", { role: "option", id: `command-${place}`, "aria-selected": String(place === at), onclick: () => choose(one) },
      one.text, one.key ? make("kbd", {}, one.key) : null)));
    input.setAttribute("aria-activedescendant", `command-${at}`);
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function choose(one) {
    box.close();
    one.act();
  }

  const box = dialog("Commands", input, list);
  input.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") choose(found[at]);
    else if (by) at = (at + by + found.length) % found.length;
    else return;
    event.preventDefault();
    if (by) draw();
  });
  draw();
  input.focus();
}

/** What the buttons with shortcuts do that can be pressed now. */
function actions() {
  const buttons = [...document.querySelectorAll(`.view button[title^="${SHORTCUT}"]`)].filter((one) => one.checkVisibility() && !one.disabled);
  return buttons.map((one) => ({ text: one.getAttribute("aria-label") ?? one.innerText.split("\n")[0], key: one.title.slice(SHORTCUT.length), act: () => one.click() }));
}
