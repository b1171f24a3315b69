// Select tiles of a grid: by a box, by x, a range by Shift; and the bar with what can be done with them.

import { button, fill, make } from "../base/elements.js";
import { counted } from "../base/words.js";

/**
 * The selection among `rows()` of `grid`, each with an `id`. `buttons(chosen)` are those of the bar; `all()` resolves to all that
 * could be selected. `noun` says what they are.
 */
export class Selection {
  constructor({ grid, rows, noun, buttons, all }) {
    Object.assign(this, { grid, rows, noun, buttons, all, items: new Map(), latest: null });
    this.element = make("div", { class: "bar bulk", role: "region", "aria-label": `Selected ${noun}s`, hidden: true });
  }

  has(item) {
    return this.items.has(item.id);
  }

  get chosen() {
    return [...this.items.values()];
  }

  /** The box of tile `number`. */
  box(number, label) {
    return make("input", { type: "checkbox", class: "pick", checked: this.has(this.rows()[number]), "aria-label": `Select ${label}`, onclick: (event) => this.toggle(number, event.shiftKey) });
  }

  /** Selects tile `number` or not; with `range`, also those up to the one before. */
  toggle(number, range = false) {
    const rows = this.rows();
    const from = range && this.latest !== null ? rows.findIndex((row) => row?.id === this.latest) : number;
    const [first, last] = [from < 0 ? number : from, number].sort((one, other) => one - other);
    const these = rows.slice(first, last + 1).filter(Boolean);
    const on = !this.has(rows[number]);
    these.forEach((one) => (on ? this.items.set(one.id, one) : this.items.delete(one.id)));
    this.latest = rows[number].id;
    this.draw(these);
  }

  set(items) {
    const before = this.chosen;
    this.items = new Map(items.map((item) => [item.id, item]));
    this.draw([...before, ...items]);
  }

  /** What the keys do; null for a key that does nothing now. */
  keys() {
    const cell = document.activeElement.closest?.(".windowed .cell");
    const at = cell ? Number(cell.getAttribute("aria-posinset")) - 1 : null;
    return { x: this.rows()[at] && (() => this.toggle(at)), Escape: this.items.size ? () => this.set([]) : null };
  }

  draw(these) {
    const { size } = this.items;
    this.element.hidden = !size;
    fill(this.element, make("strong", { role: "status" }, `${counted(size, this.noun)} selected`), this.buttons(this.chosen),
      button("Select all", async () => this.set(await this.all()), { kind: "quiet" }), button("Select nothing", () => this.set([]), { key: "Esc", kind: "quiet" }));
    this.grid.element.classList.toggle("picking", size > 0);
    const changed = new Set(these.map((one) => one.id));
    for (const number of this.grid.made.keys()) if (changed.has(this.rows()[number]?.id)) this.mark(number);
  }

  /** Marks a tile as selected or not, and leaves the focus where it is. */
  mark(number) {
    const card = this.grid.made.get(number).querySelector(".card");
    const on = this.has(this.rows()[number]);
    card?.classList.toggle("picked", on);
    if (card?.querySelector(".pick")) card.querySelector(".pick").checked = on;
  }
}
