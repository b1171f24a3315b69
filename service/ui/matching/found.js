// Draw the part of the query that a match was found in: framed in the whole picture, and cropped and turned upright.

import { loaded, make } from "../base/elements.js";

/** The picture with a frame around the part; `where` is {region: [left, top, right, bottom] as shares of the sides, turn}. */
export function framed(picture, { region }) {
  return drawn(picture, "whole", (brush, { naturalWidth: width, naturalHeight: height }, canvas) => {
    Object.assign(canvas, { width, height });
    brush.drawImage(picture, 0, 0);
    if (!region) return;
    for (const [color, share] of [["#000", 90], ["#ffd400", 160]]) {
      Object.assign(brush, { strokeStyle: color, lineWidth: Math.max(2, Math.max(width, height) / share) });
      brush.strokeRect(...box(region, width, height));
    }
  });
}

/** The part alone, turned like the match, so that both can be overlaid. */
export function part(picture, { region, turn }) {
  return drawn(picture, "part", (brush, { naturalWidth, naturalHeight }, canvas) => {
    const [left, top, width, height] = box(region ?? [0, 0, 1, 1], naturalWidth, naturalHeight).map(Math.round);
    const aside = turn % 180 !== 0;
    Object.assign(canvas, aside ? { width: height, height: width } : { width, height });
    brush.translate(canvas.width / 2, canvas.height / 2);
    brush.rotate((-turn * Math.PI) / 180); // `turn` is counter-clockwise
    brush.drawImage(picture, left, top, width, height, -width / 2, -height / 2, width, height);
  });
}

const box = ([left, top, right, bottom], width, height) => [left * width, top * height, (right - left) * width, (bottom - top) * height];

/** A canvas that `draw(brush, picture, canvas)` fills when the picture is loaded; the picture itself if loading fails. */
function drawn(picture, kind, draw) {
  const canvas = make("canvas", { class: kind, role: "img", "aria-label": `${picture.alt}, ${kind === "part" ? "the part that matches" : "with a frame around the part that matches"}` });
  loaded(picture).then(() => draw(canvas.getContext("2d"), picture, canvas), () => canvas.replaceWith(picture));
  return canvas;
}
