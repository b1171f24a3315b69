// A virtual grid: of thousands of tiles, only those near the screen exist.

import { isElsewhere, make } from "./elements.js";

const MARGIN = 600; // pixels above and below the screen that are kept filled

/**
 * A grid in `element`. `tile(number)` creates tile `number` of `count`; `near(first, last)` is called with the visible range.
 * Tiles are at least `width` pixels wide and exactly `height` high. With `arrows`, the arrow keys go from tile to tile, and ↓ into the grid.
 */
export class Windowed {
  constructor({ width, height, tile, near = () => {}, label = "pictures", arrows = false }) {
    Object.assign(this, { width, height, tile, near, count: 0, made: new Map() });
    this.pressed = arrows ? (event) => this.press(event) : null;
    if (arrows) addEventListener("keydown", this.pressed);
    this.element = make("div", { class: "windowed", role: "list", "aria-label": label });
    this.draw = this.draw.bind(this);
    this.watch = new ResizeObserver(this.draw);
    this.watch.observe(this.element);
    addEventListener("scroll", this.draw, { passive: true });
  }

  /** Shows `count` tiles. With `fresh`, existing tiles are created again. */
  show(count, fresh = true) {
    this.count = count;
    if (fresh) this.clear();
    this.draw();
  }

  /** Number of tiles in a row. */
  columns() {
    return Math.max(1, Math.floor(this.element.clientWidth / this.width));
  }

  /** Creates tile `number` again if it exists. */
  refresh(number) {
    this.made.get(number)?.remove();
    this.made.delete(number);
    this.draw();
  }

  clear() {
    this.made.forEach((tile) => tile.remove());
    this.made.clear();
  }

  close() {
    removeEventListener("scroll", this.draw);
    if (this.pressed) removeEventListener("keydown", this.pressed);
    this.watch.disconnect();
  }

  press(event) {
    if (event.defaultPrevented || !this.element.clientWidth || (isElsewhere(event) && event.target.type !== "checkbox")) return;
    const cell = event.target.closest?.(".cell");
    const at = cell && this.element.contains(cell) ? Number(cell.getAttribute("aria-posinset")) - 1 : null;
    const nowhere = [document.body, document.getElementById("view")].includes(event.target);
    const [right, down] = [1, this.columns()];
    const next = at === null ? (nowhere && event.key === "ArrowDown" ? [...this.made.keys()].sort((one, other) => one - other).find((number) => this.isVisible(number)) : undefined)
      : { ArrowRight: at + right, ArrowLeft: at - right, ArrowDown: at + down, ArrowUp: at - down }[event.key];
    if (next === undefined || next < 0 || next >= this.count) return;
    event.preventDefault();
    this.focus(next);
  }

  isVisible(number) {
    const { top, bottom } = this.made.get(number).getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight + this.height;
  }

  /** Puts the focus on tile `number`, which is near the screen. */
  focus(number) {
    this.made.get(number)?.querySelector("a, button")?.focus();
  }

  draw() {
    const available = this.element.clientWidth;
    if (!this.element.isConnected || !available) return;
    const columns = this.columns();
    const rows = Math.ceil(this.count / columns);
    this.element.style.height = `${rows * this.height}px`;
    const top = -this.element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((top - MARGIN) / this.height)) * columns;
    const last = Math.min(this.count, Math.ceil((top + innerHeight + MARGIN) / this.height) * columns);
    for (const [number, tile] of this.made) {
      if (number < first || number >= last) { tile.remove(); this.made.delete(number); }
    }
    for (let number = first; number < last; number += 1) this.place(number, columns, available / columns);
    if (last > first) this.near(first, last);
  }

  /** The tile that follows tile `number` in the document, so that Tab moves in order; null for the last one. */
  after(number) {
    const later = Math.min(...[...this.made.keys()].filter((other) => other > number));
    return this.made.get(later) ?? null;
  }

  place(number, columns, width) {
    let tile = this.made.get(number);
    if (!tile) {
      tile = make("div", { class: "cell", role: "listitem", "aria-posinset": number + 1 }, this.tile(number));
      this.element.insertBefore(tile, this.after(number));
      this.made.set(number, tile);
    }
    tile.setAttribute("aria-setsize", this.count);
    tile.style.width = `${width}px`;
    tile.style.height = `${this.height}px`;
    tile.style.transform = `translate(${(number % columns) * width}px, ${Math.floor(number / columns) * this.height}px)`;
  }
}
