// Zoom and pan a query and its match in step: both show the same part, as far as it is known where the match lies.

import { button } from "../base/elements.js";

const MOST = 16;
const STEP = 1.4;
const SWIPE = 60; // pixels of a horizontal swipe
const QUERY = ".query .frame, .query .pane > canvas, .laid .frame";
const MATCH = ".match :is(.whole, .heated) .frame";

/** Zoom of the pictures in `stage`. `swiped(by)` is called for a swipe to the left (1) or right (-1) while nothing is zoomed. */
export class Zoom {
  constructor(stage, swiped) {
    Object.assign(this, { stage, swiped, where: null, zoom: 1, centre: [0.5, 0.5], pointers: new Map(), held: null });
    const on = (name, act, options) => stage.addEventListener(name, (event) => act.call(this, event), options);
    on("wheel", this.wheel, { passive: false });
    on("pointerdown", this.press);
    on("pointermove", this.move);
    on("pointerup", this.release);
    on("pointercancel", this.release);
    on("dragstart", (event) => event.preventDefault());
    this.buttons = [button("−", () => this.by(1 / STEP), { key: "-", label: "Zoom out" }), button("+", () => this.by(STEP), { key: "+", label: "Zoom in" }),
      button("Whole", () => this.reset(), { key: "0" })];
  }

  /** For a new pair: `where` says where the match lies in the query, null if that is not known. The zoom stays. */
  show(where) {
    this.where = where?.transform ? where : null;
    this.apply();
  }

  reset() {
    Object.assign(this, { zoom: 1, centre: [0.5, 0.5] });
    this.apply();
  }

  /** Zooms; `point` of the query, in shares of its sides, stays where it is. */
  by(factor, point = this.centre) {
    const zoom = Math.max(1, Math.min(MOST, this.zoom * factor));
    this.centre = this.centre.map((at, axis) => point[axis] + ((at - point[axis]) * this.zoom) / zoom);
    this.zoom = zoom;
    this.apply();
  }

  /** Moves the view by shares of the sides of the query. */
  pan(right, down) {
    this.centre = [this.centre[0] + right, this.centre[1] + down];
    this.apply();
  }

  apply() {
    this.centre = kept(this.centre, this.zoom);
    this.stage.classList.toggle("zoomed", this.zoom > 1);
    const [zoom, centre] = inMatch(this.where, this.zoom, this.centre);
    place(this.stage.querySelectorAll(QUERY), this.zoom, this.centre);
    place(this.stage.querySelectorAll(MATCH), zoom, centre);
  }

  /** Does what a key says. Returns whether it is a key of the zoom. */
  key(name) {
    const act = { "+": () => this.by(STEP), "=": () => this.by(STEP), "-": () => this.by(1 / STEP), 0: () => this.reset() }[name];
    act?.();
    return Boolean(act);
  }

  /** The frame that a pointer is over, and its sides in pixels before zooming. */
  under(event) {
    const frames = event.target.closest?.("figure")?.querySelectorAll(".frame, .pane > canvas") ?? [];
    const frame = [...frames].find((one) => one.offsetWidth);
    return frame ? { frame, width: frame.offsetWidth, height: frame.offsetHeight } : null;
  }

  wheel(event) {
    const under = this.under(event);
    if (!under || (this.zoom === 1 && event.deltaY > 0)) return; // the page scrolls
    event.preventDefault();
    const box = under.frame.getBoundingClientRect();
    const from = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    this.by(Math.exp(-event.deltaY / 300), event.target.closest(".match") ? this.centre : from);
  }

  press(event) {
    const under = this.under(event);
    if (event.target.closest("button, a") || !under) return;
    this.held = under; // captured, the pointer's later events have the stage as their target
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.start = [event.clientX, event.clientY];
    if (this.zoom > 1) this.stage.setPointerCapture(event.pointerId);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (other) return void this.by(distance(now, other) / Math.max(1, distance(before, other)));
    const { width, height } = this.held;
    if (this.zoom > 1) this.pan((before[0] - now[0]) / width / this.zoom, (before[1] - now[1]) / height / this.zoom);
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const [right, down] = [event.clientX - this.start[0], event.clientY - this.start[1]];
    if (event.type === "pointerup" && event.pointerType === "touch" && this.zoom === 1 && Math.abs(right) > SWIPE && Math.abs(right) > 2 * Math.abs(down)) this.swiped(right < 0 ? 1 : -1);
  }
}

/** A centre so that no place outside the picture shows. */
const kept = (centre, zoom) => centre.map((at) => Math.max(0.5 / zoom, Math.min(1 - 0.5 / zoom, at)));

/** The zoom and the centre in the match that show the same as those in the query. */
export function inMatch(where, zoom, centre) {
  if (!where || zoom === 1) return [zoom, centre];
  const within = Math.max(1, zoom * Math.sqrt(where.query.share / where.match.share));
  return [within, kept(through(inverse(where.transform), centre), within)];
}

function place(frames, zoom, [x, y]) {
  for (const frame of frames) frame.style.transform = zoom > 1 ? `scale(${zoom}) translate(${50 - 100 * x}%, ${50 - 100 * y}%)` : "";
}

const distance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);

function through([[a, b, c], [d, e, f], [g, h, i]], [x, y]) {
  const w = g * x + h * y + i;
  return [(a * x + b * y + c) / w, (d * x + e * y + f) / w];
}

/** The inverse of a 3 x 3 matrix up to a factor, which a homography does not have. */
function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  return [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f], [d * h - e * g, b * g - a * h, a * e - b * d]];
}
