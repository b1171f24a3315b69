// A plot of up to some hundred thousand points on a canvas: pan, zoom, nearest point, lasso.

import { make } from "../base/elements.js";

const MOST_ZOOM = 400;
const REACH = 10; // pixels around the pointer in which a point is found
const DRAG = 3; // pixels from which on a press is a drag
const STEP = 60; // pixels that an arrow key moves
const DIM = 0x30; // opacity of points that are not selected, of 255

/**
 * `x` and `y` are within -1 and 1. `colours` (Uint32Array, as in the pixels of a canvas) and `selected` (Set of numbers) may be changed;
 * call `draw` then. `hover(number)`, `pick(number)` and `lasso(numbers)` report what the pointer does; -1 is no point.
 */
export class Scatter {
  constructor({ x, y, colours, label, hover, pick, lasso, moved = () => {} }) {
    Object.assign(this, { x, y, colours, hover, pick, lasso, moved, selected: new Set(), zoom: 1, centre: [0, 0], lassoing: false, pointers: new Map() });
    this.canvas = make("canvas", { class: "scatter", tabindex: 0, role: "application", "aria-label": label });
    this.outline = make("canvas", { class: "scatter outline" });
    this.element = make("div", { class: "plane" }, this.canvas, this.outline);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.element);
    const on = (name, act, options) => this.canvas.addEventListener(name, act, options);
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => this.release(event));
    on("pointerleave", () => this.hover(-1));
    on("wheel", (event) => { event.preventDefault(); this.zoomBy(Math.exp(-event.deltaY / 400), this.at(event)); }, { passive: false });
  }

  resize() {
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth) return;
    for (const canvas of [this.canvas, this.outline]) Object.assign(canvas, { width: Math.round(clientWidth * this.ratio), height: Math.round(clientHeight * this.ratio) });
    this.pixels = this.canvas.getContext("2d").createImageData(this.canvas.width, this.canvas.height);
    this.words = new Uint32Array(this.pixels.data.buffer);
    this.draw();
  }

  /** Pixels of the canvas in a unit of the map. */
  scale() {
    return 0.47 * Math.min(this.canvas.width, this.canvas.height) * this.zoom;
  }

  /** Draws at the next frame; several calls before it are one. */
  draw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    const { words, x, y, colours, selected } = this;
    if (!words) return;
    const [width, height, scale] = [this.canvas.width, this.canvas.height, this.scale()];
    const [left, top] = [width / 2 - this.centre[0] * scale, height / 2 - this.centre[1] * scale];
    const half = Math.max(1, Math.min(7, Math.round(this.ratio * (x.length > 20000 ? 1 : 2) * Math.sqrt(Math.sqrt(this.zoom)))));
    words.fill(0);
    const mask = selected.size ? (0x00ffffff | (DIM << 24)) >>> 0 : 0xffffffff;
    const view = { words, width, height, scale, left, top };
    for (let number = 0; number < x.length; number += 1) square(view, x[number], y[number], (colours[number] & mask) >>> 0, half);
    for (const number of selected) square(view, x[number], y[number], colours[number], half + 1);
    this.canvas.getContext("2d").putImageData(this.pixels, 0, 0);
    this.trace();
    this.moved();
  }

  /** The line of the lasso. */
  trace() {
    const pen = this.outline.getContext("2d");
    pen.clearRect(0, 0, this.outline.width, this.outline.height);
    if (!this.loop) return;
    Object.assign(pen, { lineWidth: 2 * this.ratio, strokeStyle: getComputedStyle(this.element).color });
    pen.setLineDash([6, 4]);
    pen.beginPath();
    for (const [column, row] of this.loop) pen.lineTo(column, row);
    pen.closePath();
    pen.stroke();
  }

  /** The place of an event in pixels of the canvas. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  /** A place in pixels as a place on the map. */
  placeOf([column, row]) {
    return [(column - this.canvas.width / 2) / this.scale() + this.centre[0], (row - this.canvas.height / 2) / this.scale() + this.centre[1]];
  }

  /** Zooms so that the place under `point` (default: the middle) stays where it is. */
  zoomBy(factor, point = [this.canvas.width / 2, this.canvas.height / 2]) {
    const before = this.placeOf(point);
    this.zoom = Math.max(0.5, Math.min(MOST_ZOOM, this.zoom * factor));
    const after = this.placeOf(point);
    this.centre = [this.centre[0] + before[0] - after[0], this.centre[1] + before[1] - after[1]];
    this.draw();
  }

  panBy(right, down) {
    this.centre = [this.centre[0] + right / this.scale(), this.centre[1] + down / this.scale()];
    this.draw();
  }

  whole() {
    Object.assign(this, { zoom: 1, centre: [0, 0] });
    this.draw();
  }

  /** What a key does here; false if nothing. */
  key(name) {
    const step = STEP * (this.ratio ?? 1);
    const acts = {
      ArrowLeft: () => this.panBy(-step, 0), ArrowRight: () => this.panBy(step, 0), ArrowUp: () => this.panBy(0, -step), ArrowDown: () => this.panBy(0, step),
      "+": () => this.zoomBy(1.5), "=": () => this.zoomBy(1.5), "-": () => this.zoomBy(1 / 1.5), 0: () => this.whole(),
    };
    acts[name]?.();
    return name in acts;
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    this.start = this.pointers.size === 1 ? this.at(event) : null; // with two fingers nothing is picked
    this.loop = this.start && (this.lassoing || event.shiftKey) ? [this.start] : null;
  }

  move(event) {
    const now = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.hover(this.nearest(now));
    const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (this.loop) return this.extend(now);
    if (other) this.zoomBy(Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1])), other);
    else this.panBy(before[0] - now[0], before[1] - now[1]);
  }

  extend(now) {
    const last = this.loop.at(-1);
    if (Math.hypot(now[0] - last[0], now[1] - last[1]) >= DRAG * this.ratio) this.loop.push(now);
    this.trace();
  }

  release(event) {
    const now = this.at(event);
    const [start, loop] = [this.start, this.loop];
    this.pointers.delete(event.pointerId);
    Object.assign(this, { start: null, loop: null });
    this.trace();
    if (!start || event.type === "pointercancel") return;
    if (Math.hypot(now[0] - start[0], now[1] - start[1]) < DRAG * this.ratio && (loop?.length ?? 0) < 4) this.pick(this.nearest(now));
    else if (loop) this.lasso(this.inside(loop));
  }

  /** The number of the point nearest to a place in pixels, within reach; -1 if there is none. */
  nearest([column, row]) {
    const [scale, place] = [this.scale(), this.placeOf([column, row])];
    let [best, found] = [(REACH * this.ratio / scale) ** 2, -1];
    for (let number = 0; number < this.x.length; number += 1) {
      const distance = (this.x[number] - place[0]) ** 2 + (this.y[number] - place[1]) ** 2;
      if (distance < best) [best, found] = [distance, number];
    }
    return found;
  }

  /** The numbers of the points inside a polygon in pixels (even-odd rule). */
  inside(loop) {
    // Typed arrays, because the loop runs for each point and each corner.
    const [xs, ys] = [0, 1].map((axis) => Float64Array.from(loop, (point) => this.placeOf(point)[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    return this.where((x, y) => x >= left && x <= right && y >= top && y <= bottom && isWithin(xs, ys, x, y));
  }

  /** The numbers of the points that are on the screen. */
  visible() {
    const [[left, top], [right, bottom]] = [this.placeOf([0, 0]), this.placeOf([this.canvas.width, this.canvas.height])];
    return this.where((x, y) => x >= left && x <= right && y >= top && y <= bottom);
  }

  where(test) {
    const found = [];
    for (let number = 0; number < this.x.length; number += 1) if (test(this.x[number], this.y[number])) found.push(number);
    return found;
  }

  close() {
    this.watch.disconnect();
    if (this.frame) cancelAnimationFrame(this.frame);
  }
}

/** Whether a place is inside a polygon (even-odd rule). */
function isWithin(xs, ys, x, y) {
  let odd = false;
  for (let one = 0, other = xs.length - 1; one < xs.length; other = one, one += 1) {
    if (ys[one] > y !== ys[other] > y && x < ((xs[other] - xs[one]) * (y - ys[one])) / (ys[other] - ys[one]) + xs[one]) odd = !odd;
  }
  return odd;
}

/** Fills the pixels around a point, as far as `reach` on each side; a plain loop, because it runs for each point of each frame. */
function square({ words, width, height, scale, left, top }, x, y, colour, reach) {
  const column = (left + x * scale + 0.5) | 0;
  const row = (top + y * scale + 0.5) | 0;
  if (column < reach || row < reach || column >= width - reach || row >= height - reach) return;
  for (let start = (row - reach) * width + column, end = (row + reach) * width + column; start <= end; start += width) {
    for (let place = start - reach; place <= start + reach; place += 1) words[place] = colour;
  }
}
