// Attention: what each head of the last block looks at, over the picture itself.

import { ask, pictures, stored, thumbnail } from "./api.js";
import { dropzone } from "./dropzone.js";
import { fill, make, slider } from "./elements.js";
import { COLOURS, layers, massMask, scaled } from "./maps.js";

const SIDE = 320; // pixels of a head's canvas along its longer side

/** Shows the view; `query` holds `id`, optional. */
export async function show(view, query) {
  const options = { opacity: 0.7, mass: 0.6, masked: true };
  const place = make("div", { class: "heads" });
  const said = make("p", { class: "reading", role: "status" }, "Point at a patch to read it.");
  const examples = make("p", { class: "examples" });
  let seen = null;

  async function look(file) {
    fill(place, make("p", { "aria-busy": "true" }, "Looking…"));
    try {
      const [item] = (await ask("POST", "attention", { form: pictures([file]) })).items;
      if (item.error) throw new Error(item.error.detail);
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      seen = { bitmap, ...item };
      build();
    } catch (error) {
      seen = null;
      fill(place, make("p", { class: "error", role: "alert" }, error.message));
    }
  }

  function build() {
    const sheets = [{ name: "all heads", heads: seen.maps.map((_, head) => head) }, ...seen.maps.map((_, head) => ({ name: `head ${head + 1}`, heads: [head] }))];
    fill(place, sheets.map((sheet) => {
      sheet.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": `attention of ${sheet.name}` });
      const read = (event) => { said.textContent = reading(seen, sheet, event); };
      sheet.canvas.addEventListener("pointermove", read);
      const swatch = make("span", { class: "swatch" });
      if (sheet.heads.length === 1) swatch.style.background = `rgb(${colour(sheet.heads[0])})`;
      return make("figure", {}, sheet.canvas, make("figcaption", {}, sheet.heads.length === 1 ? swatch : null, sheet.name));
    }));
    seen.sheets = sheets;
    draw();
  }

  const draw = () => seen?.sheets.forEach((sheet) => paint(seen, sheet, options));
  const set = (name) => (value) => { options[name] = value; draw(); };
  const masked = make("input", { type: "checkbox", checked: true, onchange: () => set("masked")(masked.checked) });
  const receive = (files) => files.length && look(files[0]);
  fill(view, make("h1", {}, "What does it look at?"), dropzone("Look at a picture", receive, { multiple: false }), examples,
    make("div", { class: "controls" },
      slider("Opacity", { value: options.opacity }, set("opacity")),
      slider("Mass", { least: 0.05, value: options.mass, show: (share) => `${Math.round(100 * share)} %` }, set("mass")),
      make("label", { class: "field check" }, masked, "Masks that hold this share of the mass")),
    said, place);
  const id = Number(query.get("id"));
  if (id) await look(await stored(id));
  else await showExamples(examples);
  return { receive };
}

const colour = (head) => COLOURS[head % COLOURS.length];

/** The part of the picture that the maps cover, and over it the weights of the sheet's heads. */
function paint(seen, sheet, { opacity, mass, masked }) {
  const [left, top, right, bottom] = seen.box;
  const [rows, columns] = seen.grid;
  const scale = SIDE / Math.max(right - left, bottom - top);
  const { canvas } = sheet;
  canvas.width = Math.round((right - left) * scale);
  canvas.height = Math.round((bottom - top) * scale);
  const weights = sheet.heads.map((head) => (masked ? massMask(seen.maps[head].flat(), mass) : scaled(seen.maps[head].flat())));
  const strength = sheet.heads.map((head, place) => (sheet.heads.length > 1 ? product(weights[place], scaled(seen.maps[head].flat())) : weights[place]));
  const shown = layers(strength, sheet.heads.map(colour));
  if (masked) for (let at = 3; at < shown.length; at += 4) shown[at] = shown[at] ? 255 : 0;
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(new ImageData(shown, columns, rows), 0, 0);
  const context = canvas.getContext("2d");
  context.drawImage(seen.bitmap, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
  context.fillStyle = `rgb(0 0 0 / ${0.5 * opacity})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = !masked;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
}

const product = (one, other) => one.map((value, place) => value * other[place]);

/** What the patch under the pointer says. */
function reading(seen, sheet, event) {
  const [rows, columns] = seen.grid;
  const area = sheet.canvas.getBoundingClientRect();
  const at = (position, length, count) => Math.min(count - 1, Math.max(0, Math.floor((position / length) * count)));
  const row = at(event.clientY - area.top, area.height, rows);
  const column = at(event.clientX - area.left, area.width, columns);
  const share = sheet.heads.map((head) => `head ${head + 1}: ${(100 * seen.maps[head][row][column]).toFixed(2)} %`);
  return `Row ${row + 1}, column ${column + 1} of ${rows} x ${columns}: ${share.join(" · ")} of the attention`;
}

async function showExamples(place) {
  const { items } = await ask("GET", "images?limit=6");
  if (!items.length) return;
  fill(place, "Or look at one of these:", items.map((item) =>
    make("a", { href: `#/attention?id=${item.id}`, "aria-label": `Look at ${item.key}` }, thumbnail(item.id, item.key, 56))));
}
