// Colours of points by a value: one for each of the most frequent values, or a scale for numbers.

const PALETTE = ["#3b78c4", "#e07b27", "#3f9d4d", "#c8443f", "#8a63c0", "#8d6248", "#d264a8", "#4ba3a8", "#a8a032", "#5560d6", "#d4a017", "#7a8f3c"];
const OTHERS = "#8a929b";
const SCALE = ["#3b1c78", "#2f5f9e", "#24908a", "#58b85a", "#e8d22e"];

/** "#rrggbb" as a pixel of a canvas (little-endian RGBA). */
const pixel = (hex) => {
  const number = parseInt(hex.slice(1), 16);
  return ((0xff << 24) | ((number & 0xff) << 16) | (number & 0xff00) | (number >> 16)) >>> 0;
};

/**
 * `colours` (Uint32Array) of the values, and the `legend`: entries with `text`, `colour`, `count` and the `numbers` of the values.
 * Numbers that take many values have a scale of five equal parts of their range; others, and texts, have one colour a value.
 */
export function colouring(values, text = String) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const numeric = counts.size > PALETTE.length && [...counts.keys()].every((value) => value === null || typeof value === "number");
  return paint(values, numeric ? scale([...counts.keys()]) : kinds(counts, text));
}

function kinds(counts, text) {
  const known = [...counts].filter(([value]) => value !== null).sort((one, other) => other[1] - one[1]);
  const shown = known.slice(0, PALETTE.length).map(([value], place) => ({ text: text(value), colour: PALETTE[place], value }));
  const place = new Map(shown.map((entry, number) => [entry.value, number]));
  return { entries: [...shown, { text: known.length > shown.length ? "others" : "no value", colour: OTHERS }], entryOf: (value) => place.get(value) ?? shown.length };
}

function scale(values) {
  const known = values.filter((value) => value !== null);
  const [least, most] = known.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const step = (most - least) / SCALE.length || 1;
  const show = (number) => number.toLocaleString("en", { maximumSignificantDigits: 4, useGrouping: false });
  const entries = SCALE.map((colour, place) => ({ text: `${show(least + place * step)} to ${show(least + (place + 1) * step)}`, colour }));
  return { entries: [...entries, { text: "no value", colour: OTHERS }], entryOf: (value) => (value === null ? SCALE.length : Math.min(SCALE.length - 1, Math.floor((value - least) / step))) };
}

function paint(values, { entries, entryOf }) {
  const legend = entries.map((entry) => ({ ...entry, numbers: [] }));
  const pixels = legend.map((entry) => pixel(entry.colour));
  const colours = new Uint32Array(values.length);
  values.forEach((value, number) => {
    const entry = entryOf(value);
    colours[number] = pixels[entry];
    legend[entry].numbers.push(number);
  });
  return { colours, legend: legend.filter((entry) => entry.numbers.length) };
}
