// A query and its match on one stage: side by side with outlines, changes and heat, or alternating in place, which makes differences easier to see.

import { thumbnail } from "../base/api.js";
import { definitions, fill, make } from "../base/elements.js";
import { about } from "../base/words.js";
import { explain, heatmap, told } from "./explanation.js";
import { framed, part } from "./found.js";
import { fitted, laid, marks, outline } from "./overlay.js";
import { changes, placeFacts } from "./where.js";
import { Zoom } from "./zoom.js";

const BLINK = 600; // milliseconds
const SIZE = 480; // pixels

/** A stage for pairs of `query`, {name, picture(size), content(), effort, explains}, and `match`; `show(query, match)` draws one.
 *  `element`, `buttons` and `status` go where the caller wants them; `press(event)` does what its shortcuts say. Layers and zoom stay for
 *  the next pair. `describe(role, item)` says beneath a picture what is known about it. `swiped(by)` is called for a swipe. */
export function comparison(swiped = () => null) {
  const stage = make("div", { class: "stage side outlined" });
  const zoom = new Zoom(stage, swiped);
  const status = make("p", { class: "hint", role: "status" });
  const button = (text, key, action) => make("button", { type: "button", "aria-pressed": "false", onclick: action, title: `Shortcut: ${key}` }, text);
  const blink = button("Blink", "b", () => toggleBlink());
  const outlines = button("Outlines", "o", () => toggle(outlines, "outlined"));
  const differences = button("What changed", "c", () => toggle(differences, "marked"));
  const why = button("Why", "w", () => toggleWhy());
  const explanations = new Map(); // id of a match -> promise of its explanation
  outlines.setAttribute("aria-pressed", "true");
  let [timer, query, match] = [null, null, null];

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
    const found = stage.classList.contains("marked") ? match.where?.changed : null;
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
    const shown = match;
    const current = () => shown === match && stage.classList.contains("explained");
    if (!current()) return;
    const pair = `${query.name} ${match.id}`;
    if (!explanations.has(pair)) explanations.set(pair, explain(query, match.id));
    try {
      stage.setAttribute("aria-busy", "true");
      const found = await explanations.get(pair);
      if (current()) { layHeat(shown, found); zoom.apply(); tell(told(found)); }
    } catch (error) {
      explanations.delete(pair);
      if (current()) tell(error.message);
    }
    if (shown === match) stage.removeAttribute("aria-busy");
  }

  function layHeat({ id, key, where }, { maps }) {
    if (stage.querySelector(".heated")) return;
    const lines = where?.transform ? { query: layers(where), match: [outline(where.match.polygon)] } : { query: [], match: [] };
    const pictures = { query: query.picture(SIZE), match: thumbnail(id, key, SIZE) };
    ["query", "match"].forEach((role, number) => stage.querySelector(`.${role} .whole`)
      .after(fitted(pictures[role], "heated", heatmap(maps[number], `heat map of what each place of the ${role} adds to the similarity`), ...lines[role])));
  }

  /** Lays the match over the query, where verification found it, for blinking. */
  function layOver() {
    const { key, id, where } = match;
    const figure = stage.querySelector(".match");
    if (!where?.transform || figure.querySelector(".laid")) return;
    const picture = thumbnail(id, `${key}, laid over the query`, SIZE);
    figure.querySelector(".whole").after(laid(query.picture(SIZE, ""), picture, where.transform, ...layers(where)));
    zoom.apply();
  }

  function show(...pair) {
    [query, match] = pair;
    fill(stage, figure("query", query.name, ...queryPictures(query, match.where)), figure("match", match.key, matchPicture(match)));
    if (timer !== null) layOver();
    enable(outlines, match.where?.transform);
    enable(differences, match.where?.changed);
    enable(why, query.explains);
    stage.removeAttribute("aria-busy");
    zoom.show(match.where);
    explained();
  }

  const describe = (role, item) => { stage.querySelector(`.${role} .details`).textContent = about(item); };

  const keys = { b: toggleBlink, o: () => outlines.click(), c: () => differences.click(), w: () => why.click() };

  /** Does what a key says. Returns whether it is a key of the stage. */
  const press = (event) => {
    if (event.key === " " && timer !== null && !event.target.hasAttribute("aria-pressed")) stage.classList.toggle("swapped");
    else if (keys[event.key]) keys[event.key]();
    else return zoom.key(event.key);
    return true;
  };
  return { element: stage, buttons: [blink, outlines, differences, why, make("span", { class: "bar joined" }, zoom.buttons)], status, show, describe, press, close: () => clearInterval(timer) };
}

/** Marks a button as usable or not. It is not `disabled`, which would drop the focus and the shortcuts. */
export const enable = (button, usable) => button.setAttribute("aria-disabled", String(!usable));

/** What lies over the query: the outline of the part that both show, and the marks of what was changed. */
const layers = (where) => [outline(where.query.polygon), ...marks(where.changed.regions)];

function queryPictures(query, where) {
  if (where?.transform) return [fitted(query.picture(SIZE), "whole", ...layers(where))];
  return where ? [framed(query.picture(SIZE), where), part(query.picture(SIZE), where)] : [fitted(query.picture(SIZE), "whole")];
}

function matchPicture({ id, key, where }) {
  return fitted(thumbnail(id, key, SIZE), "whole", where?.transform ? outline(where.match.polygon) : null);
}

function figure(role, name, ...pictures) {
  return make("figure", { class: role }, make("div", { class: "pane" }, pictures),
    make("figcaption", {}, make("strong", {}, role === "query" ? "Query" : "Match"), ` ${name}`, make("span", { class: "details" })));
}

/** What is known about a match, as a list of names and values. */
export function facts(answer) {
  const rows = [...placeFacts(answer), ["similarity", answer.similarity.toFixed(4)], ["score", answer.score.toFixed(4)],
    ["collection", answer.collection], ...Object.entries(answer.metadata)];
  return definitions(rows.map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)]));
}
