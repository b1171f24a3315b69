// The answer to one query: the verdict first, then the copies, then the nearest other pictures, folded.

import { thumbnail } from "../base/api.js";
import { fill, make, named, notice } from "../base/elements.js";
import { copyText, counted } from "../base/words.js";
import { Windowed } from "../base/windowed.js";
import { compare } from "../matching/compare.js";
import { badge, bar, scale, words } from "../matching/verdict.js";
import { tag } from "../matching/where.js";
import { address } from "./options.js";

const CARD = { width: 176, height: 276 };
const NOUNS = { exact: ["same picture"], copy: ["copy", "copies"], uncertain: ["possible copy", "possible copies"], different: ["different picture"] };
const HEADLINES = { exact: "The same picture is in the collection", copy: "A copy is in the collection", uncertain: "Possibly a copy" };

/** The answer to `query` (`query.js`). `searched()` says in words what was searched; `removed()` is called when the user removes it. */
export class Answer {
  constructor(query, searched, removed) {
    Object.assign(this, { query, searched, removed, drawn: null });
    this.section = make("section", { class: "answer", "aria-label": query.name });
    const grid = (part) => new Windowed({ ...CARD, tile: (number) => this.card(this.parts[part][number]), label: `${part} of ${query.name}`, arrows: true });
    this.grids = { copies: grid("copies"), neighbours: grid("neighbours") };
    this.parts = { copies: [], neighbours: [] };
    this.summary = make("summary", {});
    this.fold = make("details", { class: "neighbours" }, this.summary, this.grids.neighbours.element);
    this.fold.addEventListener("toggle", () => this.fold.open && this.grids.neighbours.draw());
  }

  /** Draws the state of the query. An earlier result stays visible, faded, while a search runs. */
  draw() {
    const { query } = this;
    this.section.toggleAttribute("data-waiting", query.state === "waiting");
    if (query.state === "waiting") {
      this.section.setAttribute("aria-busy", "true");
      if (!query.found) fill(this.section, this.head("Searching…"));
      return;
    }
    this.section.removeAttribute("aria-busy");
    if (query.state === "failed") return void fill(this.section, this.head(make("span", { class: "error", role: "alert" }, query.error)));
    const before = this.drawn;
    this.drawn = query.matches;
    const fresh = (before ?? []).some((match, place) => match !== query.matches[place]);
    this.parts = { copies: query.copies, neighbours: query.matches.slice(query.copies.length) };
    const { copies, neighbours } = this.parts;
    this.section.dataset.verdict = query.best?.verdict ?? "different";
    fill(this.summary, nearest(neighbours.length, copies.length));
    fill(this.section, this.head(...this.verdict()), copies.length ? this.grids.copies.element : null, neighbours.length ? this.fold : null);
    this.grids.copies.show(copies.length, fresh);
    this.grids.neighbours.show(neighbours.length, fresh);
  }

  /** The verdict as a headline, the scale, and the numbers of matches. */
  verdict() {
    const { best, found, matches } = this.query;
    const hidden = found.length - matches.length;
    const summary = [...counts(matches), hidden ? `${hidden} below the minimum probability` : null].filter(Boolean).join(" · ");
    const kind = best?.verdict ?? "different";
    const text = HEADLINES[kind] ?? (!best && hidden ? "No match reaches the minimum probability" : `No copy among ${this.searched()}`);
    return [make("p", { class: "verdict" }, badge(kind, text)), best ? scale(best.probability) : null, make("p", { class: "hint" }, summary)];
  }

  head(...lines) {
    const { query } = this;
    const link = query.itself ? make("button", { type: "button", class: "quiet", onclick: () => this.copyLink() }, "Copy link") : null;
    const remove = make("button", { type: "button", class: "quiet", onclick: this.removed, "aria-label": `Remove ${query.name}`, title: "Remove" }, "✕");
    return make("div", { class: "query" }, query.picture(112, ""), make("div", {}, make("h2", {}, query.name), lines), make("span", { class: "bar" }, link, remove));
  }

  copyLink() {
    const link = new URL(location.href);
    link.hash = address(this.query.options, this.query.itself);
    copyText(link.href, (done) => notice(done ? "Link copied." : link.href));
    history.replaceState(null, "", link);
  }

  card(match) {
    const about = Object.entries(match.metadata).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(" · ");
    const found = tag(match.where);
    const label = `${match.key}: ${[words(match.verdict), found].filter(Boolean).join(", ")}`;
    const open = () => compare(this.query, this.query.matches, this.query.matches.indexOf(match));
    return make("button", { type: "button", class: "card", onclick: open, "data-verdict": match.verdict, "aria-label": label },
      thumbnail(match.id, "", 160), found ? make("span", { class: "tag" }, found) : null, badge(match.verdict), bar(match.probability), named(match.key),
      make("span", { class: "hint", title: about }, [`similarity ${match.similarity.toFixed(3)}`, about].filter(Boolean).join(" · ")));
  }

  close() {
    Object.values(this.grids).forEach((grid) => grid.close());
  }
}

const nearest = (count, copies) => (copies ? `${counted(count, "other picture")}, the nearest first` : `The ${counted(count, "nearest picture")}; none is a copy`);

/** For example ["1 copy", "19 different pictures"]. */
function counts(matches) {
  return Object.entries(NOUNS)
    .map(([verdict, nouns]) => [matches.filter((match) => match.verdict === verdict).length, nouns])
    .filter(([count]) => count)
    .map(([count, nouns]) => counted(count, ...nouns));
}
