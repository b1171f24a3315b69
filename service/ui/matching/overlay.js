// Draw what verification found over a picture: the outline of the common part, the changes, the match laid over the query.

import { loaded, make } from "../base/elements.js";

const SVG = "http://www.w3.org/2000/svg";

/** A picture in a frame of its own proportions: what lies `over` it is placed in shares of its sides, at any size. */
export function fitted(picture, kind, ...over) {
  const frame = make("div", { class: "frame" }, picture, over);
  const place = make("div", { class: `fit ${kind}` }, frame);
  loaded(picture).then(() => {
    frame.style.setProperty("--ratio", picture.naturalWidth / picture.naturalHeight);
    frame.classList.add("fitted");
  }, () => null); // a picture that the browser cannot show stays without outlines
  return place;
}

/** The match laid over the query by `transform`. Removed if the browser cannot show both. */
export function laid(query, match, transform, ...over) {
  const layer = make("div", { class: "warp" }, match);
  const place = fitted(query, "laid", layer, ...over);
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width) match.style.transform = matrix(transform, contentRect.width, contentRect.height);
  }).observe(layer);
  Promise.all([loaded(query), loaded(match)]).catch(() => place.remove());
  return place;
}

/** The CSS transform of a picture that is stretched to `width` and `height`; `transform` is 3 x 3, in shares of the sides. */
export function matrix([[a, b, c], [d, e, f], [g, h, i]], width, height) {
  const columns = [
    [a, (d * height) / width, 0, g / width],
    [(b * width) / height, e, 0, h / height],
    [0, 0, 1, 0],
    [c * width, f * height, 0, i],
  ];
  return `matrix3d(${columns.flat().join(", ")})`;
}

/** The outline of a part; `polygon` holds its corners as shares of the sides. */
export function outline(polygon) {
  const shape = document.createElementNS(SVG, "svg");
  const attributes = { class: "outline", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  Object.entries(attributes).forEach(([name, value]) => shape.setAttribute(name, value));
  for (const kind of ["under", "line"]) { // a light line on a dark one is visible on every ground
    const line = document.createElementNS(SVG, "polygon");
    line.setAttribute("class", kind);
    line.setAttribute("points", polygon.map((corner) => corner.join(",")).join(" "));
    shape.append(line);
  }
  return shape;
}

/** Marks on what was changed; `regions` are [left, top, right, bottom] as shares of the sides. */
export function marks(regions) {
  return regions.map(([left, top, right, bottom]) => {
    const mark = make("span", { class: "change" });
    const sides = { left, top, width: right - left, height: bottom - top };
    Object.entries(sides).forEach(([name, share]) => (mark.style[name] = `${100 * share}%`));
    return mark;
  });
}
