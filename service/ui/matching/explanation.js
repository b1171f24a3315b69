// Why a query matches: how much each place of either picture adds to their similarity, as heat on both.

import { path, pictureForm, request, thumbnailFile } from "../base/api.js";
import { make } from "../base/elements.js";
import { heat, holding } from "./maps.js";

/** The explanation of a query and the item `id`: {similarity, grid, maps: [of the query, of the item]}. The item is sent as its thumbnail. */
export async function explain(query, id) {
  const files = await Promise.all([query.content(), thumbnailFile(id)]);
  const address = path("compare", { explain: true, verify: "never", effort: query.effort });
  return (await request("POST", address, { form: pictureForm(files) })).explanation;
}

/** A map as a canvas with a pixel for each place. It lies over a picture, stretched by the browser, smooth. */
export function heatmap(map, label) {
  const canvas = make("canvas", { class: "heat", role: "img", "aria-label": label, width: map[0].length, height: map.length });
  const pixels = heat(map.flat().map((value) => Math.max(0, value)));
  canvas.getContext("2d").putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
  return canvas;
}

/** For example "Half of the similarity of 0.912 comes from 12 % of the query and 40 % of the match: the bright places." */
export function told({ similarity, maps }) {
  const [query, match] = maps.map((map) => Math.max(1, Math.round(100 * half(map.flat()))));
  return `Half of the similarity of ${similarity.toFixed(3)} comes from ${query} % of the query and ${match} % of the match: the bright places.`;
}

/** Share of the places that hold half of what speaks for a match. */
function half(values) {
  const positive = values.map((value) => Math.max(0, value));
  return holding(positive, 0.5) / positive.length;
}
