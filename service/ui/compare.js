// Query and match beside each other, or blinking on top of each other: eyes see changes better than differences.

import { dialog, make } from "./elements.js";
import { badge, bar, place } from "./verdict.js";

const BLINK = 600; // milliseconds

/** Opens the comparison. `query` and `match` are {picture: <img>, name}; `answer` is what the server said. */
export function compare(query, match, answer, ...actions) {
  const region = answer.where?.region;
  const shown = region ? { ...query, picture: marked(query.picture, region) } : query;
  const stage = make("div", { class: "stage side" }, figure(shown, "query"), figure(match, "match"));
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

/** The picture with a frame around the part of it that was found: left, top, right, bottom in shares of its sides. */
function marked(picture, [left, top, right, bottom]) {
  const canvas = make("canvas", { class: "marked", role: "img", "aria-label": `${picture.alt}, the part that was found framed` });
  const draw = () => {
    const { naturalWidth: width, naturalHeight: height } = picture;
    Object.assign(canvas, { width, height });
    const brush = canvas.getContext("2d");
    const box = [left * width, top * height, (right - left) * width, (bottom - top) * height];
    brush.drawImage(picture, 0, 0);
    for (const [color, share] of [["#000", 90], ["#ffd400", 160]]) {
      Object.assign(brush, { strokeStyle: color, lineWidth: Math.max(2, Math.max(width, height) / share) });
      brush.strokeRect(...box);
    }
  };
  picture.decode().then(draw, () => canvas.replaceWith(picture));
  return canvas;
}

function facts(answer) {
  const rows = { key: answer.key, found: place(answer.where), collection: answer.collection, similarity: answer.similarity.toFixed(4), score: answer.score.toFixed(4), ...answer.metadata };
  return make("dl", { class: "facts" }, Object.entries(rows).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value)))));
}
