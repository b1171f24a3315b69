// Shortcuts of all views: g and a letter goes to a view, o chooses files, / goes to the search field, ? lists the keys, Ctrl and k opens the commands.

import { commands } from "./commands.js";
import { dialog, isElsewhere, make } from "./elements.js";

const WAIT = 1500; // milliseconds in which the letter after g counts
const GENERAL = [["o", "choose pictures"], ["/", "go to the field for names"], ["Ctrl k", "commands"], ["?", "this list"], ["Esc", "close a dialog or a menu"]];

/** `views` are [letter, name of the view, title]; `go(name)` shows one. */
export function shortcuts(views, go) {
  let until = 0;
  const acts = { o: () => document.querySelector(".view .dropzone"), "/": () => document.querySelector(".view [type=search]") };
  addEventListener("keydown", (event) => {
    if (event.key === "k" && event.ctrlKey !== event.metaKey && !event.altKey && !document.querySelector("dialog[open]")) {
      event.preventDefault(); // the browser would go to its own search field
      return commands(views, go);
    }
    if (isElsewhere(event)) return;
    const view = Date.now() < until && views.find(([letter]) => letter === event.key);
    const target = acts[event.key]?.();
    until = 0;
    if (view) go(view[1]);
    else if (event.key === "g") until = Date.now() + WAIT;
    else if (event.key === "?") list(views);
    else if (target) event.key === "o" ? target.click() : target.focus();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation(); // before the view: the letter after g is no key of it
  }, true);
}

function list(views) {
  const rows = [...GENERAL, ...views.map(([letter, , title]) => [`g ${letter}`, title])];
  const box = dialog("Keyboard", make("dl", { class: "shortcuts" }, rows.map(([keys, text]) => make("div", {}, make("dt", {}, make("kbd", {}, keys)), make("dd", {}, text)))),
    make("p", { class: "hint" }, "Views with keys of their own list them: Duplicates, Reviews, Map, and the comparison of a match."));
  box.querySelector("button").focus();
}
