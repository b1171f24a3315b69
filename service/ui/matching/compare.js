// Compare a query with its matches in a dialog, one match after the other.

import { dialog, fill, make } from "../base/elements.js";
import { comparison, enable, facts } from "./stage.js";
import { badge, bar } from "./verdict.js";

/** Opens the comparison of `query`, {name, picture(size), file(), effort, explains}, with number `at` of its `matches`. The arrow keys change the match. */
export function compare(query, matches, at) {
  const stage = comparison();
  const about = make("div", { class: "about" });
  const before = make("button", { type: "button", onclick: () => step(-1), "aria-label": "Previous match", title: "Shortcut: ←" }, "←");
  const after = make("button", { type: "button", onclick: () => step(1), "aria-label": "Next match", title: "Shortcut: →" }, "→");

  const step = (by) => {
    if (!matches[at + by]) return;
    at += by;
    draw();
  };

  function draw() {
    const match = matches[at];
    stage.show(query, match);
    enable(before, at > 0);
    enable(after, at < matches.length - 1);
    box.querySelector("h2").textContent = `Match ${at + 1} of ${matches.length}`;
    fill(about, make("p", { class: "bar verdict", "data-verdict": match.verdict }, badge(match.verdict), bar(match.probability)), facts(match),
      make("p", { class: "bar" }, make("a", { class: "button", href: `#/search?id=${match.id}`, onclick: () => box.close() }, "Search for this picture"),
        make("a", { class: "button", href: `#/attention?id=${match.id}`, onclick: () => box.close() }, "Show its attention")));
  }

  const box = dialog("Comparison", stage.element, make("p", { class: "bar" }, before, after, stage.buttons), stage.status, about);
  box.classList.add("wide");
  const steps = { ArrowLeft: -1, ArrowRight: 1 };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // shortcuts of the browser
    if (steps[event.key]) step(steps[event.key]);
    else if (!stage.press(event)) return;
    event.preventDefault();
  });
  box.addEventListener("close", stage.close);
  draw();
  stage.buttons[0].focus();
  return box;
}
