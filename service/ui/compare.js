// Compare a query with its match: side by side with outlines and heat, or alternating in place, which makes differences easier to see.

import { thumbnail } from "./api.js";
import { dialog, fill, make } from "./elements.js";
import { explain, heatmap, told } from "./explanation.js";
import { framed, part } from "./found.js";
import { fitted, laid, marks, outline } from "./overlay.js";
import { badge, bar } from "./verdict.js";
import { changes, placeFacts } from "./where.js";

const BLINK = 600; // milliseconds
const SIZE = 480; // pixels

/** Opens the comparison of `query`, {name, picture(size), file(), effort, explains}, with number `at` of its `matches`. The arrow keys change the match. */
export function compare(query, matches, at) {
  const stage = make("div", { class: "stage side outlined" });
  const about = make("div", { class: "about" });
  const status = make("p", { class: "hint", role: "status" });
  const button = (text, key, action) => make("button", { type: "button", "aria-pressed": "false", onclick: action, title: `Shortcut: ${key}` }, text);
  const blink = button("Blink", "b", () => toggleBlink());
  const outlines = button("Outlines", "o", () => toggle(outlines, "outlined"));
  const differences = button("What changed", "c", () => toggle(differences, "marked"));
  const why = button("Why", "w", () => toggleWhy());
  const explanations = new Map(); // id of a match -> promise of its explanation
  const before = make("button", { type: "button", onclick: () => step(-1), "aria-label": "Previous match", title: "Shortcut: ←" }, "←");
  const after = make("button", { type: "button", onclick: () => step(1), "aria-label": "Next match", title: "Shortcut: →" }, "→");
  outlines.setAttribute("aria-pressed", "true");
  let timer = null;

  const toggleBlink = () => {
    const on = timer === null;
    if (on) layOver();
    stage.classList.toggle("blink", on);
    stage.classList.toggle("side", !on);
    stage.classList.remove("swapped");
    blink.setAttribute("aria-pressed", String(on));
    clearInterval(timer);
    timer = on ? setInterval(() => stage.classList.toggle("swapped"), BLINK) : null;
  };

  /** Switches a layer of the pictures on or off; it stays so for the next matches. */
  const toggle = (pressed, layer) => {
    if (pressed.getAttribute("aria-disabled") === "true") return;
    pressed.setAttribute("aria-pressed", String(stage.classList.toggle(layer)));
    tell();
  };

  /** Says in words what the layers show. `reason`: what the heat shows, or why there is none. */
  const tell = (reason = null) => {
    const found = stage.classList.contains("marked") ? matches[at].where?.changed : null;
    fill(status, [found && `Changed: ${changes(found)}.`, reason].filter(Boolean).join(" ") || null);
  };

  const toggleWhy = () => {
    if (why.getAttribute("aria-disabled") === "true") return;
    why.setAttribute("aria-pressed", String(stage.classList.toggle("explained")));
    explained();
  };

  /** Fetches and draws how much each place adds to the similarity, if that is switched on. */
  async function explained() {
    tell();
    const match = matches[at];
    const current = () => match === matches[at] && stage.classList.contains("explained");
    if (!current()) return;
    if (!explanations.has(match.id)) explanations.set(match.id, explain(query, match.id));
    try {
      stage.setAttribute("aria-busy", "true");
      const found = await explanations.get(match.id);
      if (current()) { layHeat(match, found); tell(told(found)); }
    } catch (error) {
      explanations.delete(match.id);
      if (current()) tell(error.message);
    }
    if (match === matches[at]) stage.removeAttribute("aria-busy");
  }

  function layHeat({ id, key, where }, { maps }) {
    if (stage.querySelector(".heated")) return;
    const lines = where?.transform ? { query: layers(where), match: [outline(where.match.polygon)] } : { query: [], match: [] };
    const pictures = { query: query.picture(SIZE), match: thumbnail(id, key, SIZE) };
    ["query", "match"].forEach((role, number) => stage.querySelector(`.${role} .whole`)
      .after(fitted(pictures[role], "heated", heatmap(maps[number], `heat map of what each place of the ${role} adds to the similarity`), ...lines[role])));
  }

  const step = (by) => {
    if (!matches[at + by]) return;
    at += by;
    draw();
  };

  /** Lays the match over the query, where verification found it, for blinking. */
  function layOver() {
    const { key, id, where } = matches[at];
    const figure = stage.querySelector(".match");
    if (!where?.transform || figure.querySelector(".laid")) return;
    const match = thumbnail(id, `${key}, laid over the query`, SIZE);
    figure.querySelector(".whole").after(laid(query.picture(SIZE, ""), match, where.transform, ...layers(where)));
  }

  function draw() {
    const match = matches[at];
    fill(stage, figure("query", query.name, ...queryPictures(query, match.where)), figure("match", match.key, matchPicture(match)));
    if (timer !== null) layOver();
    enable(before, at > 0);
    enable(after, at < matches.length - 1);
    enable(outlines, match.where?.transform);
    enable(differences, match.where?.changed);
    enable(why, query.explains);
    stage.removeAttribute("aria-busy");
    explained();
    box.querySelector("h2").textContent = `Match ${at + 1} of ${matches.length}`;
    fill(about, make("p", { class: "bar verdict", "data-verdict": match.verdict }, badge(match.verdict), bar(match.probability)), facts(match),
      make("p", { class: "bar" }, make("a", { class: "button", href: `#/search?id=${match.id}`, onclick: () => box.close() }, "Search for this picture"),
        make("a", { class: "button", href: `#/attention?id=${match.id}`, onclick: () => box.close() }, "Show its attention")));
  }

  const box = dialog("Comparison", stage, make("p", { class: "bar" }, before, after, blink, outlines, differences, why), status, about);
  box.classList.add("wide");
  const keys = { b: toggleBlink, o: () => outlines.click(), c: () => differences.click(), w: () => why.click(), ArrowLeft: () => step(-1), ArrowRight: () => step(1) };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // shortcuts of the browser
    if (event.key === " " && timer !== null && !event.target.hasAttribute("aria-pressed")) stage.classList.toggle("swapped");
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });
  box.addEventListener("close", () => clearInterval(timer));
  draw();
  blink.focus();
  return box;
}

/** Marks a button as usable or not. It is not `disabled`, which would drop the focus and the shortcuts. */
const enable = (button, usable) => button.setAttribute("aria-disabled", String(!usable));

/** What lies over the query: the outline of the part that both show, and the marks of what was changed. */
const layers = (where) => [outline(where.query.polygon), ...marks(where.changed.regions)];

function queryPictures({ picture }, where) {
  if (where?.transform) return [fitted(picture(SIZE), "whole", ...layers(where))];
  return where ? [framed(picture(SIZE), where), part(picture(SIZE), where)] : [fitted(picture(SIZE), "whole")];
}

function matchPicture({ id, key, where }) {
  return fitted(thumbnail(id, key, SIZE), "whole", where?.transform ? outline(where.match.polygon) : null);
}

function figure(role, name, ...pictures) {
  return make("figure", { class: role }, pictures, make("figcaption", {}, make("strong", {}, role === "query" ? "Query" : "Match"), ` ${name}`));
}

function facts(answer) {
  const rows = [...placeFacts(answer), ["similarity", answer.similarity.toFixed(4)], ["score", answer.score.toFixed(4)],
    ["collection", answer.collection], ...Object.entries(answer.metadata)];
  return make("dl", { class: "facts" }, rows.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value)))));
}
