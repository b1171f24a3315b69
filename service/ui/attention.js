// Attention: what each head of the last block looks at, over the picture itself.

import { ask, pictures, stored } from "./api.js";
import { dropzone } from "./dropzone.js";
import { fill, make, slider } from "./elements.js";
import { examples } from "./examples.js";
import { COLOURS, layers, massMask, scaled } from "./maps.js";

const SIDE = 420; // pixels of a sheet's canvas along its longer side
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Shows the view; `query` holds `id`, optional. */
export async function show(view, query) {
  const options = { opacity: 0.7, mass: 0.6, masked: true };
  const place = make("div", { class: "heads" });
  const said = make("p", { class: "reading", role: "status" });
  const tries = make("p", { class: "examples" });
  const zone = dropzone("Look at a picture", (files) => receive(files), { multiple: false });
  let seen = null;
  let turn = 0;

  async function look(file) {
    const mine = (turn += 1);
    zone.classList.add("slim");
    place.setAttribute("aria-busy", "true");
    if (!seen) fill(place, make("p", {}, "Looking…"));
    try {
      const [item] = (await ask("POST", "attention", { form: pictures([file]) })).items;
      if (item.error) throw new Error(item.error.detail);
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      if (mine !== turn) return;
      seen = { bitmap, ...item, flat: item.maps.map((map) => map.flat()), patch: null };
      said.textContent = "Point at a patch, or walk over them with the arrow keys, to read it.";
      build();
    } catch (error) {
      if (mine !== turn) return;
      seen = null;
      said.textContent = "";
      fill(place, make("p", { class: "error", role: "alert" }, error.message));
    }
    place.removeAttribute("aria-busy");
  }

  function build() {
    const all = seen.flat.map((_, head) => head);
    seen.sheets = [{ name: "all heads", heads: all }, ...all.map((head) => ({ name: `head ${head + 1}`, heads: [head] }))];
    fill(place, seen.sheets.map((sheet) => {
      sheet.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": `attention of ${sheet.name}; arrow keys read patches`,
        onpointermove: (event) => point(under(event)), onpointerdown: (event) => point(under(event)), onpointerleave: () => point(null),
        onkeydown: (event) => walk(event), onblur: () => point(null) });
      return make("figure", {}, sheet.canvas, make("figcaption", {}, sheet.heads.length === 1 ? swatch(sheet.heads[0]) : null, sheet.name));
    }));
    draw();
  }

  /** The patch that an event on a canvas is over, [row, column]. */
  function under(event) {
    const area = event.target.getBoundingClientRect();
    const at = (position, length, count) => Math.min(count - 1, Math.max(0, Math.floor((position / length) * count)));
    return [at(event.clientY - area.top, area.height, seen.grid[0]), at(event.clientX - area.left, area.width, seen.grid[1])];
  }

  function walk(event) {
    const by = ARROWS[event.key];
    if (!by) return;
    event.preventDefault();
    const from = seen.patch ?? seen.grid.map((count) => Math.floor(count / 2));
    point(from.map((position, axis) => Math.min(seen.grid[axis] - 1, Math.max(0, position + by[axis]))));
  }

  /** Reads a patch, and frames it on all sheets; null frames none, and leaves the reading. */
  function point(patch) {
    if (String(patch) === String(seen.patch)) return;
    seen.patch = patch;
    if (patch) fill(said, reading(seen));
    draw();
  }

  const draw = () => seen?.sheets.forEach((sheet) => paint(seen, sheet, options));
  const set = (name) => (value) => { options[name] = value; draw(); };
  const percent = (share) => `${Math.round(100 * share)} %`;
  const mass = slider("Mass in masks", { least: 0.05, value: options.mass, show: percent }, set("mass"));
  const masked = make("input", { type: "checkbox", checked: true, onchange: () => {
    mass.querySelector("input").disabled = !masked.checked;
    set("masked")(masked.checked);
  } });
  const receive = (files) => files.length && look(files[0]);
  fill(view, make("h1", {}, "What does it look at?"), zone, tries,
    make("div", { class: "controls" }, slider("Opacity", { value: options.opacity, show: percent }, set("opacity")), mass,
      make("label", { class: "field check" }, masked, "Show masks")),
    said, place);
  examples(tries, "attention", "Or look at one of these:").catch(() => null);
  const id = Number(query.get("id"));
  if (id) await look(await stored(id));
  return { receive };
}

const colour = (head) => COLOURS[head % COLOURS.length];

function swatch(head) {
  const spot = make("span", { class: "swatch" });
  spot.style.background = `rgb(${colour(head)})`;
  return spot;
}

/** The part of the picture that the maps cover, over it the weights of the sheet's heads, and a frame around a patch. */
function paint(seen, sheet, { opacity, mass, masked }) {
  const [left, top, right, bottom] = seen.box;
  const [rows, columns] = seen.grid;
  const scale = SIDE / Math.max(right - left, bottom - top);
  const { canvas } = sheet;
  canvas.width = Math.round((right - left) * scale);
  canvas.height = Math.round((bottom - top) * scale);
  const context = canvas.getContext("2d");
  context.drawImage(seen.bitmap, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
  context.fillStyle = `rgb(0 0 0 / ${0.5 * opacity})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = !masked;
  context.drawImage(overlay(seen, sheet, mass, masked), 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  if (seen.patch) frame(context, seen.patch, canvas.width / columns, canvas.height / rows);
}

/** A canvas with a pixel for each patch, in the colour of its strongest head. */
function overlay(seen, sheet, mass, masked) {
  const [rows, columns] = seen.grid;
  const weights = sheet.heads.map((head) => (masked ? massMask(seen.flat[head], mass) : scaled(seen.flat[head])));
  const strength = sheet.heads.map((head, place) => (sheet.heads.length > 1 ? product(weights[place], scaled(seen.flat[head])) : weights[place]));
  const shown = layers(strength, sheet.heads.map(colour));
  if (masked) for (let at = 3; at < shown.length; at += 4) shown[at] = shown[at] ? 255 : 0;
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(new ImageData(shown, columns, rows), 0, 0);
  return small;
}

const product = (one, other) => one.map((value, place) => value * other[place]);

function frame(context, [row, column], width, height) {
  for (const [style, line] of [["#000", 5], ["#fff", 2]]) {
    Object.assign(context, { strokeStyle: style, lineWidth: line });
    context.strokeRect(column * width, row * height, width, height);
  }
}

/** What the patch that is pointed at says: the share of each head's attention that it takes. */
function reading({ grid: [rows, columns], maps, patch: [row, column] }) {
  const shares = maps.map((map, head) => make("span", { class: "share" }, swatch(head), `head ${head + 1}: ${(100 * map[row][column]).toFixed(2)} %`));
  return [make("span", {}, `Row ${row + 1}, column ${column + 1} of ${rows} x ${columns}: `), ...shares];
}
