// Query and match beside each other, or blinking on top of each other: eyes see changes better than differences.

import { dialog, make } from "./elements.js";
import { badge, bar } from "./verdict.js";

const BLINK = 600; // milliseconds

/** Opens the comparison. `query` and `match` are {picture: <img>, name}; `answer` is what the server said. */
export function compare(query, match, answer, ...actions) {
  const stage = make("div", { class: "stage side" }, figure(query, "query"), figure(match, "match"));
  const blink = make("button", { type: "button", "aria-pressed": "false", onclick: () => toggle() }, "Blink (b)");
  let timer = null;
  const toggle = () => {
    const on = timer === null;
    stage.className = on ? "stage blink" : "stage side";
    blink.setAttribute("aria-pressed", String(on));
    clearInterval(timer);
    timer = on ? setInterval(() => stage.classList.toggle("swapped"), BLINK) : null;
  };
  const box = dialog("Comparison", stage, make("p", { class: "bar" }, badge(answer.verdict), bar(answer.probability), blink, ...actions), facts(answer));
  box.classList.add("wide");
  box.addEventListener("keydown", (event) => {
    if (event.key === "b") toggle();
    if (event.key === " " && timer !== null && event.target !== blink) { stage.classList.toggle("swapped"); event.preventDefault(); }
  });
  box.addEventListener("close", () => clearInterval(timer));
  return box;
}

function figure({ picture, name }, role) {
  return make("figure", { class: role }, picture, make("figcaption", {}, name));
}

function facts(answer) {
  const rows = { key: answer.key, collection: answer.collection, similarity: answer.similarity.toFixed(4), score: answer.score.toFixed(4), ...answer.metadata };
  return make("dl", { class: "facts" }, Object.entries(rows).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value)))));
}
