// One query picture and its result: a verdict line and a grid of matches.

import { request, pictureForm, thumbnail, thumbnailFile } from "../base/api.js";
import { compare } from "../matching/compare.js";
import { counted, fill, make, named, notice } from "../base/elements.js";
import { address, target } from "./options.js";
import { badge, bar, words } from "../matching/verdict.js";
import { tag } from "../matching/where.js";
import { Windowed } from "../base/windowed.js";

const CARD = { width: 170, height: 310 };
const NOUNS = { exact: ["same picture"], copy: ["copy", "copies"], uncertain: ["possible copy", "possible copies"], different: ["different picture"] };
const STATES = { exact: "copied", copy: "copied", uncertain: "unsure", different: "new" };

/** A query: a `file`, or the `id` of an item. `section` is its element, `state` its outcome; `removed(this)` is called when the user removes it. `explains`: the bundle can explain a match. */
export class Answer {
  constructor({ name, file = null, id = null }, options, removed, explains = false) {
    Object.assign(this, { name, file, id, options, removed, explains, state: "waiting", found: null, matches: [], short: false, latest: 0 });
    this.url = file ? URL.createObjectURL(file) : null;
    this.section = make("section", { class: "answer", "aria-label": name });
    this.grid = new Windowed({ ...CARD, tile: (number) => this.card(number), label: `matches of ${name}` });
    this.showWaiting();
  }

  /** Shows only the first row of matches, because other answers follow. */
  shorten(short) {
    if (this.short === short) return;
    this.short = short;
    this.draw();
  }

  /** Searches and draws the result. The result is ignored if a newer search has started. */
  async find() {
    this.latest += 1;
    const current = this.latest;
    this.showWaiting();
    try {
      if (this.id && !this.url) Object.assign(this, { name: (await request("GET", `images/${this.id}`)).key });
      const body = this.id ? { json: { ids: [this.id] } } : { form: pictureForm([this.file]) };
      const [item] = (await request("POST", target(this.options), body)).items;
      if (current !== this.latest) return;
      if (item.error) throw new Error(item.error.detail);
      this.found = item.matches.filter((match) => match.id !== this.id);
      this.state = this.found.length ? STATES[this.found[0].verdict] : "new";
      this.section.removeAttribute("aria-busy");
      this.draw();
    } catch (error) {
      if (current !== this.latest) return;
      Object.assign(this, { found: null, state: "failed" });
      this.section.removeAttribute("aria-busy");
      fill(this.section, this.head(), make("p", { class: "error", role: "alert" }, error.message));
    }
  }

  /** Shows that a search runs. An earlier result stays visible, faded, until then. */
  showWaiting() {
    this.state = "waiting";
    this.section.setAttribute("aria-busy", "true");
    if (!this.found) fill(this.section, this.head(make("p", {}, "Searching…")));
  }

  /** Draws the matches of at least the minimum probability. */
  draw() {
    if (!this.found || this.state === "waiting") return;
    const before = this.matches;
    this.matches = this.found.filter((match) => (match.probability ?? 1) >= this.options.least);
    const fresh = this.matches.some((match, place) => place < before.length && match !== before[place]);
    const hidden = this.found.length - this.matches.length;
    const summary = [...counts(this.matches), hidden ? `${hidden} below the minimum probability` : null].filter(Boolean).join(" · ");
    fill(this.section, this.head(headline(this.matches[0], hidden), make("p", { class: "hint" }, summary)), this.grid.element);
    const shown = this.short ? Math.min(this.matches.length, Math.max(2, this.grid.columns())) : this.matches.length;
    if (shown < this.matches.length) this.section.append(this.showAllButton());
    this.grid.show(shown, fresh);
  }

  showAllButton() {
    const all = () => { this.short = false; this.draw(); };
    return make("button", { type: "button", class: "quiet", onclick: all }, `Show all ${counted(this.matches.length, "match", "matches")}`);
  }

  head(...lines) {
    const itself = this.id ?? this.found?.find((match) => match.verdict === "exact")?.id;
    const link = make("button", { type: "button", class: "quiet", onclick: () => this.copyLink(itself) }, "Copy link");
    const remove = make("button", { type: "button", class: "quiet", onclick: () => this.removed(this), "aria-label": `Remove ${this.name}`, title: "Remove" }, "✕");
    return make("div", { class: "query" }, this.picture(72, ""), make("div", {}, make("h2", {}, this.name), lines),
      make("span", { class: "bar" }, itself ? link : null, remove));
  }

  picture(size, alt = this.name) {
    if (!this.url) return thumbnail(this.id, alt, size);
    return make("img", { src: this.url, alt, width: size, height: size, onerror: (event) => event.target.classList.add("missing") });
  }

  copyLink(id) {
    const link = new URL(location.href);
    link.hash = address(this.options, id);
    const copied = navigator.clipboard ? navigator.clipboard.writeText(link.href) : Promise.reject();
    copied.then(() => notice("Link copied."), () => notice(link.href));
    history.replaceState(null, "", link);
  }

  card(number) {
    const match = this.matches[number];
    const about = Object.entries(match.metadata).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(" · ");
    const found = tag(match.where);
    const label = `${match.key}: ${[words(match.verdict), found].filter(Boolean).join(", ")}`;
    const query = { name: this.name, picture: (...asked) => this.picture(...asked), file: async () => this.file ?? thumbnailFile(this.id),
      effort: this.options.effort, explains: this.explains };
    const open = () => compare(query, this.matches, number);
    return make("button", { type: "button", class: "card", onclick: open, "data-verdict": match.verdict, "aria-label": label },
      thumbnail(match.id, "", 160), found ? make("span", { class: "tag" }, found) : null, badge(match.verdict), bar(match.probability), named(match.key),
      make("span", { class: "hint" }, `similarity ${match.similarity.toFixed(3)}`),
      about ? make("span", { class: "hint", title: about }, about) : null);
  }

  close() {
    this.latest += 1;
    this.grid.close();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

/** The verdict of the best match, as a line. */
function headline(best, hidden) {
  if (!best && hidden) return make("p", {}, "No match reaches the minimum probability.");
  if (!best || best.verdict === "different") return make("p", {}, badge("different", "no copy found"));
  return make("p", {}, badge(best.verdict));
}

/** For example ["1 copy", "19 different pictures"]. */
function counts(matches) {
  return Object.entries(NOUNS)
    .map(([verdict, nouns]) => [matches.filter((match) => match.verdict === verdict).length, nouns])
    .filter(([count]) => count)
    .map(([count, nouns]) => counted(count, ...nouns));
}
