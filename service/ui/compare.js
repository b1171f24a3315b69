// Compare a query with its match: side by side, or alternating in place, which makes differences easier to see.

import { thumbnail } from "./api.js";
import { dialog, fill, make } from "./elements.js";
import { framed, part } from "./found.js";
import { badge, bar, place } from "./verdict.js";

const BLINK = 600; // milliseconds

/** Opens the comparison of `query`, {name, picture(size)}, with number `at` of its `matches`. The arrow keys change the match. */
export function compare(query, matches, at) {
  const stage = make("div", { class: "stage side" });
  const about = make("div", { class: "about" });
  const blink = make("button", { type: "button", "aria-pressed": "false", onclick: () => toggle(), title: "Shortcut: b" }, "Blink");
  const before = make("button", { type: "button", onclick: () => step(-1), "aria-label": "Previous match", title: "Shortcut: ←" }, "←");
  const after = make("button", { type: "button", onclick: () => step(1), "aria-label": "Next match", title: "Shortcut: →" }, "→");
  let timer = null;

  const toggle = () => {
    const on = timer === null;
    stage.className = on ? "stage blink" : "stage side";
    blink.setAttribute("aria-pressed", String(on));
    clearInterval(timer);
    timer = on ? setInterval(() => stage.classList.toggle("swapped"), BLINK) : null;
  };

  const step = (by) => {
    if (!matches[at + by]) return;
    at += by;
    draw();
  };

  function draw() {
    const match = matches[at];
    const { name, picture } = query;
    fill(stage,
      figure("query", name, ...(match.where ? [framed(picture(480), match.where), part(picture(480), match.where)] : [picture(480)])),
      figure("match", match.key, thumbnail(match.id, match.key, 480)));
    before.setAttribute("aria-disabled", String(at === 0)); // not `disabled`, which would drop the focus and the shortcuts
    after.setAttribute("aria-disabled", String(at === matches.length - 1));
    box.querySelector("h2").textContent = `Match ${at + 1} of ${matches.length}`;
    fill(about, make("p", { class: "bar verdict", "data-verdict": match.verdict }, badge(match.verdict), bar(match.probability)), facts(match),
      make("p", { class: "bar" }, make("a", { class: "button", href: `#/search?id=${match.id}`, onclick: () => box.close() }, "Search for this picture"),
        make("a", { class: "button", href: `#/attention?id=${match.id}`, onclick: () => box.close() }, "Show its attention")));
  }

  const box = dialog("Comparison", stage, make("p", { class: "bar" }, before, after, blink), about);
  box.classList.add("wide");
  box.addEventListener("keydown", (event) => {
    if (event.key === "b") toggle();
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") { step(event.key === "ArrowLeft" ? -1 : 1); event.preventDefault(); }
    if (event.key === " " && timer !== null && event.target !== blink) { stage.classList.toggle("swapped"); event.preventDefault(); }
  });
  box.addEventListener("close", () => clearInterval(timer));
  draw();
  blink.focus();
  return box;
}

function figure(role, name, ...pictures) {
  return make("figure", { class: role }, pictures, make("figcaption", {}, make("strong", {}, role === "query" ? "Query" : "Match"), ` ${name}`));
}

function facts(answer) {
  const rows = { found: place(answer.where), similarity: answer.similarity.toFixed(4), score: answer.score.toFixed(4), collection: answer.collection, ...answer.metadata };
  return make("dl", { class: "facts" }, Object.entries(rows).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value)))));
}
