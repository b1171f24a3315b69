// Many queries as a table: sorted, filtered by outcome, exported, added to the collection; a row opens its answer.

import { may } from "../base/api.js";
import { button, fill, make } from "../base/elements.js";
import { Windowed } from "../base/windowed.js";
import { counted, csv, download } from "../base/words.js";
import { badge, bar } from "../matching/verdict.js";

const ROW = { width: 1e6, height: 52 };
export const STATES = { found: "found", possible: "possibly found", none: "not found", failed: "failed", waiting: "searching" };
const RANKS = { found: 0, possible: 1, none: 2, failed: 3, waiting: 4 };
const KINDS = { found: "copy", possible: "uncertain", none: "different" };
const probability = (query) => query.best?.probability ?? query.best?.similarity ?? -1;
const COLUMNS = {
  picture: { text: "Picture", by: (one, other) => one.name.localeCompare(other.name, "en", { numeric: true }) },
  verdict: { text: "Verdict", by: (one, other) => RANKS[one.state] - RANKS[other.state] || probability(other) - probability(one) },
  probability: { text: "Probability", by: (one, other) => probability(other) - probability(one) },
  match: { text: "Best match", by: (one, other) => (one.best?.key ?? "￿").localeCompare(other.best?.key ?? "￿", "en", { numeric: true }) },
};
const HEADS = ["file", "outcome", "verdict", "probability", "similarity", "match_key", "match_collection", "match_id", "copies", "error"];

/** `acts` are functions: `open(query)`, `remove(...queries)`, `add(queries)`. */
export class QueriesTable {
  constructor(acts) {
    Object.assign(this, { acts, queries: [], rows: [], only: null, order: null, reverse: false });
    this.grid = new Windowed({ ...ROW, tile: (number) => this.row(this.rows[number]), label: "pictures searched for" });
    this.summary = make("p", { class: "summary", role: "status" });
    this.filters = make("span", { class: "bar chips", role: "group", "aria-label": "Show by outcome" });
    this.actions = make("span", { class: "bar" });
    this.heads = make("div", { class: "row heads-row" });
    this.element = make("section", { class: "table", "aria-label": "Answers" }, make("div", { class: "bar between" }, this.summary, this.actions), this.filters, this.heads, this.grid.element);
    this.element.addEventListener("keydown", (event) => this.move(event));
  }

  show(queries) {
    this.queries = queries;
    const count = (state) => queries.filter((one) => one.state === state).length;
    const parts = Object.keys(STATES).filter((state) => count(state));
    if (!parts.includes(this.only)) this.only = null;
    this.rows = queries.filter((one) => !this.only || one.state === this.only);
    if (this.order) this.rows.sort((one, other) => (this.reverse ? -1 : 1) * COLUMNS[this.order].by(one, other));
    fill(this.summary, `${counted(queries.length, "picture")}: ${parts.map((state) => `${count(state)} ${STATES[state]}`).join(", ")}`);
    const chip = (state, text) => make("button", { type: "button", "aria-pressed": String(this.only === state), onclick: () => { this.only = state; this.show(this.queries); } }, text);
    fill(this.filters, parts.length > 1 ? [chip(null, `All ${queries.length}`), ...parts.map((state) => chip(state, `${STATES[state]} ${count(state)}`))] : null);
    this.drawActions();
    fill(this.heads, Object.entries(COLUMNS).map(([name, { text }]) => this.head(name, text)));
    this.grid.show(this.rows.length);
  }

  /** What can be done with the rows that are shown. */
  drawActions() {
    const { rows } = this;
    const files = rows.filter((one) => one.file && one.state !== "failed");
    fill(this.actions, may("write") && files.length ? button(`Add ${counted(files.length, "picture")} to the collection`, () => this.acts.add(files)) : null,
      button("Export CSV", () => download(csv([HEADS, ...rows.map(record)]), "answers.csv", "text/csv")),
      button(this.only ? `Remove ${rows.length}` : "Clear", () => this.acts.remove(...rows), { kind: "quiet" }));
  }

  head(name, text) {
    const on = this.order === name;
    const act = () => {
      this.reverse = on && !this.reverse;
      this.order = name;
      this.show(this.queries);
    };
    return make("button", { type: "button", class: "quiet", onclick: act, "aria-pressed": String(on), "aria-label": `Sort by ${text.toLowerCase()}` }, text, on ? (this.reverse ? " ↑" : " ↓") : null);
  }

  row(query) {
    const { best, state } = query;
    const outcome = KINDS[state] ? badge(state === "found" ? best.verdict : KINDS[state], state === "none" ? "no copy" : undefined)
      : make("span", { class: state === "failed" ? "error" : "hint", role: state === "failed" ? "alert" : null }, state === "failed" ? query.error : "searching…");
    const shown = state === "found" || state === "possible";
    return make("div", { class: "row", "data-verdict": best?.verdict ?? null }, make("button", { type: "button", class: "open", onclick: () => this.acts.open(query), "aria-label": `${query.name}: ${STATES[state]}` },
      make("span", { class: "what" }, query.picture(40, ""), make("span", { class: "text" }, query.name)), make("span", { class: "text" }, outcome),
      make("span", {}, best && state !== "none" ? bar(best.probability) : null), make("span", { class: "text" }, shown ? `${best.key}${query.copies.length > 1 ? ` and ${query.copies.length - 1} more` : ""}` : null)),
      make("button", { type: "button", class: "quiet", onclick: () => this.acts.remove(query), "aria-label": `Remove ${query.name}`, title: "Remove" }, "✕"));
  }

  move(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const cell = document.activeElement.closest?.(".cell");
    if (!by || !cell) return;
    event.preventDefault();
    const next = this.grid.made.get(Number(cell.getAttribute("aria-posinset")) - 1 + by);
    next?.querySelector(".open").focus();
  }

  close() {
    this.grid.close();
  }
}

function record(query) {
  const { best } = query;
  return [query.name, STATES[query.state], best?.verdict, best?.probability, best?.similarity, best?.key, best?.collection, best?.id, query.copies.length, query.error];
}
