// Attention view: the maps of the attention heads, or of the object, drawn over the picture as heat.

import { path, pictureForm, request, thumbnailFile } from "../base/api.js";
import { dropzone } from "../base/dropzone.js";
import { fill, labelled, make, slider } from "../base/elements.js";
import { examples } from "../search/examples.js";
import { COLOURS, layers, massMask, scaled } from "../matching/maps.js";
import { indexState } from "../base/index.js";

const SIDE = 420; // pixels of a canvas along its longer side
const MANY = 6; // from so many sheets on they are in one row, which scrolls
const METHODS = { objects: "object", heads: "attention heads" }; // the first that the bundle has is shown
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Shows the view. `query` may hold the `id` of an item. */
export async function show(view, query) {
  const { bundle } = await indexState();
  const methods = Object.keys(METHODS).filter((method) => (method === "heads" ? bundle.attention : bundle.objects));
  const options = { opacity: 0.7, share: 0.6, masked: false, method: methods[0] ?? "heads" };
  const place = make("div", { class: "heads" });
  const readout = make("p", { class: "reading", role: "status" });
  const tries = make("p", { class: "examples" });
  const zone = dropzone("Show the attention for a picture", (files) => receive(files), { multiple: false });
  let current = null;
  let latest = 0;
  let shown = null; // the file

  async function analyse(file) {
    const number = (latest += 1);
    shown = file;
    place.setAttribute("aria-busy", "true");
    if (!current) fill(place, make("p", {}, "Computing the maps…"));
    try {
      const [item] = (await request("POST", path("attention", { method: options.method }), { form: pictureForm([file]) })).items;
      if (item.error) throw new Error(item.error.detail);
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      if (number !== latest) return;
      const first = options.method === "objects" ? 1 : 0; // a warm colour for the object
      const colours = item.maps.map((_, head) => COLOURS[(first + head) % COLOURS.length]);
      current = { bitmap, colours, ...item, flat: item.maps.map((map) => map.flat()), patch: null };
      readout.textContent = `Point at a patch, or move with the arrow keys, to read its ${options.method === "objects" ? "value, as a share of the largest" : "share of the attention"}.`;
      build();
    } catch (error) {
      if (number !== latest) return;
      current = null;
      readout.textContent = "";
      fill(place, make("p", { class: "error", role: "alert" }, error.message));
    }
    place.removeAttribute("aria-busy");
  }

  function build() {
    const all = current.flat.map((_, head) => head);
    current.sheets = [...(all.length > 1 ? [{ name: "all heads", heads: all }] : []), ...all.map((head) => ({ name: current.names[head], heads: [head] }))];
    place.classList.toggle("many", current.sheets.length > MANY);
    fill(place, current.sheets.map((sheet) => {
      sheet.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": `map of ${sheet.name}; use the arrow keys to read patches`,
        onpointermove: (event) => point(under(event)), onpointerdown: (event) => point(under(event)), onpointerleave: () => point(null),
        onkeydown: (event) => walk(event), onblur: () => point(null) });
      return make("figure", {}, sheet.canvas, make("figcaption", {}, sheet.heads.length === 1 ? swatch(current.colours[sheet.heads[0]]) : null, sheet.name));
    }));
    draw();
  }

  /** The patch that an event on a canvas is over, [row, column]. */
  function under(event) {
    const area = event.target.getBoundingClientRect();
    const at = (position, length, count) => Math.min(count - 1, Math.max(0, Math.floor((position / length) * count)));
    return [at(event.clientY - area.top, area.height, current.grid[0]), at(event.clientX - area.left, area.width, current.grid[1])];
  }

  function walk(event) {
    const by = ARROWS[event.key];
    if (!by) return;
    event.preventDefault();
    const from = current.patch ?? current.grid.map((count) => Math.floor(count / 2));
    point(from.map((position, axis) => Math.min(current.grid[axis] - 1, Math.max(0, position + by[axis]))));
  }

  /** Shows the values of a patch and frames it on all sheets. Null removes the frame and keeps the values. */
  function point(patch) {
    if (String(patch) === String(current.patch)) return;
    current.patch = patch;
    if (patch) fill(readout, patchValues(current));
    draw();
  }

  const draw = () => current?.sheets.forEach((sheet) => paint(current, sheet, options));
  const set = (name) => (value) => { options[name] = value; draw(); };
  const percent = (share) => `${Math.round(100 * share)} %`;
  const share = slider("Share of attention", { least: 0.05, value: options.share, show: percent, off: true }, set("share"));
  const method = make("select", { name: "method", onchange: () => {
    options.method = method.value;
    if (shown) analyse(shown);
  } }, methods.map((value) => make("option", { value }, METHODS[value])));
  const masked = make("input", { type: "checkbox", onchange: () => {
    share.querySelector("input").disabled = !masked.checked;
    set("masked")(masked.checked);
  } });
  const receive = (files) => files.length && analyse(files[0]);
  fill(view, make("h1", {}, "What does the model attend to?"), zone, tries,
    make("div", { class: "controls" }, methods.length > 1 ? labelled("Maps", method) : null, slider("Opacity", { value: options.opacity, show: percent }, set("opacity")), share,
      make("label", { class: "field check" }, masked, "Show masks")),
    readout, place);
  examples(tries, "attention", "Or try one of these:").catch(() => null);
  const id = Number(query.get("id"));
  if (id) await analyse(await thumbnailFile(id));
  return { receive };
}

function swatch(colour) {
  const spot = make("span", { class: "swatch" });
  spot.style.background = `rgb(${colour})`;
  return spot;
}

/** Draws the part of the picture that the maps cover, the weights of the sheet's heads over it, and a frame around a patch. */
function paint(current, sheet, { opacity, share, masked }) {
  const [left, top, right, bottom] = current.box;
  const [rows, columns] = current.grid;
  const scale = SIDE / Math.max(right - left, bottom - top);
  const { canvas } = sheet;
  canvas.width = Math.round((right - left) * scale);
  canvas.height = Math.round((bottom - top) * scale);
  const context = canvas.getContext("2d");
  context.drawImage(current.bitmap, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
  context.fillStyle = `rgb(0 0 0 / ${0.5 * opacity})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = !masked;
  context.drawImage(overlay(current, sheet, share, masked), 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  if (current.patch) frame(context, current.patch, canvas.width / columns, canvas.height / rows);
}

/** A canvas with a pixel for each patch, in the colour of its strongest head. */
function overlay(current, sheet, share, masked) {
  const [rows, columns] = current.grid;
  const weights = sheet.heads.map((head) => (masked ? massMask(current.flat[head], share) : scaled(current.flat[head])));
  const strength = sheet.heads.map((head, place) => (sheet.heads.length > 1 ? product(weights[place], scaled(current.flat[head])) : weights[place]));
  const shown = layers(strength, sheet.heads.map((head) => current.colours[head]));
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

/** The values of the framed patch: its share of each head's attention, or how much it belongs to the object. */
function patchValues({ grid: [rows, columns], maps, names, colours, patch: [row, column] }) {
  const shares = maps.map((map, head) => make("span", { class: "share" }, swatch(colours[head]), `${names[head]}: ${(100 * map[row][column]).toFixed(2)} %`));
  return [make("span", {}, `Row ${row + 1}, column ${column + 1} of ${rows} x ${columns}: `), ...shares];
}
